package supervisor

import (
	"context"
	"fmt"
	"strings"

	"workbench/cluster/api"
	"workbench/cluster/event"
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

func (s *Supervisor) actOnNode(ctx context.Context, verb, name string) error {
	if _, err := s.planned(name); err != nil {
		return err
	}
	switch verb {
	case "kill":
		return s.killNode(name)
	case "stop":
		return s.stopNode(ctx, name)
	case "start":
		return s.startAgain(ctx, name)
	case "pause":
		return s.pauseNode(name)
	case "resume":
		return s.resumeNode(ctx, name)
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
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	if err := s.refusePaused(name, m); err != nil {
		return err
	}
	const cause = "by a user"
	switch verb {
	case "kill":
		err = m.handle.KillComponent(ctx, component, "killed "+cause)
	case "start":
		err = m.handle.Release(ctx, component)
	case "restart":
		err = m.handle.RestartComponent(ctx, component, "restarted "+cause)
	case "pause":
		err = m.handle.PauseComponent(ctx, component, "paused "+cause)
	case "resume":
		err = m.handle.ResumeComponent(ctx, component, "resumed "+cause)
	default:
		err = fmt.Errorf("unknown action component.%s", verb)
	}
	if err != nil {
		return err
	}
	// The reply and the events travel together, but only the fold of the
	// events makes the outcome visible: do not answer before it.
	return s.rec.Await(ctx, func(w *state.World) (bool, error) {
		return settled(verb, w.Nodes[n.Name].Components[component]), nil
	})
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
	case "start", "resume":
		return c.State != event.ComponentStopped && c.State != event.ComponentPaused
	}
	return true
}
