package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/member"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/disk"
	"workbench/runtime/mount"
	"workbench/runtime/node"
)

// nodeDisk is a node's own disk, or why it has none.
type nodeDisk struct {
	disk *disk.Disk
	why  error
}

// onDisk are the directories of a node that lie on its disk: what the kubelet
// counts as its node file system, and what containers write. Images stay in the
// root, where they are shared with other nodes.
var (
	onDisk     = []string{"/var/lib/kubelet", "/var/log/pods"}
	linkedDisk = []string{"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots"}
)

func hasKubelet(n plan.Node) bool {
	return slices.ContainsFunc(n.Components, func(c node.Component) bool { return c.Name == "kubelet" })
}

// openDisk gives a node with a kubelet a disk of its own, once. A machine that
// cannot do that, and a node that was made without, go on without.
func (s *Supervisor) openDisk(ctx context.Context, n plan.Node) nodeDisk {
	s.mu.Lock()
	have, opened := s.disks[n.Name]
	s.mu.Unlock()
	if opened || !hasKubelet(n) {
		return have
	}
	have.disk, have.why = s.attachDisk(ctx, n.Name)
	if have.why != nil {
		s.log.Warn("a node without a disk of its own", "node", n.Name, "cause", have.why)
	}
	s.mu.Lock()
	s.disks[n.Name] = have
	s.mu.Unlock()
	return have
}

func (s *Supervisor) attachDisk(ctx context.Context, name string) (*disk.Disk, error) {
	file := s.place.Disk(name)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if entries, err := os.ReadDir(filepath.Join(s.place.Root(name), onDisk[0])); err == nil && len(entries) > 0 {
			return nil, errors.New("it was made by a workbench that gave nodes none")
		}
	}
	return disk.Open(ctx, file)
}

// closeDisk lets go of a node's disk.
func (s *Supervisor) closeDisk(name string) error {
	s.mu.Lock()
	have := s.disks[name]
	delete(s.disks, name)
	s.mu.Unlock()
	if have.disk == nil {
		return nil
	}
	return have.disk.Close()
}

// mountDisk is how a node mounts its disk; nil when it has none.
func (s *Supervisor) mountDisk(name string) *mount.Disk {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.disks[name]
	if have.disk == nil {
		return nil
	}
	return &mount.Disk{Device: have.disk.Device, Options: disk.Options, At: plan.DiskDir, Dirs: onDisk, Linked: linkedDisk}
}

// reserve is the share of a node's disk in percent below which its kubelet tells
// DiskPressure: upstream's.
const reserve = 10

// evictionOf is the share of a node's file system below which its kubelet evicts:
// none of the machine's.
func evictionOf(have nodeDisk) string {
	if have.disk == nil {
		return "0%"
	}
	return strconv.Itoa(reserve) + "%"
}

// diskAt is where a running node's disk is seen from here.
func diskAt(m *machine) string {
	return fmt.Sprintf("/proc/%d/root%s", m.handle.PID, plan.DiskDir)
}

// reconcileNodeDisk fills or empties a node's disk. What is freed on a full one is
// taken again.
func (s *Supervisor) reconcileNodeDisk(name string, m *machine, want fault.NodeCondition) error {
	s.mu.Lock()
	have := s.disks[name]
	s.mu.Unlock()
	switch root := diskAt(m); {
	case have.disk == nil && want.DiskFull:
		return errors.Join(errors.New("it has no disk of its own"), have.why)
	case have.disk == nil, !have.disk.MountedAt(root): // its set-up goes on, and sees to it
		return nil
	case want.DiskFull:
		return have.disk.Fill(root, want.LeaveBytes)
	case disk.Filled(root):
		return disk.Empty(root)
	}
	return nil
}

// anyDiskFull says that faults keep a disk full.
func anyDiskFull(d fault.Desired) bool {
	return slices.ContainsFunc(d.Nodes, func(n fault.NodeCondition) bool { return n.DiskFull })
}

// verifyDiskFull asks the node's file system, writes to it, and reads what its
// kubelet tells the cluster.
func (s *Supervisor) verifyDiskFull(a activeFault, name string, m *machine) finding {
	root, pressure := diskAt(m), false
	s.mu.Lock()
	have := s.disks[name]
	s.mu.Unlock()
	if have.disk == nil {
		return mismatch("it has no disk of its own")
	}
	first := s.await(a.ctx, 5*time.Second, func() (finding, bool) {
		free, size, err := have.disk.Free(root)
		if err != nil {
			return inconclusive("%v", err), false
		}
		pressure = a.LeaveBytes < size/100*reserve
		text := fmt.Sprintf("%s of %s are free", member.Bytes(free), member.Bytes(size))
		if free > a.LeaveBytes+diskSlack {
			return mismatch("%s", text), false
		}
		if a.LeaveBytes > 0 {
			return landed("%s", text), true
		}
		if err := disk.Try(root); !errors.Is(err, unix.ENOSPC) {
			return mismatch("%s, but a write gives: %v", text, err), false
		}
		return landed("%s, and a write gives: %v", text, unix.ENOSPC), true
	})
	if first.verdict != event.FaultLanded || !pressure {
		return first
	}
	return s.await(a.ctx, pressureWithin, func() (finding, bool) {
		tainted := false
		s.rec.See(func(w *state.World) {
			if n := w.Kube.Nodes[name]; n != nil {
				tainted = slices.ContainsFunc(n.Taints, func(t event.Taint) bool { return t.Key == corev1.TaintNodeDiskPressure })
			}
		})
		if tainted {
			return landed("%s; its kubelet tells DiskPressure, and it has the taint %s", first.text, corev1.TaintNodeDiskPressure), true
		}
		return landed("%s; it has no taint %s", first.text, corev1.TaintNodeDiskPressure), false
	})
}

// diskSlack is what a file system keeps for its book-keeping, in bytes.
const diskSlack = 1 << 20

// pressureWithin is how long the kubelet's word is awaited: it looks every 10 s.
const pressureWithin = 25 * time.Second

// whileStill does something while all that nodes wrote to their disks is in the
// disks' files. No process of the nodes may run.
func (s *Supervisor) whileStill(machines []*machine, do func() error) error {
	for i, m := range machines {
		s.mu.Lock()
		have := s.disks[m.handle.Name]
		s.mu.Unlock()
		if have.disk != nil {
			return disk.Still(diskAt(m), func() error { return s.whileStill(machines[i+1:], do) })
		}
	}
	return do()
}
