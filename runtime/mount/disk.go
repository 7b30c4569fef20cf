package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk is a file system that a node has for itself, and what of the node lies on
// it. It holds what the node writes; what it was given stays in its root.
type Disk struct {
	Device  string `json:"device"`  // on the host
	Options string `json:"options"` // of the mount
	At      string `json:"at"`      // in the node, absolute
	// Dirs of the node lie on the disk.
	Dirs []string `json:"dirs"`
	// Linked are such too, whose directories of before are the disk's by symbolic
	// links: layers of images, which no container writes to.
	Linked []string `json:"linked,omitempty"`
}

// Given is appended to the name of a linked directory: so its part in the root is
// called in the node.
const Given = ".given"

// disk mounts the node's disk and the directories that lie on it.
func (r Root) disk() error {
	d := r.Disk
	if d == nil {
		return nil
	}
	at := filepath.Join(r.Dir, d.At)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", d.At, err)
	}
	if err := unix.Mount(d.Device, at, "ext4", unix.MS_RELATIME, d.Options); err != nil {
		return fmt.Errorf("mount disk %s on %s: %w", d.Device, d.At, err)
	}
	for _, dir := range d.Dirs {
		if err := r.lay(dir, nil); err != nil {
			return fmt.Errorf("lay %s on disk: %w", dir, err)
		}
	}
	for _, dir := range d.Linked {
		if err := r.layLinked(dir); err != nil {
			return fmt.Errorf("lay %s on disk: %w", dir, err)
		}
	}
	return nil
}

// layLinked shows a directory's part in the node's root under another name, and
// links what is there from the disk.
func (r Root) layLinked(dir string) error {
	given := filepath.Join(r.Dir, dir+Given)
	if err := os.MkdirAll(given, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(filepath.Join(r.Dir, dir), given, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", given, err)
	}
	entries, err := os.ReadDir(given)
	if err != nil {
		return err
	}
	return r.lay(dir, func(fresh string) error {
		var errs []error
		for _, e := range entries {
			errs = append(errs, os.Symlink(filepath.Join(dir+Given, e.Name()), filepath.Join(fresh, e.Name())))
		}
		return errors.Join(errs...)
	})
}

// lay mounts a directory of the disk over one of the node. Where the disk has none
// it is made like the node's; fill, unless nil, puts into it what belongs there.
func (r Root) lay(dir string, fill func(fresh string) error) error {
	target := filepath.Join(r.Dir, dir)
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	source := filepath.Join(r.Dir, r.Disk.At, dir)
	if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
		fresh := source + ".new"
		if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, info.Mode().Perm()), os.Chmod(fresh, info.Mode().Perm())); err != nil {
			return err
		}
		if fill != nil {
			if err := fill(fresh); err != nil {
				return err
			}
		}
		if err := os.Rename(fresh, source); err != nil {
			return err
		}
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s on %s: %w", source, dir, err)
	}
	return nil
}
