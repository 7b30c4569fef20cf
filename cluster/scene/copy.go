package scene

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inode identifies a file on this machine.
type inode struct{ device, number uint64 }

// copier copies trees and notes their files.
type copier struct {
	shared         map[inode]bool // files of the image stores that nodes are cloned from
	files          []File
	copied, linked int64
	buffer         []byte
}

// newCopier knows the files in the shared image stores, of which nodes have hard
// links and which nobody writes to.
func newCopier(images string) (*copier, error) {
	c := &copier{shared: map[inode]bool{}, buffer: make([]byte, block)}
	err := filepath.WalkDir(images, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		c.shared[inodeOf(info)] = true
		return nil
	})
	return c, err
}

func inodeOf(info fs.FileInfo) inode {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}
	}
	return inode{st.Dev, st.Ino}
}

// immutable says that a file is never written again: of an image's store, or a
// blob named by its own sum.
func (c *copier) immutable(name string, info fs.FileInfo) bool {
	return filepath.Ext(name) != ".db" && c.shared[inodeOf(info)] || strings.Contains(name, "/io.containerd.content.v1.content/blobs/")
}

// tree copies a file or directory; name is how the manifest calls it.
func (c *copier) tree(from, to, name string) error {
	var directories []string // parents first
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			directories = append(directories, below)
			return os.Mkdir(filepath.Join(to, below), 0o700)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return c.file(path, filepath.Join(to, below), filepath.Join(name, below), info)
	})
	if err != nil {
		return err
	}
	// Making entries changes a directory's time, so times are set from the leaves up.
	for i := len(directories) - 1; i >= 0; i-- {
		if err := likeness(filepath.Join(from, directories[i]), filepath.Join(to, directories[i])); err != nil {
			return err
		}
	}
	return nil
}

// file copies what is no directory. Sockets are left out: who listened makes them
// anew.
func (c *copier) file(from, to, name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("read %s: no Unix file system", from)
	}
	switch mode := info.Mode(); {
	case mode.IsRegular() && c.immutable(name, info):
		c.files, c.linked = append(c.files, File{Path: name, Size: info.Size()}), c.linked+info.Size()
		return os.Link(from, to)
	case mode.IsRegular():
		sum, err := c.content(from, to, info.Size())
		if err != nil {
			return err
		}
		c.files = append(c.files, File{Path: name, Size: info.Size(), Sum: sum})
	case mode&fs.ModeSymlink != 0:
		leads, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Symlink(leads, to); err != nil {
			return err
		}
	case mode&fs.ModeSocket != 0:
		return nil
	default: // a device, as overlayfs has for what was deleted, or a pipe
		if err := unix.Mknod(to, st.Mode, int(st.Rdev)); err != nil {
			return &fs.PathError{Op: "mknod", Path: to, Err: err}
		}
	}
	return likeness(from, to)
}

// block is how much is read at a time; blocks of zeros are not written, so that
// what etcd allocates ahead takes no room.
const block = 256 << 10

// content copies the bytes of a file and sums them up.
func (c *copier) content(from, to string, size int64) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	sum, err := eachBlock(in, c.buffer, func(at int64, data []byte) error {
		c.copied += int64(len(data))
		_, err := out.WriteAt(data, at)
		return err
	})
	return sum, errors.Join(err, out.Truncate(size), out.Close())
}

// sumOf is the sum of a file's content.
func sumOf(path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	return eachBlock(in, make([]byte, block), func(int64, []byte) error { return nil })
}

// eachBlock calls do with the blocks of a file that are not all zero, holes left
// out, and sums them up with their places.
func eachBlock(in *os.File, buffer []byte, do func(at int64, data []byte) error) (string, error) {
	sum := sha256.New()
	for at := int64(0); ; {
		data, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole to the end
		}
		if err != nil {
			data = at // a file system that knows no holes
		}
		at = data / block * block
		n, err := in.ReadAt(buffer, at)
		if n > 0 && !zero(buffer[:n]) {
			add(sum, at, buffer[:n])
			if err := do(at, buffer[:n]); err != nil {
				return "", err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func add(sum hash.Hash, at int64, data []byte) {
	var place [8]byte
	binary.LittleEndian.PutUint64(place[:], uint64(at))
	_, _ = sum.Write(place[:]) // never fails
	_, _ = sum.Write(data)
}

func zero(data []byte) bool {
	for len(data) >= 8 {
		if binary.LittleEndian.Uint64(data) != 0 {
			return false
		}
		data = data[8:]
	}
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

// likeness gives a file the owner, mode, attributes and time of another.
func likeness(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("read owner of %s: no Unix file system", from)
	}
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		if err := unix.Chmod(to, st.Mode&0o7777); err != nil {
			return &fs.PathError{Op: "chmod", Path: to, Err: err}
		}
	}
	if err := attributes(from, to); err != nil {
		return err
	}
	times := []unix.Timespec{unix.NsecToTimespec(time.Now().UnixNano()), unix.NsecToTimespec(info.ModTime().UnixNano())}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimes", Path: to, Err: err}
	}
	return nil
}

// attributes copies the extended attributes, in which overlayfs and file
// capabilities keep theirs.
func attributes(from, to string) error {
	size, err := unix.Llistxattr(from, nil)
	if errors.Is(err, unix.EOPNOTSUPP) || size == 0 && err == nil {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "listxattr", Path: from, Err: err}
	}
	names := make([]byte, size)
	if size, err = unix.Llistxattr(from, names); err != nil {
		return &fs.PathError{Op: "listxattr", Path: from, Err: err}
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:size]), "\x00"), "\x00") {
		length, err := unix.Lgetxattr(from, name, nil)
		if err != nil {
			return &fs.PathError{Op: "getxattr", Path: from, Err: err}
		}
		value := make([]byte, length)
		if _, err := unix.Lgetxattr(from, name, value); err != nil && length > 0 {
			return &fs.PathError{Op: "getxattr", Path: from, Err: err}
		}
		if err := unix.Lsetxattr(to, name, value, 0); err != nil {
			return &fs.PathError{Op: "setxattr " + name, Path: to, Err: err}
		}
	}
	return nil
}
