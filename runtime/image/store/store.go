// Package store makes the image store that every node of a lab starts with: a
// containerd root directory in which the lab's images are already imported and
// unpacked, so that no node needs a network, an import or an unpack.
//
// It is made once, in process and without a daemon, as the golden store; nodes
// then get clones of it, in which blobs and unpacked files are hard links:
//
//	DIR/golden-KEY/                            node's /var/lib/containerd
//	  io.containerd.content.v1.content/        hard links
//	  io.containerd.snapshotter.v1.overlayfs/  hard links, metadata.db copied
//	  io.containerd.metadata.v1.bolt/          meta.db copied, last
//
// Hard links are safe because containerd never writes to a blob after it is
// complete (it has mode 0444) or to the directory of a committed snapshot: those
// only become lower directories of an overlay, or read-only bind mounts, and
// are removed by unlinking. They also make all nodes share the page cache, so a
// program in an image is in memory once.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/version"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"workbench/runtime/image"
)

// Names of the snapshotters that a store can be made for.
const (
	Overlay = "overlayfs" // the default
	Native  = "native"    // copies files; for file systems without overlay
)

// Config says where the golden store is and what is in it.
type Config struct {
	// Dir is the parent of golden stores. It should be on the same file system as
	// the nodes' directories: otherwise clones are copies.
	Dir string
	// Images to import; image.Builtin() if empty.
	Images []image.Image
	// Snapshotter is the one that containerd's CRI is configured with.
	Snapshotter string
	Log         *slog.Logger
}

func (c *Config) validate() error {
	if c.Dir == "" {
		return errors.New("make golden image store: no directory given")
	}
	if c.Snapshotter == "" {
		c.Snapshotter = Overlay
	}
	if c.Snapshotter != Overlay && c.Snapshotter != Native {
		return fmt.Errorf("make golden image store: snapshotter %q is not known; want %s or %s", c.Snapshotter, Overlay, Native)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Images) == 0 {
		images, err := image.Builtin()
		if err != nil {
			return err
		}
		c.Images = images
	}
	return nil
}

// layoutVersion counts changes in how this package fills a store.
const layoutVersion = 1

// key names a store after everything that determines its content.
func (c *Config) key() string {
	sum := digest.Canonical.Digester()
	fmt.Fprintf(sum.Hash(), "%d %s %s\n", layoutVersion, version.Version, c.Snapshotter)
	for _, i := range c.Images {
		fmt.Fprintf(sum.Hash(), "%s %s\n", i.Reference(), i.Digest)
	}
	return sum.Digest().Encoded()[:16]
}

// Golden is a complete store from which nodes are cloned. Nobody may write to it.
type Golden struct {
	path string
}

// Path is the directory of the store.
func (g Golden) Path() string { return g.path }

// Blobs is the directory of the store's blobs, by algorithm and digest.
func (g Golden) Blobs() string { return filepath.Join(g.path, contentDir(), "blobs") }

// temporary is the prefix of stores being made.
const temporary = ".golden-new-"

// Ensure returns the golden store for the images and makes it if there is none.
// Any number of processes may call it at once: one makes the store, the others
// wait. If that one is killed, the next starts afresh.
func Ensure(ctx context.Context, config Config) (Golden, error) {
	if err := config.validate(); err != nil {
		return Golden{}, err
	}
	golden := Golden{path: filepath.Join(config.Dir, "golden-"+config.key())}
	if exists(golden.path) {
		return golden, nil
	}
	if err := os.MkdirAll(config.Dir, 0o711); err != nil {
		return Golden{}, fmt.Errorf("make golden image store: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(config.Dir, "golden.lock"), unix.LOCK_EX)
	if err != nil {
		return Golden{}, fmt.Errorf("make golden image store: wait for another process: %w", err)
	}
	defer unlock()
	if exists(golden.path) {
		return golden, nil
	}
	start := time.Now()
	if err := config.make(ctx, golden.path); err != nil {
		return Golden{}, fmt.Errorf("make golden image store in %s: %w", config.Dir, err)
	}
	config.Log.Info("golden image store made", "path", golden.path, "images", len(config.Images), "duration", time.Since(start))
	return golden, nil
}

// make builds the store beside its place and moves it there when it is complete
// and on disk. The caller holds the lock.
func (c *Config) make(ctx context.Context, path string) (err error) {
	stale, err := filepath.Glob(filepath.Join(c.Dir, temporary+"*"))
	if err != nil {
		return err
	}
	for _, dir := range stale { // of a process that was killed: we hold the lock
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(c.Dir, temporary)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := os.Chmod(dir, 0o711); err != nil { // what containerd gives its root
		return err
	}
	if err := populate(ctx, dir, c.Snapshotter, c.Images); err != nil {
		return err
	}
	if err := flush(dir); err != nil {
		return err
	}
	if err := os.Rename(dir, path); err != nil {
		return err
	}
	return syncPath(c.Dir)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// lockInterval is how often a taken lock is tried again.
const lockInterval = 20 * time.Millisecond

// lock takes a file lock, unix.LOCK_EX or LOCK_SH. The kernel gives it up when the
// process ends.
func lock(ctx context.Context, path string, how int) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(lockInterval)
	defer ticker.Stop()
	for {
		err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(&fs.PathError{Op: "flock", Path: path, Err: err}, file.Close())
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		}
	}
}

// flush writes a tree to disk.
func flush(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() && !entry.IsDir() {
			return err
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
