// Package namespacetest makes network namespaces for tests.
package namespacetest

import (
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
	"workbench/test/require"
)

// Net is a network namespace, and the process that holds it, until the test ends;
// the test is skipped where there can be none.
func Net(t testing.TB) (*namespace.Net, int) {
	t.Helper()
	require.Root(t)
	holder := exec.Command("/bin/cat") // ends with its input, so with this test
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	input, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = input.Close(); _ = holder.Wait() })
	ns, err := namespace.NetOf(holder.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns, holder.Process.Pid
}
