package disk

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"workbench/test/require"
)

// inside is the name under which this test is the process that sees a mount.
const inside = "disk-test-inside"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == inside {
		if err := json.NewEncoder(os.Stdout).Encode(use(os.Args[1], os.Args[2])); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// seen is what a process does to a mounted disk and sees of it.
type seen struct {
	Errors                     []string
	Size                       int64
	Free, Full, Left, Again    int64 // free at first, when full, with some left, when emptied
	FullTry, LeftTry, AgainTry string
	Kept                       string // of an earlier mount
}

func use(device, at string) (s seen) {
	check := func(err error) {
		if err != nil {
			s.Errors = append(s.Errors, err.Error())
		}
	}
	loop, err := os.Open(device)
	check(err)
	d := &Disk{Device: device, loop: loop}
	if d.MountedAt(at) || d.Fill(at, 0) == nil {
		s.Errors = append(s.Errors, "a disk that is not mounted was filled")
	}
	free := func() int64 {
		n, size, err := d.Free(at)
		check(err)
		s.Size = size
		return n
	}
	try := func() string {
		if err := Try(at); errors.Is(err, unix.ENOSPC) {
			return "ENOSPC"
		} else if err != nil {
			return err.Error()
		}
		return ""
	}
	check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	check(unix.Mount(device, at, "ext4", 0, Options))
	kept, _ := os.ReadFile(filepath.Join(at, "kept"))
	s.Kept = string(kept)
	s.Free = free()
	check(d.Fill(at, 0))
	s.Full, s.FullTry = free(), try()
	check(d.Fill(at, 64<<20))
	s.Left, s.LeftTry = free(), try()
	check(Empty(at))
	s.Again, s.AgainTry = free(), try()
	check(os.WriteFile(filepath.Join(at, "kept"), []byte("kept"), 0o600))
	check(Still(at, func() error { return nil }))
	return s
}

// TestDisk fills a disk and empties it. The machine gives no room for that, and
// nothing stays attached.
func TestDisk(t *testing.T) {
	require.Disks(t)
	dir := t.TempDir()
	file, at := filepath.Join(dir, "disk"), filepath.Join(dir, "at")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{"", "kept"} {
		d, err := Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		if device, err := Attached(file); err != nil || device != d.Device {
			t.Errorf("attached to %q, %v, want %s", device, err, d.Device)
		}
		s := mounted(t, d.Device, at)
		if len(s.Errors) > 0 {
			t.Errorf("errors: %v", s.Errors)
		}
		if s.Size < Size*9/10 || s.Free < Size*9/10 {
			t.Errorf("it holds %d bytes, of which %d are free, want about %d", s.Size, s.Free, int64(Size))
		}
		if s.Full > 1<<20 || s.FullTry != "ENOSPC" {
			t.Errorf("full, %d bytes are free, and a write gives %q", s.Full, s.FullTry)
		}
		if s.Left < 60<<20 || s.Left > 65<<20 || s.LeftTry != "" {
			t.Errorf("with 64 MiB left, %d bytes are free, and a write gives %q", s.Left, s.LeftTry)
		}
		if s.Again < s.Free-1<<20 || s.AgainTry != "" {
			t.Errorf("emptied, %d bytes are free of %d before, and a write gives %q", s.Again, s.Free, s.AgainTry)
		}
		if s.Kept != kept {
			t.Errorf("a file of the mount before has %q, want %q", s.Kept, kept)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := released(t.Context(), file); err != nil {
		t.Error(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil || st.Blocks*512 > 64<<20 {
		t.Errorf("the file takes %d MiB of the machine (%v)", st.Blocks*512>>20, err)
	}
}

func mounted(t *testing.T, device, at string) (s seen) {
	t.Helper()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{inside, device, at}, Stderr: os.Stderr, SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}}
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		t.Fatalf("use the disk: %v", err)
	}
	return s
}

func TestOpenAwaitsAnEarlierAttachment(t *testing.T) {
	require.Disks(t)
	file := filepath.Join(t.TempDir(), "disk")
	first, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, file); err == nil || !strings.Contains(err.Error(), first.Device) {
		t.Errorf("a second attachment gives %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	second, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}
