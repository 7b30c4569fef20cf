package store

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/image-spec/identity"
	"golang.org/x/sys/unix"

	"workbench/runtime/image"
	"workbench/runtime/image/imagetest"
)

func testConfig(t *testing.T) Config {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: image files belong to root")
	}
	return Config{Dir: t.TempDir(), Images: imagetest.Images(t), Log: slog.New(slog.DiscardHandler)}
}

func mountTable(t *testing.T) string {
	t.Helper()
	body, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestGoldenStoreIsComplete(t *testing.T) {
	for _, snapshotter := range []string{Overlay, Native} {
		t.Run(snapshotter, func(t *testing.T) {
			config := testConfig(t)
			config.Snapshotter = snapshotter
			before := mountTable(t)
			start := time.Now()
			golden, err := Ensure(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("Ensure cold: %v", time.Since(start))
			if after := mountTable(t); after != before {
				t.Errorf("mounts changed:\n%s", cmp.Diff(before, after))
			}
			node := filepath.Join(t.TempDir(), "containerd")
			start = time.Now()
			if made, err := golden.Clone(node); err != nil || !made {
				t.Fatalf("clone: %v, %v", made, err)
			}
			t.Logf("Clone: %v", time.Since(start))
			checkRoot(t, node, snapshotter, config.Images)
		})
	}
}

// checkRoot opens a root directory as the daemon does and asks for everything
// that CRI asks for before it starts a container without pulling.
func checkRoot(t *testing.T, dir, snapshotter string, want []image.Image) {
	t.Helper()
	ctx := namespaces.WithNamespace(t.Context(), Namespace)
	r, err := open(ctx, dir, snapshotter)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	blobs, sn := r.db.ContentStore(), r.db.Snapshotter(snapshotter)
	listed, err := metadata.NewImageStore(r.db).List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var names, wantNames []string
	for _, i := range want {
		wantNames = append(wantNames, i.References()...)
	}
	for _, i := range listed {
		names = append(names, i.Name)
		if i.Labels[managedLabel] != managedValue || i.Labels[pinnedLabel] != pinnedValue {
			t.Errorf("%s: labels %v", i.Name, i.Labels)
		}
		complete, required, present, missing, err := images.Check(ctx, blobs, i.Target, platforms.Default())
		if err != nil || !complete || len(missing) > 0 || len(required) != len(present) {
			t.Errorf("%s: complete %v, missing %v, %v", i.Name, complete, missing, err)
		}
		diffIDs, err := i.RootFS(ctx, blobs, platforms.Default())
		if err != nil {
			t.Fatal(err)
		}
		chain := identity.ChainID(diffIDs).String()
		info, err := sn.Stat(ctx, chain)
		if err != nil || info.Kind != snapshots.KindCommitted {
			t.Errorf("%s: snapshot %s is %v, %v; want committed", i.Name, chain, info.Kind, err)
		}
		config, err := i.Config(ctx, blobs, platforms.Default())
		if err != nil {
			t.Fatal(err)
		}
		if stored, err := blobs.Info(ctx, config.Digest); err != nil || stored.Labels[snapshotReference+snapshotter] != chain {
			t.Errorf("%s: configuration's labels %v, %v", i.Name, stored.Labels, err)
		}
	}
	slices.Sort(names)
	slices.Sort(wantNames)
	if diff := cmp.Diff(wantNames, names); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	survivesCollection(t, ctx, r)
	startable(t, ctx, sn, want[0])
}

// survivesCollection runs containerd's garbage collector and expects that it finds
// nothing to remove.
func survivesCollection(t *testing.T, ctx context.Context, r *root) {
	t.Helper()
	count := func() (blobs, layers int) {
		err := errors.Join(
			r.db.ContentStore().Walk(ctx, func(content.Info) error { blobs++; return nil }),
			r.snapshotter.Walk(ctx, func(context.Context, snapshots.Info) error { layers++; return nil }),
		)
		if err != nil {
			t.Fatal(err)
		}
		return blobs, layers
	}
	blobs, layers := count()
	if _, err := r.db.GarbageCollect(ctx); err != nil {
		t.Fatal(err)
	}
	if blobsAfter, layersAfter := count(); blobs != blobsAfter || layers != layersAfter {
		t.Errorf("garbage collection went from %d blobs and %d snapshots to %d and %d", blobs, layers, blobsAfter, layersAfter)
	}
	if blobs != 17 || layers != 5 { // pause 3, toolbox 3, coredns 3, metrics-server 3, demo 5; the two demos share a layer
		t.Errorf("%d blobs and %d snapshots, want 17 and 5", blobs, layers)
	}
}

// startable prepares a container's file system as CRI does, without mounting it.
func startable(t *testing.T, ctx context.Context, sn snapshots.Snapshotter, i image.Image) {
	t.Helper()
	_, diffIDs := i.Layers()
	mounts, err := sn.Prepare(ctx, "container", identity.ChainID(diffIDs).String())
	if err != nil || len(mounts) != 1 {
		t.Fatalf("prepare a container of %s: %v, %v", i.Reference(), mounts, err)
	}
	if mounts[0].Type != "overlay" {
		return
	}
	for _, option := range mounts[0].Options {
		if lower, ok := strings.CutPrefix(option, "lowerdir="); ok {
			if info, err := os.Stat(filepath.Join(lower, "pause")); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("pause in %s: %v", lower, err)
			}
			return
		}
	}
	t.Errorf("no lower directory in %v", mounts[0].Options)
}

func TestClonesShareFilesButNotDatabases(t *testing.T) {
	config := testConfig(t)
	golden, err := Ensure(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	nodes := []string{filepath.Join(config.Dir, "w1"), filepath.Join(config.Dir, "w2")}
	for _, node := range nodes {
		if _, err := golden.Clone(node); err != nil {
			t.Fatal(err)
		}
	}
	links, copies, databases := 0, 0, 0
	err = filepath.WalkDir(golden.Path(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(golden.Path(), path)
		original := stat(t, path)
		for _, node := range nodes {
			clone := stat(t, filepath.Join(node, name))
			if name != "." && name != metadataDir() && (clone.Mode != original.Mode || clone.Uid != original.Uid || clone.Mtim != original.Mtim) {
				t.Errorf("%s: mode %o, owner %d, time %v; want %o, %d, %v", name, clone.Mode, clone.Uid, clone.Mtim, original.Mode, original.Uid, original.Mtim)
			}
			same := clone.Ino == original.Ino
			switch {
			case entry.IsDir():
			case filepath.Ext(name) == ".db":
				databases++
				if same {
					t.Errorf("%s is shared", name)
				}
			case same:
				links++
			default:
				copies++
				t.Errorf("%s is not shared", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if databases != 4 || links < 2*(11+10) || copies != 0 {
		t.Errorf("%d databases, %d links, %d copies", databases, links, copies)
	}
}

func stat(t *testing.T, path string) syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(path, err)
	}
	return st
}

func TestCloneLeavesAResumingNodeAlone(t *testing.T) {
	config := testConfig(t)
	golden, err := Ensure(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(config.Dir, "w1")
	if made, err := golden.Clone(node); err != nil || !made {
		t.Fatalf("first clone: %v, %v", made, err)
	}
	marker := filepath.Join(node, contentDir(), "marker")
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if made, err := golden.Clone(node); err != nil || made || !exists(marker) {
		t.Errorf("second clone: made %v, %v, marker %v", made, err, exists(marker))
	}
	// Without the database the clone was interrupted and starts afresh.
	if err := os.Remove(filepath.Join(node, database())); err != nil {
		t.Fatal(err)
	}
	if made, err := golden.Clone(node); err != nil || !made || exists(marker) {
		t.Errorf("clone after an interruption: made %v, %v, marker %v", made, err, exists(marker))
	}
	checkRoot(t, node, Overlay, config.Images)
}

func TestEnsureAtOnceMakesOneStore(t *testing.T) {
	config := testConfig(t)
	stale := filepath.Join(config.Dir, temporary+"killed")
	if err := os.MkdirAll(filepath.Join(stale, contentDir()), 0o755); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	paths := make([]string, 4)
	for at := range paths {
		group.Go(func() {
			golden, err := Ensure(t.Context(), config)
			if err != nil {
				t.Error(err)
			}
			paths[at] = golden.Path()
		})
	}
	group.Wait()
	if found := slices.Compact(paths); len(found) != 1 {
		t.Errorf("paths %v", found)
	}
	entries, err := os.ReadDir(config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{filepath.Base(paths[0]), "golden.lock"}; !slices.Equal(names, want) {
		t.Errorf("directory has %v, want %v", names, want)
	}
	other := config
	other.Images = config.Images[:1]
	if golden, err := Ensure(t.Context(), other); err != nil || golden.Path() == paths[0] {
		t.Errorf("other images: %s, %v; want another store", golden.Path(), err)
	}
}

func TestEnsureGivesUpWaiting(t *testing.T) {
	config := testConfig(t)
	unlock, err := lock(t.Context(), filepath.Join(config.Dir, "golden.lock"), unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Ensure(ctx, config); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with the lock taken: %v, want the deadline", err)
	}
}

func TestCloneCopiesAcrossFileSystems(t *testing.T) {
	config := testConfig(t)
	golden, err := Ensure(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if stat(t, "/dev/shm").Dev == stat(t, config.Dir).Dev {
		t.Skip("needs a second file system: /dev/shm is on the same as the temporary directory")
	}
	node, err := os.MkdirTemp("/dev/shm", "workbench-store-")
	if err != nil {
		t.Skip("needs a writable /dev/shm: ", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(node); err != nil {
			t.Error(err)
		}
	})
	if made, err := golden.Clone(node); err != nil || !made {
		t.Fatalf("clone: %v, %v", made, err)
	}
	checkRoot(t, node, Overlay, config.Images)
}

func TestConfigIsChecked(t *testing.T) {
	for name, config := range map[string]Config{
		"no directory":   {},
		"no snapshotter": {Dir: t.TempDir(), Snapshotter: "zfs"},
	} {
		if _, err := Ensure(t.Context(), config); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
