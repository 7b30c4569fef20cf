// Package require skips tests on machines that cannot run them, with the
// reason, and makes that a failure where nothing may be skipped unseen.
package require

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// strict says that missing requirements are failures: in CI nothing may be
// skipped unseen.
func strict() bool {
	return os.Getenv("CI") == "true" || os.Getenv("WORKBENCH_REQUIRE") == "1"
}

// Root skips the test where it cannot make namespaces and mounts; with CI=true
// or WORKBENCH_REQUIRE=1 it fails instead.
func Root(t testing.TB) {
	t.Helper()
	decide(t, privileges())
}

// Programs skips the test where a program is not installed.
func Programs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			decide(t, "needs "+name)
		}
	}
}

// Disks skips the test like Root, and where this machine cannot make a disk of a
// file.
func Disks(t testing.TB) {
	t.Helper()
	Root(t)
	Programs(t, "mkfs.ext4")
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		decide(t, "needs loop devices: "+err.Error())
	}
}

// Lab skips the test like Root, and where this machine cannot run a lab of
// that many nodes.
func Lab(t testing.TB, nodes int) {
	t.Helper()
	reason := privileges()
	if reason == "" {
		reason = lab(nodes)
	}
	decide(t, reason)
}

func decide(t testing.TB, reason string) {
	t.Helper()
	switch {
	case reason == "":
	case strict():
		t.Fatalf("this machine cannot run the test: %s", reason)
	default:
		t.Skip(reason)
	}
}

// privileges is what is missing to make namespaces, or "".
func privileges() string {
	if os.Geteuid() != 0 {
		return "needs root, for namespaces and mounts; run: sudo go tool task test"
	}
	for _, ns := range []string{"pid", "mnt", "net", "uts", "ipc"} {
		if _, err := os.Stat("/proc/self/ns/" + ns); err != nil {
			return "needs a kernel with " + ns + " namespaces"
		}
	}
	if err := tryNamespaces(); err != nil {
		return fmt.Sprintf("needs to make namespaces: %v", err)
	}
	return ""
}

// lab is what a lab needs beyond privileges and this machine lacks, or "".
func lab(nodes int) string {
	for _, program := range []string{"runc", "iptables"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Sprintf("needs %s; install it with: ./bin/workbench doctor --fix", program)
		}
	}
	// Measured: a control plane takes about 400 MB, a worker about 250 MB.
	const perNode = 400 << 20
	if free := availableMemory(); free > 0 && free < int64(nodes)*perNode {
		return fmt.Sprintf("needs %d MiB of free memory for %d nodes, has %d", nodes*perNode>>20, nodes, free>>20)
	}
	return ""
}

// tryNamespaces makes the namespaces of a node on a thread that then ends.
func tryNamespaces() error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		done <- unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC)
	}()
	return <-done
}

// availableMemory is MemAvailable of proc(5) in bytes; 0 if it is not known.
func availableMemory() int64 {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
