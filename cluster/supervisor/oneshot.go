package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

// once does a fault that is over as soon as it happened, and says what came of
// it.
func (s *Supervisor) once(ctx context.Context, f event.FaultInjected) error {
	var found []finding
	for _, key := range f.Pods {
		one := s.breakPod(ctx, f.Kind, key)
		one.text = key + ": " + one.text
		found = append(found, one)
	}
	v := verdict(f.ID, found)
	s.rec.Emit(v)
	if v.Verdict == event.FaultMismatch {
		return errors.New(strings.Join(v.Evidence, "; "))
	}
	return nil
}

// breakPod breaks one pod from the outside: neither the kubelet nor the API is
// asked.
func (s *Supervisor) breakPod(ctx context.Context, kind, key string) finding {
	var pod event.KubePod
	s.rec.See(func(w *state.World) {
		if p := w.Kube.Pods[key]; p != nil {
			pod = *p
		}
	})
	if pod.Node == "" {
		return mismatch("it is on no node")
	}
	m, err := s.machine(pod.Node)
	if err != nil {
		return mismatch("%v", err)
	}
	containers, err := podContainers(m, pod.UID)
	if err != nil {
		return mismatch("%v", err)
	}
	if len(containers) == 0 {
		return mismatch("no process of it runs on %s", pod.Node)
	}
	if kind == fault.PodOOM {
		return s.exhaust(ctx, m, containers[0])
	}
	var pids []int
	for _, c := range containers {
		pids = append(pids, c.pids...)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return mismatch("kill process %d: %v", pid, err)
		}
	}
	return s.await(ctx, 5*time.Second, func() (finding, bool) {
		if alive := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return gone(pid) }); len(alive) > 0 {
			return mismatch("processes %v outlive a SIGKILL", alive), false
		}
		return landed("SIGKILL ended its processes %v on %s", pids, pod.Node), true
	})
}

// gone says that a process has ended, whether or not it was reaped.
func gone(pid int) bool {
	st := processState(pid)
	return st == "" || st == "Z" || st == "X"
}

// container is a control group of a pod that holds its processes.
type container struct {
	group string // relative to the node's
	pids  []int
}

// podContainers are the containers of a pod on a node, the sandbox left out: the
// groups below the one that the kubelet names by the pod's UID.
func podContainers(m *machine, uid string) ([]container, error) {
	groups, err := m.group.Below(func(path string) bool {
		return strings.Contains(path, uid) || strings.Contains(path, strings.ReplaceAll(uid, "-", "_"))
	})
	if err != nil {
		return nil, fmt.Errorf("find the pod's processes: %w", err)
	}
	var out []container
	for _, g := range groups {
		pids := slices.DeleteFunc(g.Processes, sandbox)
		if len(pids) > 0 {
			out = append(out, container{g.Path, pids})
		}
	}
	return out, nil
}

// sandbox says that a process is the one that holds a pod's namespaces.
func sandbox(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.TrimSpace(string(raw)) == "pause"
}

// exhaust makes the kernel run out of memory in a container's control group: the
// limit is set to what it uses, and a process that is let in allocates more.
// The kernel ends the container's process, which it scores worse.
func (s *Supervisor) exhaust(ctx context.Context, m *machine, c container) finding {
	before := m.group.OOMKills(c.group)
	if err := m.group.Exhaust(ctx, c.group, s.agent); err != nil {
		return mismatch("%v", err)
	}
	return s.await(ctx, 10*time.Second, func() (finding, bool) {
		alive := slices.DeleteFunc(slices.Clone(c.pids), gone)
		kills := m.group.OOMKills(c.group) // the group may be gone with its process
		switch {
		case len(alive) < len(c.pids) && kills > before:
			return landed("the OOM killer struck (%d kills in its control group), process %v ended", kills, c.pids), true
		case len(alive) < len(c.pids):
			return landed("process %v ended when its memory was exhausted", c.pids), true
		}
		return mismatch("process %v is still alive", c.pids), false
	})
}
