package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/continuity/sysx"
	"golang.org/x/sys/unix"
)

// Clone gives a node its containerd root directory. It returns true if it made
// one; a directory that has a database already is left as it is, because the
// node resumes from it. What an interrupted Clone left is replaced.
//
// Directories keep their modes (0700 of the snapshotter, 0755 of an image's root)
// and times; files keep them by being the same inode.
func (g Golden) Clone(dst string) (bool, error) {
	if exists(filepath.Join(dst, database())) {
		return false, nil
	}
	if err := g.clone(dst); err != nil {
		return false, fmt.Errorf("clone image store to %s: %w", dst, err)
	}
	return true, nil
}

func (g Golden) clone(dst string) error {
	parts, err := os.ReadDir(g.path)
	if err != nil {
		return fmt.Errorf("%w; make the golden store again", err)
	}
	if err := os.MkdirAll(dst, 0o711); err != nil {
		return err
	}
	for _, part := range parts {
		if err := os.RemoveAll(filepath.Join(dst, part.Name())); err != nil {
			return err
		}
	}
	if err := linkTree(g.path, dst, database()); err != nil {
		return err
	}
	return g.complete(dst)
}

// linkTree gives a directory, which exists, the content of another: directories
// are made, files are hard links, databases are copies. The entry to skip is left
// out; "" skips none.
func linkTree(src, dst, skip string) error {
	var directories []string // parents first
	err := filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		switch target := filepath.Join(dst, name); {
		case name == "." || name == skip:
			return nil
		case entry.IsDir():
			directories = append(directories, name)
			return os.Mkdir(target, 0o700)
		case filepath.Ext(name) == ".db" && skip != "":
			return duplicate(path, target)
		default:
			return link(path, target)
		}
	})
	if err != nil {
		return err
	}
	// Making entries changes a directory's time, so times are set from the leaves up.
	for at := len(directories) - 1; at >= 0; at-- {
		if err := likeness(filepath.Join(src, directories[at]), filepath.Join(dst, directories[at])); err != nil {
			return err
		}
	}
	return nil
}

// complete copies the main database, by whose presence a clone counts.
func (g Golden) complete(dst string) error {
	target := filepath.Join(dst, database())
	if err := duplicate(filepath.Join(g.path, database()), target+".new"); err != nil {
		return err
	}
	if err := os.Rename(target+".new", target); err != nil {
		return err
	}
	return syncPath(filepath.Dir(target))
}

// link makes a hard link, also of a symbolic link, and a copy where the file
// system or its limits forbid it.
func link(source, target string) error {
	err := os.Link(source, target)
	for _, forbidden := range []error{unix.EXDEV, unix.EMLINK, unix.EPERM, unix.EOPNOTSUPP} {
		if errors.Is(err, forbidden) {
			return duplicate(source, target)
		}
	}
	return err
}

// duplicate copies a regular file or a symbolic link, without blocks where the
// file system can share them. Databases are forced to disk.
func duplicate(source, target string) error {
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		leads, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return errors.Join(os.Symlink(leads, target), likeness(source, target))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode()&fs.ModeCharDevice != 0 { // a whiteout
		return errors.Join(unix.Mknod(target, st.Mode, int(st.Rdev)), likeness(source, target))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("copy %s: neither file nor symbolic link", source)
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) // copy_file_range(2)
	if filepath.Ext(source) == ".db" {
		err = errors.Join(err, out.Sync())
	}
	return errors.Join(err, out.Close(), likeness(source, target))
}

// likeness gives a file the owner, mode, extended attributes and time of another:
// the attributes say which directories of a layer hide those below.
func likeness(source, target string) error {
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	system, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("read owner of %s: no Unix file system", source)
	}
	if err := os.Lchown(target, int(system.Uid), int(system.Gid)); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		if err := os.Chmod(target, info.Mode()); err != nil {
			return err
		}
	}
	if err := attributes(source, target); err != nil {
		return err
	}
	modified := unix.NsecToTimespec(info.ModTime().UnixNano())
	times := []unix.Timespec{unix.NsecToTimespec(time.Now().UnixNano()), modified}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, target, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimes", Path: target, Err: err}
	}
	return nil
}

// attributes copies extended attributes. A file system without them has none to
// lose.
func attributes(source, target string) error {
	names, err := sysx.LListxattr(source)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "listxattr", Path: source, Err: err}
	}
	for _, name := range names {
		if strings.HasPrefix(name, "security.selinux") {
			continue // the file system's own
		}
		value, err := sysx.LGetxattr(source, name)
		if err == nil {
			err = sysx.LSetxattr(target, name, value, 0)
		}
		if err != nil {
			return &fs.PathError{Op: "copy xattr " + name, Path: target, Err: err}
		}
	}
	return nil
}
