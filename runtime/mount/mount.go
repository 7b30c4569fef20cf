// Package mount gives a node its own root file system: a private directory
// with the host's programs read-only, fresh kernel file systems, and nothing
// else of the host in sight.
//
//	<root>                the node's own files; persistent
//	  var/disk            a file system of its own, where it has one: what it writes
//	  usr bin lib ...     the host's, read-only
//	  opt/workbench/bin   the workbench binary under the names of its roles
//	  proc sys dev run    the node's own kernel views; gone with the node
//
// Everything is mounted in the node's mount namespace and so disappears with
// its last process.
package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Bind is a file or directory of the host shown in the node.
type Bind struct {
	Source   string `json:"source"` // on the host
	Target   string `json:"target"` // in the node, absolute
	Writable bool   `json:"writable,omitempty"`
}

// Cgroup is a cgroup hierarchy to mount in the node.
type Cgroup struct {
	Target  string `json:"target"`
	Options string `json:"options"`
	V2      bool   `json:"v2"`
}

// Root describes a node's root file system.
type Root struct {
	Dir     string   `json:"dir"` // on the host
	Binds   []Bind   `json:"binds"`
	Cgroups []Cgroup `json:"cgroups"`
	Disk    *Disk    `json:"disk,omitempty"` // nil where all is in Dir
}

// systemDirs are the directories of the host that a node shows read-only:
// programs and libraries, wherever this distribution keeps them.
var systemDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix"}

// Enter makes the root and moves the calling process into it. It must run in a
// mount namespace of its own; all threads of the process see the new root.
func (r Root) Enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(r.Dir, r.Dir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind root %s: %w", r.Dir, err)
	}
	steps := []func() error{r.system, r.kernel, r.cgroups, r.devices, r.binds, r.disk, r.pivot}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r Root) system() error {
	for _, dir := range systemDirs {
		info, err := os.Lstat(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		if info.Mode()&os.ModeSymlink != 0 {
			if err := relink(dir, filepath.Join(r.Dir, dir)); err != nil {
				return err
			}
			continue
		}
		if err := r.bind(Bind{Source: dir, Target: dir}); err != nil {
			return err
		}
	}
	return nil
}

// relink makes the same symbolic link as on the host, such as /bin -> usr/bin.
func relink(source, target string) error {
	to, err := os.Readlink(source)
	if err != nil {
		return fmt.Errorf("read link %s: %w", source, err)
	}
	if have, err := os.Readlink(target); err == nil && have == to {
		return nil
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replace link %s: %w", target, err)
	}
	return os.Symlink(to, target)
}

func (r Root) kernel() error {
	const hardened = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	for _, m := range []struct {
		kind, target, data string
		flags              uintptr
	}{
		{"proc", "/proc", "", hardened},
		{"sysfs", "/sys", "", hardened},
		{"tmpfs", "/run", "mode=755", unix.MS_NOSUID | unix.MS_NODEV},
		{"tmpfs", "/tmp", "mode=1777", unix.MS_NOSUID | unix.MS_NODEV},
	} {
		target := filepath.Join(r.Dir, m.target)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", target, err)
		}
		if err := unix.Mount(m.kind, target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
		}
	}
	return nil
}

func (r Root) cgroups() error {
	base := filepath.Join(r.Dir, "/sys/fs/cgroup")
	if len(r.Cgroups) == 1 && r.Cgroups[0].V2 {
		if err := unix.Mount("cgroup2", base, "cgroup2", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("mount cgroup2: %w", err)
		}
		return nil
	}
	if err := unix.Mount("tmpfs", base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("mount cgroup tmpfs: %w", err)
	}
	for _, c := range r.Cgroups {
		target := filepath.Join(base, filepath.Base(c.Target))
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", target, err)
		}
		options := c.Options
		if strings.HasPrefix(options, "name=") {
			options = "none," + options
		}
		if err := unix.Mount("cgroup", target, "cgroup", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, options); err != nil {
			return fmt.Errorf("mount cgroup %s: %w", c.Options, err)
		}
	}
	return nil
}

func (r Root) devices() error {
	dev := filepath.Join(r.Dir, "/dev")
	if err := os.MkdirAll(dev, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dev, err)
	}
	if err := unix.Mount("/dev", dev, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /dev: %w", err)
	}
	for _, m := range []struct{ kind, target, data string }{
		{"devpts", "pts", "newinstance,ptmxmode=0666,mode=0620"},
		{"tmpfs", "shm", "mode=1777"},
	} {
		target := filepath.Join(dev, m.target)
		if _, err := os.Stat(target); errors.Is(err, os.ErrNotExist) {
			continue // a minimal /dev; not ours to add to
		}
		if err := unix.Mount(m.kind, target, m.kind, unix.MS_NOSUID|unix.MS_NOEXEC, m.data); err != nil {
			return fmt.Errorf("mount %s on /dev/%s: %w", m.kind, m.target, err)
		}
	}
	return nil
}

func (r Root) binds() error {
	for _, b := range r.Binds {
		if err := r.bind(b); err != nil {
			return err
		}
	}
	return nil
}

func (r Root) bind(b Bind) error {
	info, err := os.Stat(b.Source)
	if err != nil {
		return fmt.Errorf("bind %s: %w", b.Source, err)
	}
	target := filepath.Join(r.Dir, b.Target)
	if err := placeholder(target, info.IsDir()); err != nil {
		return fmt.Errorf("bind %s: %w", b.Source, err)
	}
	if err := unix.Mount(b.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s on %s: %w", b.Source, b.Target, err)
	}
	if b.Writable {
		return nil
	}
	if err := readOnly(target); err != nil {
		return fmt.Errorf("make %s read-only: %w", b.Target, err)
	}
	return nil
}

// readOnly remounts a bind keeping the flags it must keep.
func readOnly(target string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		return err
	}
	const kept = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME
	return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|uintptr(fs.Flags)&kept, "")
}

// placeholder makes the directory or empty file that a bind mount covers.
func placeholder(target string, dir bool) error {
	if dir {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// pivot makes Dir the root, drops the host's, and shares mounts below so that
// the kubelet's volumes reach containers (mount propagation).
func (r Root) pivot() error {
	if err := os.Chdir(r.Dir); err != nil {
		return fmt.Errorf("enter root: %w", err)
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root to %s: %w", r.Dir, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the host's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("enter root: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	return nil
}
