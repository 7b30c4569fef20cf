package namespace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Exec runs a command inside the namespaces of a node, given the PID of its
// init, with the standard streams of this process, and waits for it. The
// command dies with the node. The calling thread cannot leave the namespaces
// again, so the caller should end soon after.
func Exec(pid int, argv []string) error {
	runtime.LockOSThread()
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	// All are opened before any is entered: afterwards /proc is the node's.
	for _, kind := range []string{"uts", "ipc", "net", "cgroup", "pid", "mnt"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			return fmt.Errorf("enter node: %w", err)
		}
		files = append(files, f)
	}
	// A mount namespace can only be entered by a thread that shares its root
	// and working directory with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("enter node: %w", err)
	}
	for _, f := range files {
		if err := unix.Setns(int(f.Fd()), 0); err != nil {
			return fmt.Errorf("enter node: %s: %w", f.Name(), err)
		}
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("run on node: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return errors.Join(errors.New("enter node"), err)
	}
	cmd := &exec.Cmd{Path: path, Args: argv, Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	return cmd.Run()
}
