package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"workbench/cluster/spec"
)

// machine is what the checks look at. Tests replace each part.
type machine struct {
	root     string // what /proc and /sys are under
	commands commands
	kernel   kernel
	prober   prober
}

// commands finds and runs programs.
type commands interface {
	// LookPath is exec.LookPath.
	LookPath(name string) (string, error)
	// Run runs a program to its end with no input.
	Run(ctx context.Context, out io.Writer, name string, args ...string) error
}

// kernel answers by system calls.
type kernel interface {
	// UID is the effective user.
	UID() int
	// Release is the kernel's, such as 6.1.0-18-amd64.
	Release() (string, error)
	// OpenFiles is how many files a process may have open at most.
	OpenFiles() (uint64, error)
	// FileSystem is that of an existing path.
	FileSystem(path string) (fileSystem, error)
	// PortFree tells whether a TCP port of 127.0.0.1 can be listened on.
	PortFree(port int) bool
}

// prober tries what cannot be known otherwise, in namespaces that end with the
// attempt.
type prober interface {
	// Links makes a bridge with one end of a veth pair in it.
	Links(ctx context.Context) error
	// Rules adds the kinds of rules that kube-proxy needs.
	Rules(ctx context.Context, iptables string) error
	// Tables adds the kinds of nftables rules that it needs.
	Tables(ctx context.Context, nft string) error
	// Overlay mounts an overlay whose layers are in a directory.
	Overlay(dir string) error
}

// fileSystem is where a path is.
type fileSystem struct {
	magic int64  // statfs(2)
	free  uint64 // bytes
}

func thisMachine() machine {
	return machine{root: "/", commands: systemCommands{}, kernel: systemKernel{}, prober: namespaceProber{}}
}

// Machine measures what a lab has to fit in, for spec.Lab's Validate: the
// memory that is installed or that a container limits this process to, and the
// processors it may use.
func Machine() (spec.Machine, error) {
	m := thisMachine()
	total, err := m.memory("MemTotal")
	if err != nil {
		return spec.Machine{}, fmt.Errorf("measure machine: %w", err)
	}
	return spec.Machine{MemoryBytes: total, CPUs: int64(runtime.NumCPU())}, nil
}

// read reads a small file of the machine, without space around it.
func (m machine) read(path string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(m.root, path))
	return strings.TrimSpace(string(raw)), err
}

func (m machine) exists(path string) bool {
	_, err := os.Stat(filepath.Join(m.root, path))
	return err == nil
}

// number reads a file that holds one number.
func (m machine) number(path string) (int64, error) {
	text, err := m.read(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (m machine) isRoot() bool { return m.kernel.UID() == 0 }

// command writes a command line as this user has to type it.
func (m machine) command(lines ...[]string) string {
	parts := make([]string, len(lines))
	for i, line := range lines {
		parts[i] = strings.Join(line, " ")
		if !m.isRoot() {
			parts[i] = "sudo " + parts[i]
		}
	}
	return strings.Join(parts, " && ")
}

// runAll gives the repair that runs the command lines; nil without privileges.
func (m machine) runAll(lines ...[]string) repair {
	if !m.isRoot() {
		return nil
	}
	return func(ctx context.Context, out io.Writer) error {
		for _, line := range lines {
			if err := m.commands.Run(ctx, out, line[0], line[1:]...); err != nil {
				return fmt.Errorf("run %s: %w", strings.Join(line, " "), err)
			}
		}
		return nil
	}
}

type systemCommands struct{}

func (systemCommands) LookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	// Users' PATHs often lack these two.
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func (c systemCommands) Run(ctx context.Context, out io.Writer, name string, args ...string) error {
	path, err := c.LookPath(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}

type systemKernel struct{}

func (systemKernel) UID() int { return os.Geteuid() }

func (systemKernel) Release() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

func (systemKernel) OpenFiles() (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	return r.Max, nil // Go programs raise theirs to the maximum
}

func (systemKernel) FileSystem(path string) (fileSystem, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return fileSystem{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	return fileSystem{magic: int64(s.Type), free: s.Bavail * uint64(s.Bsize)}, nil
}

func (systemKernel) PortFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return !errors.Is(err, unix.EADDRINUSE)
	}
	return l.Close() == nil
}
