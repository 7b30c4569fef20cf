package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/cgroup"
)

// troubles are what could not be made true, by node.
type troubles map[string]error

// about is the trouble with the nodes a fault is about.
func (t troubles) about(f event.FaultInjected) error {
	var errs []error
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			errs = append(errs, t[name])
		}
	}
	for _, n := range f.Nodes {
		add(n)
	}
	for _, c := range f.Components {
		name, _, _ := strings.Cut(c, "/")
		add(name)
	}
	for _, l := range f.Links {
		add(l.From)
		add(l.To)
	}
	return errors.Join(errs...)
}

func (t troubles) all() error {
	var errs []error
	for _, err := range t {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// reconcile makes the lab follow the faults that are on: what they want is done,
// what they do not want any more is undone. It may be called at any time; when
// nothing has changed it does nothing.
func (s *Supervisor) reconcile() troubles {
	s.faults.turn.Lock()
	defer s.faults.turn.Unlock()
	d := s.faults.desired()
	out := troubles{}
	var mu sync.Mutex
	fail := func(name string, err error) {
		if err != nil {
			mu.Lock()
			out[name] = errors.Join(out[name], err)
			mu.Unlock()
		}
	}
	for name, err := range s.links.apply(d) {
		fail(name, err)
	}
	var all sync.WaitGroup
	for _, n := range s.current().Nodes {
		all.Go(func() { fail(n.Name, s.reconcileNode(n, d)) })
	}
	all.Wait()
	return out
}

// reconcileNode makes one node follow.
func (s *Supervisor) reconcileNode(n plan.Node, d fault.Desired) error {
	want := d.Node(n.Name)
	s.mu.Lock()
	m := s.nodes[n.Name]
	s.mu.Unlock()
	if err := s.reconcileDisk(n, m, d.Component(n.Name+"/etcd")); err != nil {
		return err
	}
	if err := s.reconcileCertificates(n, d); err != nil {
		return err
	}
	s.faults.mu.Lock()
	downed := s.faults.downed[n.Name]
	s.faults.mu.Unlock()
	switch {
	case m != nil && want.Down != fault.Kill && s.isLeaving(m):
		return nil // who shuts it down does the rest
	case want.Down != "" && m != nil:
		return s.takeDown(n.Name, m, want.Down)
	case want.Down != "":
		return nil
	case m == nil && downed:
		if err := s.startAgain(s.background, n.Name); err != nil {
			return err
		}
		s.setDowned(n.Name, false)
		return nil // the rest follows when its components are up
	case m == nil:
		return nil
	}
	if err := s.squeeze(n, m, want); err != nil {
		return err
	}
	if err := s.reconcileNodeDisk(n.Name, m, want); err != nil {
		return fmt.Errorf("disk of %s: %w", n.Name, err)
	}
	if err := s.reconcileProcesses(n, m, d); err != nil {
		return err
	}
	return s.reconcileImages(n, m, d)
}

func (s *Supervisor) setDowned(name string, down bool) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.downed[name] = down
}

func (s *Supervisor) takeDown(name string, m *machine, how string) error {
	s.setDowned(name, true)
	if how == fault.Kill {
		return s.killNode(name)
	}
	if err := s.thaw(s.background, name, m); err != nil {
		return err
	}
	return s.stopNode(s.background, name, m)
}

func (s *Supervisor) isPaused(m *machine) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.paused
}

// squeeze sets the limits of the node's control group: the lab file's, or what
// faults leave of them.
func (s *Supervisor) squeeze(n plan.Node, m *machine, want fault.NodeCondition) error {
	limits := cgroup.Limits{CPUs: float64(n.CPUs), MemoryBytes: int64(n.Memory)}
	if want.CPUs > 0 && (limits.CPUs == 0 || want.CPUs < limits.CPUs) {
		limits.CPUs = want.CPUs
	}
	if want.MemoryBytes > 0 && (limits.MemoryBytes == 0 || want.MemoryBytes < limits.MemoryBytes) {
		limits.MemoryBytes = want.MemoryBytes
	}
	if limits == m.limits {
		return nil
	}
	if err := m.group.Limit(limits); err != nil {
		return fmt.Errorf("%w; the node uses %d MiB", err, m.group.MemoryBytes()>>20)
	}
	m.limits = limits
	return nil
}

