package bundle

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/scene"
	"workbench/runtime/image/store"
)

// staged is the prefix of directories that bundles are extracted to.
const staged = ".bundle-"

// Load makes a lab of a bundle: the one it was saved of, which must not exist. Until
// all of it is checked and in its place there is nothing of it.
func Load(ctx context.Context, state, file string) (_ Index, err error) {
	in, err := os.Open(file)
	if err != nil {
		return Index{}, fmt.Errorf("load bundle: %w", err)
	}
	defer in.Close()
	if err := os.MkdirAll(state, 0o700); err != nil {
		return Index{}, fmt.Errorf("load bundle: %w", err)
	}
	dir, err := os.MkdirTemp(state, staged)
	if err != nil {
		return Index{}, fmt.Errorf("load bundle: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	x := &extractor{dir: dir, dirs: map[string]bool{".": true}, files: map[string]bool{}, sums: map[string]string{}}
	index, err := x.extract(in)
	if err != nil {
		return Index{}, fmt.Errorf("load bundle %s: %w; nothing was loaded", file, err)
	}
	place := layout.Lab{State: state, Name: index.Lab}
	if err := install(ctx, place, dir, index, filepath.Base(file)); err != nil {
		return Index{}, fmt.Errorf("load bundle %s: %w; nothing was loaded", file, err)
	}
	return index, nil
}

// extractor writes a bundle's entries below a directory that is empty at first, and
// nothing outside of it: an entry's parent must be a directory that it made.
type extractor struct {
	dir     string
	dirs    map[string]bool
	files   map[string]bool
	headers []*tar.Header // of directories: their times are set last
	sums    map[string]string
}

func (x *extractor) extract(in io.Reader) (Index, error) {
	packed, err := zstd.NewReader(bufio.NewReaderSize(in, 1<<20))
	if err != nil {
		return Index{}, err
	}
	defer packed.Close()
	r := tar.NewReader(packed)
	last := "its beginning"
	for {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return Index{}, fmt.Errorf("%w: it ends after %s, without an index", ErrDamaged, last)
		case err != nil && last == "its beginning":
			return Index{}, fmt.Errorf("%w, or this is none: %w", ErrDamaged, err)
		case err != nil:
			return Index{}, fmt.Errorf("%w: after %s: %w", ErrDamaged, last, err)
		}
		if h.Name == indexEntry {
			return x.finish(r)
		}
		if err := x.entry(h, r); err != nil {
			return Index{}, err
		}
		last = h.Name
	}
}

// entry makes what one entry says.
func (x *extractor) entry(h *tar.Header, content io.Reader) error {
	name := path.Clean(h.Name)
	if !filepath.IsLocal(name) || x.made(name) {
		return fmt.Errorf("%w: an entry is called %q", ErrDamaged, h.Name)
	}
	for parent := path.Dir(name); ; parent = path.Dir(parent) {
		if x.dirs[parent] {
			break
		}
		if parent != scenesDir && parent != scenariosDir && parent != recordingsDir {
			return fmt.Errorf("%w: %s is in no directory", ErrDamaged, h.Name)
		}
		if err := os.Mkdir(filepath.Join(x.dir, parent), 0o700); err != nil {
			return err
		}
		x.dirs[parent] = true
	}
	sum := begin(h)
	if err := x.write(h, filepath.Join(x.dir, name), io.TeeReader(content, sum)); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("write %s: %w", h.Name, err)
		}
		return fmt.Errorf("%w: %s: %w", ErrDamaged, h.Name, err)
	}
	x.sums[h.Name] = end(sum)
	return nil
}

func (x *extractor) made(name string) bool { return x.dirs[name] || x.files[name] }

func (x *extractor) write(h *tar.Header, to string, content io.Reader) error {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		x.dirs[name] = true
		x.headers = append(x.headers, h)
		return os.Mkdir(to, 0o700)
	case tar.TypeLink:
		if !x.files[path.Clean(h.Linkname)] {
			return fmt.Errorf("a link to %s, which is not before it", h.Linkname)
		}
		x.files[name] = true
		return os.Link(filepath.Join(x.dir, path.Clean(h.Linkname)), to)
	case tar.TypeReg:
		write := func() error { return writeFile(to, content, h.Size) }
		if whole, ok := h.PAXRecords[wholeSize]; ok {
			write = func() error { return writeSparse(to, content, whole) }
		}
		if err := write(); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := os.Symlink(h.Linkname, to); err != nil {
			return err
		}
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		kind := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}[h.Typeflag]
		if err := unix.Mknod(to, kind|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))); err != nil {
			return &fs.PathError{Op: "mknod", Path: to, Err: err}
		}
	default:
		return fmt.Errorf("an entry of type %q", h.Typeflag)
	}
	x.files[name] = true
	return likeness(h, to)
}

// hole is how many zeros are not written but left out.
const hole = 64 << 10

