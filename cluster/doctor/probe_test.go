package doctor

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"workbench/cluster/layout"
)

// TestThisMachine makes every check for real and holds the machine to what it
// was before.
func TestThisMachine(t *testing.T) {
	before := hostState(t)
	state := filepath.Join(t.TempDir(), "state", "workbench")
	checks, err := Run(t.Context(), Options{StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	if len(checks) < 20 {
		t.Errorf("%d checks", len(checks))
	}
	if after := hostState(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
	if left, err := os.ReadDir(filepath.Dir(filepath.Dir(state))); err != nil || len(left) > 0 {
		t.Errorf("left in the state directory: %v, %v", left, err)
	}
	var table strings.Builder
	if err := Print(&table, checks, true); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table.String())
	if err := Print(io.Discard, checks, false); err != nil {
		t.Error(err)
	}
}

// hostState is what the probes might have changed: links, mounts and the lock
// of the legacy iptables.
func hostState(t *testing.T) string {
	t.Helper()
	var state strings.Builder
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		state.WriteString(l.Name() + "\n")
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	state.Write(mounts)
	if _, err := os.Stat("/run/xtables.lock"); err == nil {
		state.WriteString("/run/xtables.lock\n")
	}
	return state.String()
}

func TestProbesFailOnWhatIsNotThere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make namespaces")
	}
	if err := (namespaceProber{}).Overlay("/proc"); err == nil {
		t.Error("an overlay in /proc worked")
	}
	if err := (namespaceProber{}).Rules(t.Context(), "/bin/false"); err == nil || !strings.HasPrefix(err.Error(), "iptables -t nat -N PROBE: ") {
		t.Errorf("rules by /bin/false: %v", err)
	}
}

// TestFirstThreadStaysInItsNamespaces makes many threads' worth of attempts:
// /proc/self is the first thread's.
func TestFirstThreadStaysInItsNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make namespaces")
	}
	namespace := func() string {
		t.Helper()
		link, err := os.Readlink("/proc/self/ns/uts")
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	before := namespace()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if err := inNew(unix.CLONE_NEWUTS, func() error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if after := namespace(); after != before {
		t.Errorf("the process was in %s and is in %s", before, after)
	}
}

func TestMachineMeasures(t *testing.T) {
	m, err := Machine()
	if err != nil || m.MemoryBytes < 1<<26 || m.CPUs < 1 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestSupervisorsLockMeansRunning(t *testing.T) {
	lab := layout.Lab{State: t.TempDir(), Name: "demo"}
	if runs(lab) {
		t.Error("a lab without a directory runs")
	}
	if err := os.Mkdir(lab.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(lab.Lock())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if runs(lab) {
		t.Error("a lab runs though nobody holds its lock")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if !runs(lab) {
		t.Error("a lab does not run though its lock is held")
	}
}
