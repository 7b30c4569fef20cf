package supervisor

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

// verifyProcesses observes a fault of nodes and components: by /proc and the
// control groups, not by what was asked of them.
func (s *Supervisor) verifyProcesses(a activeFault) []finding {
	var found []finding
	for _, name := range a.Nodes {
		f := s.verifyNode(a, name)
		f.text = name + ": " + f.text
		found = append(found, f)
	}
	for _, target := range a.Components {
		f := s.verifyComponent(a, target)
		f.text = target + ": " + f.text
		found = append(found, f)
	}
	return found
}

func (s *Supervisor) verifyNode(a activeFault, name string) finding {
	s.mu.Lock()
	m := s.nodes[name]
	s.mu.Unlock()
	switch a.Kind {
	case fault.Kill, fault.Stop:
		return s.await(a.ctx, 5*time.Second, func() (finding, bool) { return s.verifyDown(name) })
	case fault.Cordon, fault.Drain:
		return s.verifyCordon(a, name)
	}
	if m == nil {
		return inconclusive("it does not run; the fault comes with it when it starts")
	}
	switch a.Kind {
	case fault.ImageGone:
		return s.verifyImages(a, name)
	case fault.Squeeze:
		return verifySqueeze(a, m)
	case fault.DiskFull:
		return s.verifyDiskFull(a, name, m)
	}
	return s.await(a.ctx, 5*time.Second, func() (finding, bool) { return verifyFrozen(m) })
}

// verifyDown looks for what is left of a node.
func (s *Supervisor) verifyDown(name string) (finding, bool) {
	s.mu.Lock()
	m := s.nodes[name]
	s.mu.Unlock()
	if m != nil {
		return mismatch("its init %d is there", m.handle.PID), false
	}
	var n state.Node
	s.rec.See(func(w *state.World) { n = *w.Nodes[name] })
	if n.State != event.NodeKilled && n.State != event.NodeStopped {
		return mismatch("it is %s", n.State), false
	}
	return landed("its init is gone, and with it every process; it is %s", n.State), true
}

// verifyFrozen looks at the state of every process of a node.
func verifyFrozen(m *machine) (finding, bool) {
	pids, err := m.group.Processes()
	if err != nil {
		return inconclusive("%v", err), true
	}
	var awake []string
	for _, pid := range pids {
		if st := processState(pid); st != "T" && st != "t" && st != "" && st != "Z" && st != "X" {
			awake = append(awake, fmt.Sprintf("%d (%s)", pid, st))
		}
	}
	if len(awake) > 0 {
		return mismatch("%d of %d processes are not stopped: %s", len(awake), len(pids), strings.Join(awake[:min(len(awake), 5)], " ")), false
	}
	return landed("all %d processes are stopped (state T)", len(pids)), true
}

// processState is the state letter of proc(5), or "" when it is gone.
func processState(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')')+1:]), " ")
	return rest[:min(1, len(rest))]
}

func verifySqueeze(a activeFault, m *machine) finding {
	limits, err := m.group.Limits()
	if err != nil {
		return inconclusive("%v", err)
	}
	text := fmt.Sprintf("its control group has %g cores and %d MiB at most; it uses %d MiB",
		limits.CPUs, limits.MemoryBytes>>20, m.group.MemoryBytes()>>20)
	// The kernel rounds memory to pages.
	if a.CPUs > 0 && (limits.CPUs == 0 || limits.CPUs > a.CPUs+0.001) || a.MemoryBytes > 0 && (limits.MemoryBytes == 0 || limits.MemoryBytes > a.MemoryBytes+4096) {
		return mismatch("%s", text)
	}
	return landed("%s", text)
}

func (s *Supervisor) verifyComponent(a activeFault, target string) finding {
	name, component, _ := strings.Cut(target, "/")
	s.mu.Lock()
	m := s.nodes[name]
	s.mu.Unlock()
	switch {
	case m == nil && isDisk(a.Kind) && s.damage(name) != "":
		return landed("its data is damaged on disk; node %s does not run", name)
	case m == nil:
		return inconclusive("node %s does not run; the fault comes with it when it starts", name)
	case s.isPaused(m):
		return inconclusive("node %s is frozen; the fault comes when it thaws", name)
	}
	look := func() state.Component {
		var c state.Component
		s.rec.See(func(w *state.World) { c = *w.Nodes[name].Components[component] })
		return c
	}
	began := look()
	within := 8 * time.Second
	if a.Kind == fault.CertExpire {
		within = 30 * time.Second // it starts anew before it shows its certificate to anybody
	}
	return s.await(a.ctx, within, func() (finding, bool) {
		c := look()
		pid := hostPID(m, c.PID)
		switch a.Kind {
		case fault.EtcdLoseDisk, fault.EtcdCorrupt:
			return s.verifyDisk(a, name, c.ComponentState)
		case fault.CertExpire:
			return s.verifyExpired(a.ctx, name, component)
		case fault.Kill:
			if c.State == event.ComponentStopped && c.PID == 0 {
				return landed("its process ended (%s) and it is held down", c.Signal), true
			}
			return mismatch("it is %s", c.State), false
		case fault.Freeze:
			if st := processState(pid); pid > 0 && st == "T" {
				return landed("process %d (%d on %s) is stopped (state T)", pid, c.PID, name), true
			}
			return mismatch("process %d is in state %q", pid, processState(pid)), false
		case fault.CrashLoop:
			if n := c.Restarts - began.Restarts; n >= 2 {
				return landed("it died %d times, last by %s", n, c.Signal), true
			}
			return mismatch("it died %d times in 8 s", c.Restarts-began.Restarts), false
		}
		return inconclusive("nobody knows how to observe it"), true
	})
}

// hostPID is the PID here of a process of a node, by its PID there; 0 when there
// is none.
func hostPID(m *machine, inner int) int {
	pids, err := m.group.Processes()
	if err != nil || inner == 0 {
		return 0
	}
	i := slices.IndexFunc(pids, func(pid int) bool { return innerPID(pid, m.handle.PID) == inner })
	if i < 0 {
		return 0
	}
	return pids[i]
}

// innerPID is a process's PID in the PID namespace of a node: of the NSpid line
// of proc(5), which numbers it in each namespace from here inwards, the one at
// the depth where the node's init is 1.
func innerPID(pid, init int) int {
	depth := len(nsPIDs(init))
	if all := nsPIDs(pid); depth > 0 && len(all) >= depth {
		return all[depth-1]
	}
	return 0
}

func nsPIDs(pid int) []int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	var out []int
	for line := range strings.Lines(string(raw)) {
		rest, ok := strings.CutPrefix(line, "NSpid:")
		if !ok {
			continue
		}
		for f := range strings.FieldsSeq(rest) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}
