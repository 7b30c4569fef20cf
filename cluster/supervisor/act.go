package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

// Act implements api.Lab: it does what a user asks and records that, with what
// came of it.
func (s *Supervisor) Act(ctx context.Context, r api.Request) error {
	kind, verb, ok := strings.Cut(r.Verb, ".")
	if !ok {
		return fmt.Errorf("unknown action %q", r.Verb)
	}
	a := event.Action{Verb: r.Verb, Target: r.Target, Equivalent: s.equivalent(kind, verb, r.Target)}
	var err error
	switch kind {
	case "node":
		err = s.actOnNode(ctx, verb, r.Target)
	case "component":
		err = s.actOnComponent(ctx, verb, r.Target)
	case "proxy":
		err = s.actOnProxy(ctx, verb, r.Target)
	default:
		err = fmt.Errorf("unknown action %q", r.Verb)
	}
	if err != nil {
		a.Error = err.Error()
	}
	s.rec.Emit(a)
	return err
}

// equivalent is what does the same from a shell: to a node from the host, to a
// component from inside its node. It must be asked for before the deed.
func (s *Supervisor) equivalent(kind, verb, target string) string {
	name, component, _ := strings.Cut(target, "/")
	pid := 0
	s.rec.See(func(w *state.World) {
		n := w.Nodes[name]
		switch {
		case n == nil:
		case kind == "node":
			pid = n.PID
		case n.Components[component] != nil:
			pid = n.Components[component].PID
		}
	})
	signal := map[string]string{"kill": "KILL", "pause": "STOP", "resume": "CONT", "restart": "TERM"}[verb]
	switch {
	case pid == 0 || signal == "":
		return ""
	case kind == "node" && verb == "kill":
		return fmt.Sprintf("kill -KILL %d", pid)
	case kind == "node":
		return fmt.Sprintf("kill -%s every process in the cgroup of %d", signal, pid)
	}
	return fmt.Sprintf("kill -%s %d on %s", signal, pid, name)
}

// actOnNode does what a verb says; those that break are faults with the default
// lease, those that mend end such faults.
func (s *Supervisor) actOnNode(ctx context.Context, verb, name string) error {
	if _, err := s.planned(name); err != nil {
		return err
	}
	if verb == "start" {
		return s.mend(name, "started by a user", []string{fault.Kill, fault.Stop}, func() error { return s.startAgain(ctx, name) })
	}
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	switch verb {
	case "kill":
		return s.breakNow(ctx, fault.Kill, name)
	case "stop":
		if err := s.refusePaused(name, m); err != nil {
			return err
		}
		return s.breakNow(ctx, fault.Stop, name)
	case "pause":
		if s.isPaused(m) {
			return fmt.Errorf("node %s is paused already; resume it with: workbench node resume %s", name, name)
		}
		return s.breakNow(ctx, fault.Freeze, name)
	case "resume":
		if !s.isPaused(m) {
			return fmt.Errorf("node %s is not paused", name)
		}
		return s.mend(name, "resumed by a user", []string{fault.Freeze}, func() error { return s.resumeNode(ctx, name) })
	}
	return fmt.Errorf("unknown action node.%s", verb)
}

func (s *Supervisor) actOnComponent(ctx context.Context, verb, target string) error {
	name, component, ok := strings.Cut(target, "/")
	if !ok {
		return fmt.Errorf("component %q: want NODE/COMPONENT, such as c1/etcd", target)
	}
	n, err := s.planned(name)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range n.Components {
		names = append(names, c.Name)
	}
	if !slices.Contains(names, component) {
		return fmt.Errorf("no component %s on %s; there are %s", component, name, strings.Join(names, ", "))
	}
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	if err := s.refusePaused(name, m); err != nil {
		return err
	}
	var now event.ComponentPhase
	s.rec.See(func(w *state.World) { now = w.Nodes[name].Components[component].State })
	switch verb {
	case "kill":
		if now == event.ComponentStopped {
			return fmt.Errorf("%s is not running; start it with: workbench component start %s", target, target)
		}
		return s.breakNow(ctx, fault.Kill, target)
	case "pause":
		if now == event.ComponentPaused {
			return fmt.Errorf("%s is paused already; resume it with: workbench component resume %s", target, target)
		}
		return s.breakNow(ctx, fault.Freeze, target)
	case "start":
		return s.mend(target, "started by a user", []string{fault.Kill}, func() error { return m.handle.Release(ctx, component) })
	case "resume":
		return s.mend(target, "resumed by a user", []string{fault.Freeze}, func() error { return m.handle.ResumeComponent(ctx, component, "resumed by a user") })
	case "restart":
		return s.mend(target, "restarted by a user", []string{fault.Freeze}, func() error {
			return m.handle.RestartComponent(ctx, component, "restarted by a user")
		})
	}
	return fmt.Errorf("unknown action component.%s", verb)
}

// breakNow begins a fault of a node or a component without a question.
func (s *Supervisor) breakNow(ctx context.Context, kind, target string) error {
	f, err := s.request(api.FaultRequest{Text: kind + " " + target, Yes: true, Owner: "a user"})
	if err != nil {
		return err
	}
	_, err = s.begin(ctx, f)
	return err
}

// mend ends the faults of some kinds on one target, and the same faults go on
// for their other targets. Where there is none it does what would mend.
func (s *Supervisor) mend(target, cause string, kinds []string, otherwise func() error) error {
	var ids []string
	for _, f := range s.faults.active() {
		if !slices.Contains(kinds, f.Kind) || !slices.Contains(f.Nodes, target) && !slices.Contains(f.Components, target) {
			continue
		}
		ids = append(ids, f.ID)
		s.carryOn(f, target)
	}
	if len(ids) == 0 {
		return otherwise()
	}
	if _, err := s.end(ids, cause); err != nil {
		return err
	}
	if cause == "restarted by a user" {
		return otherwise()
	}
	return nil
}

// carryOn lets a fault of several targets go on for all but one.
func (s *Supervisor) carryOn(f event.FaultInjected, but string) {
	other := func(name string) bool { return name == but }
	f.Nodes = slices.DeleteFunc(slices.Clone(f.Nodes), other)
	f.Components = slices.DeleteFunc(slices.Clone(f.Components), other)
	rest := append(slices.Clone(f.Nodes), f.Components...)
	old, on := s.faults.find(f.ID)
	if !on || len(rest) == 0 {
		return
	}
	if !old.expires.IsZero() {
		f.Lease = max(time.Until(old.expires), time.Millisecond).Round(time.Millisecond)
	}
	f.Text = fault.Request{Kind: f.Kind, Targets: rest, Lease: f.Lease}.String()
	a := s.faults.add(s.background, f)
	s.rec.Emit(a.FaultInjected)
	s.sources.Go(func() { s.verify(a, nil) })
}

// settled says whether a component shows what was asked of it.
func settled(verb string, c *state.Component) bool {
	if c == nil {
		return true
	}
	switch verb {
	case "kill":
		return c.State == event.ComponentStopped
	case "pause":
		return c.State == event.ComponentPaused
	case "start", "resume", "steady":
		return c.State != event.ComponentStopped && c.State != event.ComponentPaused
	}
	return true
}
