package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"workbench/cluster/layout"
	"workbench/cluster/scene"
	"workbench/runtime/image/store"
)

// Contents says what goes into a bundle beside the lab's file and images.
type Contents struct {
	Kubernetes string
	Scenes     []string
	Scenarios  []string // paths of files
	Recordings []string // paths of files
}

// Save writes a bundle of a lab to a file, which it replaces once all is written.
func Save(ctx context.Context, place layout.Lab, path string, c Contents) (index Index, err error) {
	out, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return Index{}, fmt.Errorf("save bundle: %w", err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	packed, err := zstd.NewWriter(out)
	if err != nil {
		return Index{}, fmt.Errorf("save bundle: %w", err)
	}
	w := &writer{tar: tar.NewWriter(packed), seen: map[inode]string{}, index: Index{Format: format, Lab: place.Name, Kubernetes: c.Kubernetes, Sums: map[string]string{}}}
	if err := w.all(ctx, place, c); err != nil {
		return Index{}, fmt.Errorf("save bundle of lab %s: %w", place.Name, err)
	}
	if err := errors.Join(w.tar.Close(), packed.Close(), out.Chmod(0o600), out.Sync()); err != nil {
		return Index{}, fmt.Errorf("save bundle %s: %w", path, err)
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return Index{}, fmt.Errorf("save bundle: %w", err)
	}
	return w.index, nil
}

// inode identifies a file on this machine.
type inode struct{ device, number uint64 }

// writer writes a bundle's entries.
type writer struct {
	tar   *tar.Writer
	seen  map[inode]string // entry that has the content
	index Index
}

func (w *writer) all(ctx context.Context, place layout.Lab, c Contents) error {
	saved, err := place.Load()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	if err := w.small(labEntry, raw); err != nil {
		return err
	}
	if err := w.images(ctx, place); err != nil {
		return err
	}
	for _, name := range c.Scenes {
		m, err := scene.Open(place, name)
		if err == nil {
			err = scene.Verify(place, m)
		}
		if err != nil {
			return err
		}
		if err := w.tree(filepath.Join(place.Scenes(), name), scenesDir+"/"+name); err != nil {
			return err
		}
		w.index.Scenes = append(w.index.Scenes, name)
	}
	for _, files := range []struct {
		dir   string
		paths []string
		names *[]string
	}{{scenariosDir, c.Scenarios, &w.index.Scenarios}, {recordingsDir, c.Recordings, &w.index.Recordings}} {
		for _, path := range files.paths {
			name := files.dir + "/" + filepath.Base(path)
			if w.index.Sums[name] != "" {
				return fmt.Errorf("two of the files are called %s", filepath.Base(path))
			}
			if err := w.tree(path, name); err != nil {
				return err
			}
			*files.names = append(*files.names, filepath.Base(path))
		}
	}
	raw, err = json.Marshal(w.index)
	if err != nil {
		return err
	}
	if err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: indexEntry, Mode: 0o600, Size: int64(len(raw)), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = w.tar.Write(raw)
	return err
}

// small writes an entry that is in memory.
func (w *writer) small(name string, raw []byte) error {
	return w.entry(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(raw))}, bytes.NewReader(raw))
}

// entry writes an entry and notes its sum.
func (w *writer) entry(h *tar.Header, content io.Reader) error {
	h.Format = tar.FormatPAX
	if h.ModTime.IsZero() {
		h.ModTime = time.Unix(0, 0) // as it will be read
	}
	sum := begin(h)
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	if content != nil {
		n, err := io.Copy(w.tar, io.TeeReader(content, sum))
		if err == nil && n != h.Size {
			err = fmt.Errorf("it changed from %d bytes to %d meanwhile", h.Size, n)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	w.index.Sums[h.Name] = end(sum)
	return nil
}

// images writes the images that were loaded into the lab, as one archive.
func (w *writer) images(ctx context.Context, place layout.Lab) error {
	loaded, err := place.LoadedImages()
	if err != nil || len(loaded) == 0 {
		return err
	}
	pool, err := store.OpenPool(place.ImagePool())
	if err != nil {
		return err
	}
	unlock, err := pool.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var named []store.Named
	for _, i := range loaded {
		parts, err := pool.Parts(ctx, ocispec.Descriptor{MediaType: i.MediaType, Digest: digest.Digest(i.Digest), Size: i.Length})
		if err != nil {
			return fmt.Errorf("image %s: %w", i.Name, err)
		}
		named = append(named, store.Named{Name: i.Name, Parts: parts})
	}
	w.index.Images = loaded
	archive, err := os.CreateTemp(place.ImagePool(), ".bundle-")
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	if err := pool.Export(archive, named); err != nil {
		return err
	}
	size, err := archive.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return w.entry(&tar.Header{Typeflag: tar.TypeReg, Name: imagesEntry, Mode: 0o600, Size: size}, archive)
}

// tree writes a file or directory under a name.
func (w *writer) tree(from, name string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return w.file(path, filepath.ToSlash(filepath.Join(name, below)), info)
	})
}

func (w *writer) file(path, name string, info fs.FileInfo) error {
	var leads string
	var err error
	if info.Mode()&fs.ModeSymlink != 0 {
		if leads, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, leads)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname = name, "", ""
	if h.PAXRecords, err = attributes(path); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return w.entry(h, nil)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("read %s: no Unix file system", path)
	}
	if first, ok := w.seen[inode{st.Dev, st.Ino}]; ok && st.Nlink > 1 {
		h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
		return w.entry(h, nil)
	}
	w.seen[inode{st.Dev, st.Ino}] = name
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	if st.Blocks*512 >= st.Size { // stat(2): blocks have 512 bytes
		return w.entry(h, in)
	}
	content, err := sparse(h, in)
	if err != nil {
		return err
	}
	return w.entry(h, content)
}

// attributes are the extended attributes of a file as PAX records.
func attributes(path string) (map[string]string, error) {
	names := make([]byte, 64<<10)
	size, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.EOPNOTSUPP) || size == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, &fs.PathError{Op: "listxattr", Path: path, Err: err}
	}
	out := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:size]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, &fs.PathError{Op: "getxattr " + name, Path: path, Err: err}
		}
		out[xattr+name] = string(value[:n])
	}
	return out, nil
}
