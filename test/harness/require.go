package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Binary is the built workbench: $WORKBENCH_BIN, or bin/workbench of this
// checkout. A test without it fails and says how to build it.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("WORKBENCH_BIN")
	if path == "" {
		path = filepath.Join(checkout(t), "bin", "workbench")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no workbench binary: %v; build it with: go tool task build", err)
	}
	return path
}

// checkout is the directory of go.mod, above the test's own.
func checkout(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test: run it from the checkout")
		}
	}
}

// required says that missing requirements are failures: in CI nothing may be
// skipped unseen.
func required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("WORKBENCH_REQUIRE") == "1"
}

// Require skips the test with its reason where this machine cannot run a lab
// of that many nodes; with CI=true or WORKBENCH_REQUIRE=1 it fails instead.
func Require(t testing.TB, nodes int) {
	t.Helper()
	reason := missing(nodes)
	switch {
	case reason == "":
	case required():
		t.Fatalf("this machine cannot run the test: %s", reason)
	default:
		t.Skip(reason)
	}
}

// missing is the first thing that a lab needs and this machine lacks, or "".
func missing(nodes int) string {
	if os.Geteuid() != 0 {
		return "needs root, for namespaces and mounts; run: sudo go tool task cluster-test"
	}
	for _, program := range []string{"runc", "iptables"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Sprintf("needs %s; install it with: ./bin/workbench doctor --fix", program)
		}
	}
	for _, ns := range []string{"pid", "mnt", "net", "uts", "ipc"} {
		if _, err := os.Stat("/proc/self/ns/" + ns); err != nil {
			return "needs a kernel with " + ns + " namespaces"
		}
	}
	if err := tryNamespaces(); err != nil {
		return fmt.Sprintf("needs to make namespaces: %v", err)
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
		lockForever()
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