// requestTimeout bounds one request to the init of a node.
const requestTimeout = 20 * time.Second

// reconcileProcesses freezes or thaws a node and what runs in it. A frozen node
// cannot be asked for anything, so its components follow once it is thawed; one
// that still starts is left alone until it is up.
func (s *Supervisor) reconcileProcesses(n plan.Node, m *machine, d fault.Desired) error {
	ctx, cancel := context.WithTimeoutCause(s.background, requestTimeout, errors.New("its init does not answer"))
	defer cancel()
	s.mu.Lock()
	paused, settled := m.paused, m.settled
	s.mu.Unlock()
	frozen := d.Node(n.Name).Frozen
	if !settled || paused && frozen {
		return nil
	}
	if paused {
		if err := s.resumeNode(ctx, n.Name); err != nil {
			return err
		}
	}
	var errs []error
	for _, c := range n.Components {
		errs = append(errs, s.reconcileComponent(ctx, n.Name, c.Name, m, d.Component(n.Name+"/"+c.Name)))
	}
	if frozen {
		errs = append(errs, s.pauseNode(n.Name))
	}
	return errors.Join(errs...)
}

// reconcileComponent makes one component follow, step by step: have is what is
// in force.
func (s *Supervisor) reconcileComponent(ctx context.Context, node, name string, m *machine, want fault.ComponentCondition) error {
	want.Target, want.Disk = "", "" // disks are reconcileDisk's
	have := s.inForce(node, name, m, &want)
	want.Crash = want.Crash && !want.Down
	want.Frozen = want.Frozen && !want.Down && !want.Crash // there is nothing to freeze for long
	if have == want {
		return nil
	}
	step := func(verb string, do func() error) error {
		if err := do(); err != nil {
			return err
		}
		m.components[name] = have
		return s.rec.Await(ctx, func(w *state.World) (bool, error) { return settled(verb, w.Nodes[node].Components[name]), nil })
	}
	h := m.handle
	var errs []error
	try := func(when bool, verb string, change func(), do func() error) {
		if when && errors.Join(errs...) == nil {
			old := have
			change()
			if err := step(verb, do); err != nil {
				have = old
				errs = append(errs, err)
			}
		}
	}
	try(have.Expired != want.Expired, "kill", func() { have.Down, have.Frozen = true, false },
		func() error { return h.KillComponent(ctx, name, "its certificates were replaced") })
	try(have.Frozen && !want.Frozen && !want.Down, "resume", func() { have.Frozen = false },
		func() error { return h.ResumeComponent(ctx, name, "healed") })
	try(have.Crash && !want.Crash, "steady", func() { have.Crash = false }, func() error { return h.SteadyComponent(ctx, name) })
	try(have.Down && !want.Down, "start", func() { have.Down, have.Expired = false, want.Expired }, func() error { return h.Release(ctx, name) })
	try(!have.Down && want.Down, "kill", func() { have.Down, have.Frozen = true, false },
		func() error { return h.KillComponent(ctx, name, "killed by a user") })
	try(!have.Crash && want.Crash, "crash", func() { have.Crash = true }, func() error { return h.CrashComponent(ctx, name, "crash loop") })
	try(!have.Frozen && want.Frozen, "pause", func() { have.Frozen = true },
		func() error { return h.PauseComponent(ctx, name, "paused by a user") })
	m.components[name] = have
	return errors.Join(errs...)
}

// inForce is what faults have in force on a component. A process that its init
// started again is not frozen any more, and has read its certificates anew; one
// that is still to be started cannot be frozen, which is left out of want then.
func (s *Supervisor) inForce(node, name string, m *machine, want *fault.ComponentCondition) fault.ComponentCondition {
	have := m.components[name]
	var now event.ComponentPhase
	s.rec.See(func(w *state.World) {
		if c := w.Nodes[node].Components[name]; c != nil {
			now = c.State
		}
	})
	idle := now == "" || now == event.ComponentWaiting || now == event.ComponentStopped
	if have.Down || want.Down || idle {
		have.Expired = want.Expired // it will start with what there is then
	}
	if have.Frozen && now != event.ComponentPaused {
		have.Frozen = false
		want.Frozen = want.Frozen && !idle && now != event.ComponentExited
	}
	m.components[name] = have
	return have
}