// writeFile writes a file without its holes.
func writeFile(to string, content io.Reader, size int64) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	buffer, zeros := make([]byte, hole), make([]byte, hole)
	var at int64
	for err == nil {
		var n int
		n, err = io.ReadFull(content, buffer)
		if n > 0 && !bytes.Equal(buffer[:n], zeros[:n]) {
			if _, werr := out.WriteAt(buffer[:n], at); werr != nil {
				err = werr
			}
		}
		at += int64(n)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && at == size {
		err = out.Truncate(size)
	}
	return errors.Join(err, out.Close())
}

// likeness gives a file owner, mode, attributes and time of an entry.
func likeness(h *tar.Header, to string) error {
	if err := os.Lchown(to, h.Uid, h.Gid); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(to, uint32(h.Mode)&0o7777); err != nil {
			return &fs.PathError{Op: "chmod", Path: to, Err: err}
		}
	}
	for name, value := range attributesOf(h) {
		if err := unix.Lsetxattr(to, name, []byte(value), 0); err != nil {
			return &fs.PathError{Op: "setxattr " + name, Path: to, Err: err}
		}
	}
	at := unix.NsecToTimespec(h.ModTime.UnixNano())
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimes", Path: to, Err: err}
	}
	return nil
}

// finish holds what was extracted against the index.
func (x *extractor) finish(r io.Reader) (Index, error) {
	var index Index
	if err := json.NewDecoder(r).Decode(&index); err != nil {
		return index, fmt.Errorf("%w: its index cannot be read: %w", ErrDamaged, err)
	}
	if index.Format != format {
		return index, fmt.Errorf("the bundle is of format %d, and this workbench reads %d", index.Format, format)
	}
	for name, sum := range index.Sums {
		switch x.sums[name] {
		case sum:
		case "":
			return index, fmt.Errorf("%w: %s is missing", ErrDamaged, name)
		default:
			return index, fmt.Errorf("%w: %s is not what was saved: its sum is %s, and should be %s", ErrDamaged, name, x.sums[name], sum)
		}
	}
	if len(x.sums) != len(index.Sums) {
		return index, fmt.Errorf("%w: it has %d entries, and its index %d", ErrDamaged, len(x.sums), len(index.Sums))
	}
	// Making entries changes a directory's time, so times are set from the leaves up.
	for at := len(x.headers) - 1; at >= 0; at-- {
		if err := likeness(x.headers[at], filepath.Join(x.dir, path.Clean(x.headers[at].Name))); err != nil {
			return index, err
		}
	}
	return index, nil
}

// install makes a lab of what was extracted.
func install(ctx context.Context, place layout.Lab, dir string, index Index, from string) error {
	if err := scene.CheckName(place.Name); err != nil {
		return fmt.Errorf("%w: its lab is called %q", ErrDamaged, place.Name)
	}
	if _, err := os.Lstat(place.Dir()); err == nil {
		return fmt.Errorf("lab %s exists; delete it with: workbench --name %[1]s down --purge, or load into another --state-dir", place.Name)
	}
	raw, err := os.ReadFile(filepath.Join(dir, labEntry))
	if err != nil {
		return fmt.Errorf("%w: it has no lab: %w", ErrDamaged, err)
	}
	var saved layout.Saved
	if err := json.Unmarshal(raw, &saved); err != nil {
		return fmt.Errorf("%w: its lab cannot be read: %w", ErrDamaged, err)
	}
	// What becomes the lab's directory: beside what it is made of.
	fresh := layout.Lab{State: dir, Name: "lab"}
	saved.Lab = saved.Lab.With(saved.Nodes)
	if err := fresh.Save(saved); err != nil {
		return err
	}
	for _, part := range []string{scenesDir, scenariosDir, recordingsDir} {
		err := os.Rename(filepath.Join(dir, part), filepath.Join(fresh.Dir(), part))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(index.Images) == 0 {
		return os.Rename(fresh.Dir(), place.Dir())
	}
	pool, err := store.OpenPool(place.ImagePool())
	if err != nil {
		return err
	}
	unlock, err := pool.Lock(ctx) // until the lab is there, by which images are kept
	if err != nil {
		return err
	}
	defer unlock()
	loaded, err := loadImages(ctx, pool, filepath.Join(dir, imagesEntry), from)
	if err != nil {
		return err
	}
	if err := fresh.SaveLoadedImages(loaded); err != nil {
		return err
	}
	return os.Rename(fresh.Dir(), place.Dir())
}

func loadImages(ctx context.Context, pool *store.Pool, file, from string) ([]event.ImageLoaded, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w: its images are missing: %w", ErrDamaged, err)
	}
	defer in.Close()
	found, err := pool.Import(ctx, in, "")
	if err != nil {
		return nil, fmt.Errorf("its images: %w", err)
	}
	var out []event.ImageLoaded
	for _, i := range found {
		out = append(out, i.Loaded(strings.TrimPrefix(from, "./")))
	}
	return out, nil
}
