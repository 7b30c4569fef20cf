package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// leave marks nodes that are to be shut down, before anybody can see the fault
// that wants it: from then on nothing but power loss is done to them.
func (s *Supervisor) leave(names []string) map[string]*machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]*machine{}
	for _, name := range names {
		if m := s.nodes[name]; m != nil && !m.leaving {
			m.leaving, out[name] = true, m
		}
	}
	return out
}

// stay takes that back.
func (s *Supervisor) stay(leaving map[string]*machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range leaving {
		m.leaving = false
	}
}

func (s *Supervisor) isLeaving(m *machine) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.leaving
}

// goDown shuts nodes down, each at its own pace. Other faults come and go
// meanwhile; one that is healed now starts its node again when it is down.
func (s *Supervisor) goDown(leaving map[string]*machine) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for name, m := range leaving {
		all.Go(func() {
			s.setDowned(name, true)
			err := s.shutDown(s.background, name, m)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// shutDown tells a node that it goes down, waits until nobody there delays that,
// and stops it in order.
func (s *Supervisor) shutDown(ctx context.Context, name string, m *machine) error {
	if err := s.thaw(ctx, name, m); err != nil {
		return err
	}
	if err := s.announce(ctx, name, m); err != nil {
		return err
	}
	select {
	case <-m.handle.Gone():
		return nil // power loss came before
	default:
		return s.stopNode(ctx, name, m)
	}
}

// thaw lets a frozen node run: it would hear nothing, and could end nothing in order.
func (s *Supervisor) thaw(ctx context.Context, name string, m *machine) error {
	if !s.isPaused(m) {
		return nil
	}
	return s.resumeNode(ctx, name)
}

// announce bounds what the node's init bounds already, for an init that does not
// answer: then it is stopped unannounced.
func (s *Supervisor) announce(ctx context.Context, name string, m *machine) error {
	limit := shutdownTimeout
	s.rec.See(func(w *state.World) {
		if n := w.Nodes[name]; n != nil {
			limit += n.Shutdown.Limit
		}
	})
	late := fmt.Errorf("the init of %s did not answer within %v", name, limit.Round(time.Second))
	waiting, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	err := m.handle.Announce(waiting)
	if errors.Is(err, late) {
		s.log.Warn("announce a shutdown", "node", name, "cause", err)
		return nil
	}
	return err
}

// stopping notes that a user stops a node, unless its end has a reason already.
func (s *Supervisor) stopping(name string, m *machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.end.State == "" {
		m.end = event.NodeState{Node: name, State: event.NodeStopped, Cause: "stopped by a user"}
	}
}
