// Package disk gives a node a file system of its own: a sparse file with ext4,
// shown to the kernel as a block device. It can be full while the machine's is
// not, and filling it takes no room of the machine.
//
//	<lab>/nodes/<node>/disk  --loop device-->  ext4, mounted in the node's mount namespace
//
// The mount ends with the node's last process, the loop device when both that
// and the Disk are gone, by whatever means.
package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Size is how much a node's disk holds, in bytes. The file is sparse: it takes
// what was written.
const Size = 16 << 30

// Options are those to mount a disk with: what is freed is given back to the
// machine, and what is not in use is never written.
const Options = "discard,noinit_itable"

// Disk is a node's disk, attached to a loop device.
type Disk struct {
	Device string // such as /dev/loop3
	loop   *os.File
}

// releaseTimeout bounds how long an earlier attachment of the same file is
// awaited: its mount ends with the last process that sees it.
const releaseTimeout = 10 * time.Second

// Open attaches the disk in a file and makes it if there is none. The same file
// must never be attached twice: two mounts of it would not know of each other.
func Open(ctx context.Context, path string) (*Disk, error) {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := format(ctx, path); err != nil {
			return nil, err
		}
	}
	if err := released(ctx, path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open disk: %w", err)
	}
	defer file.Close()
	loop, err := attach(file)
	if err != nil {
		return nil, fmt.Errorf("attach disk %s: %w", path, err)
	}
	return &Disk{Device: loop.Name(), loop: loop}, nil
}

// Close lets go of the disk. A mount of it keeps it attached.
func (d *Disk) Close() error { return d.loop.Close() }

// format makes a disk of a new file. What an interrupted one left is replaced.
func format(ctx context.Context, path string) error {
	tool, err := mkfs()
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := errors.Join(os.WriteFile(fresh, nil, 0o600), os.Truncate(fresh, Size)); err != nil {
		return fmt.Errorf("make disk: %w", err)
	}
	// Nothing is reserved for root, so that full is full for everybody.
	cmd := exec.CommandContext(ctx, tool, "-q", "-F", "-m", "0", "-i", "65536", "-J", "size=16",
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", fresh)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make disk: %s: %w: %s", tool, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("make disk: %w", err)
	}
	return nil
}

// mkfs finds the program that makes an ext4 file system, which is not on every
// user's PATH.
func mkfs() (string, error) {
	const name = "mkfs.ext4"
	if tool, err := exec.LookPath(name); err == nil {
		return tool, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if tool, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return tool, nil
		}
	}
	return "", errors.New("make disk: there is no mkfs.ext4; install e2fsprogs")
}

// released waits until no loop device holds the file.
func released(ctx context.Context, path string) error {
	tick := time.NewTicker(20 * time.Millisecond) // the kernel gives no event for this
	defer tick.Stop()
	for {
		device, err := Attached(path)
		if err != nil || device == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("disk %s is attached to %s still, by an earlier run; see: losetup -l", path, device)
		case <-tick.C:
		}
	}
}

// Attached is the loop device that holds the file of a disk, or "".
func Attached(path string) (string, error) {
	backing, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return "", err
	}
	for _, file := range backing {
		raw, err := os.ReadFile(file)
		if err == nil && strings.TrimSuffix(string(raw), "\n") == path {
			return filepath.Join("/dev", strings.Split(file, "/")[3]), nil
		}
	}
	return "", nil
}

// attempts bounds how often a loop device is taken by somebody else first.
const attempts = 64

// attach takes a free loop device for a file. It is freed when nobody has it open
// or mounted.
func attach(file *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range attempts {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		loop, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		cfg := unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		copy(cfg.Info.File_name[:], filepath.Base(filepath.Dir(file.Name())))
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &cfg)
		if err == nil {
			// Written once, not through two page caches, where the file system can.
			_ = unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_SET_DIRECT_IO, 1)
			return loop, nil
		}
		if err := errors.Join(loop.Close()); err != nil {
			return nil, err
		}
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("set up /dev/loop%d: %w", n, err)
		}
	}
	return nil, errors.New("every loop device was taken by somebody else")
}
