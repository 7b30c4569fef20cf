package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ballast is the file that fills a disk, at its root. Its blocks are reserved and
// never written, so that they take no room of the machine.
const ballast = "disk-full"

// MountedAt says whether a directory is the root of the disk. Before a node has
// mounted its own, its paths are the machine's.
func (d *Disk) MountedAt(root string) bool {
	var at, device unix.Stat_t
	return unix.Stat(root, &at) == nil && unix.Fstat(int(d.loop.Fd()), &device) == nil && at.Dev == device.Rdev
}

// at is an error unless a directory is the root of the disk.
func (d *Disk) at(root string) error {
	if !d.MountedAt(root) {
		return fmt.Errorf("%s is not mounted on %s", d.Device, root)
	}
	return nil
}

// Free is how much of the disk, mounted at root, can be written, and how much it
// holds, in bytes.
func (d *Disk) Free(root string) (free, size int64, err error) {
	if err := d.at(root); err != nil {
		return 0, 0, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: root, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil
}

// Filled says whether a disk is being kept full.
func Filled(root string) bool {
	_, err := os.Lstat(filepath.Join(root, ballast))
	return err == nil
}

// block is the unit in which ext4 allocates.
const block = 4096

// Fill leaves so much of the disk, mounted at root, free. It may be called again,
// with the same or another amount.
func (d *Disk) Fill(root string, leave int64) error {
	if err := d.at(root); err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(root, ballast), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	free, _, err := d.Free(root)
	if err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	at, more := info.Size(), (free-leave)/block*block
	if more < 0 {
		if err := f.Truncate(max(at+more, 0)); err != nil {
			return fmt.Errorf("fill disk: %w", err)
		}
		return nil
	}
	for more >= block {
		err := unix.Fallocate(int(f.Fd()), 0, at, more)
		switch {
		case err == nil:
			at += more
			if free, _, err = d.Free(root); err != nil {
				return fmt.Errorf("fill disk: %w", err)
			}
			more = (free - leave) / block * block
		case errors.Is(err, unix.ENOSPC):
			// What is left is partly needed for the book-keeping of more.
			info, err := f.Stat()
			if err != nil {
				return fmt.Errorf("fill disk: %w", err)
			}
			at, more = max(at, info.Size()), more/2/block*block
		default:
			return fmt.Errorf("fill disk: %w", err)
		}
	}
	return nil
}

// Empty gives back what Fill took.
func Empty(root string) error {
	if err := os.Remove(filepath.Join(root, ballast)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("empty disk: %w", err)
	}
	return nil
}

// Try writes a little to a mounted disk, as anybody would, and gives what came of
// it: ENOSPC from a full one.
func Try(root string) (err error) {
	f, err := os.CreateTemp(root, "try-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, 2*block)); err != nil {
		return err
	}
	return f.Sync()
}

// ioctls of linux/fs.h, that stop and resume all writing to a file system.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// Still does something while all of a mounted disk is in its file and nothing
// writes to it.
func Still(root string, do func() error) (err error) {
	dir, err := os.Open(root)
	if err != nil {
		return fmt.Errorf("hold disk still: %w", err)
	}
	defer dir.Close()
	if err := unix.IoctlSetInt(int(dir.Fd()), fiFreeze, 0); err != nil {
		return fmt.Errorf("hold disk %s still: %w", root, err)
	}
	defer func() { err = errors.Join(err, unix.IoctlSetInt(int(dir.Fd()), fiThaw, 0)) }()
	return do()
}
