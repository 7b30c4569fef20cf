package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// testDiskFull fills the disk of a node: who writes there gets ENOSPC, the kubelet
// tells it, pods are evicted; the machine keeps its room, and healing gives it back.
func testDiskFull(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	free := freeBytes(t, lab.Dir())
	kubelet := filepath.Join("/proc", fmt.Sprint(w.Nodes["w2"].PID), "root/var/lib/kubelet")
	if n := freeBytes(t, kubelet); n < 14<<30 {
		t.Errorf("the disk of w2 has %d bytes free", n)
	}
	some := broken(t, lab, "disk-full", "w2", "--leave", "4Gi")
	if out := lab.Kubectl("exec", toolbox(t, w, "w2"), "--", "sh", "-c", "echo kept > /kept && cat /kept"); !strings.Contains(out, "kept") {
		t.Errorf("with 4 GiB left a pod reads %q", out)
	}
	if n := freeBytes(t, kubelet); n > 4<<30+1<<20 || n < 3<<30 {
		t.Errorf("with 4 GiB left %d bytes are free", n)
	}
	full := broken(t, lab, "disk-full", "w2")
	if err := os.WriteFile(filepath.Join(kubelet, "more"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write to the full disk: %v", err)
	}
	if err := os.Remove(filepath.Join(kubelet, "more")); err != nil {
		t.Error(err)
	}
	lab.Kubectl("wait", "--for=condition=DiskPressure", "node/w2", "--timeout=60s")
	before := podOn(w, "toolbox", "w2")
	lab.Await("a pod of w2 to be evicted", func(w *state.World) bool {
		now := podOn(w, "toolbox", "w2")
		target := podOn(w, "target", "w2")
		return now == nil || target == nil || now.UID != before.UID || !now.Ready || !target.Ready
	})
	if n := freeBytes(t, lab.Dir()); free-n > 1<<30 {
		t.Errorf("filling the disk of a node took %d bytes of the machine", free-n)
	}
	lab.Must("heal", some)
	if n := freeBytes(t, kubelet); n > 1<<20 {
		t.Errorf("one of two faults is healed, and %d bytes are free", n)
	}
	lab.Must("heal", full)
	if n := freeBytes(t, kubelet); n < 14<<30 {
		t.Errorf("after the heal %d bytes are free", n)
	}
	lab.Await("w2 to take pods again", func(w *state.World) bool {
		return !slices.ContainsFunc(w.Kube.Nodes["w2"].Taints, func(t event.Taint) bool { return strings.HasSuffix(t.Key, "disk-pressure") }) &&
			allReady(w, "target", 2) && allReady(w, "toolbox", 2)
	})
}

// podOn is the pod of an app on a node; nil when there is none.
func podOn(w *state.World, app, node string) *event.KubePod {
	for _, p := range podsOf(w, app) {
		if p.Node == node {
			return p
		}
	}
	return nil
}

// freeBytes is what can be written to the file system of a directory.
func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatalf("statfs %s: %v", dir, err)
	}
	return int64(st.Bavail) * st.Bsize
}
