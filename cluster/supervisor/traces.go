package supervisor

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/observe/span"
)

// Bounds of traces: how many are open at once, and how long one may be.
const (
	maxOpenTraces = 4
	maxTraceLease = 30 * time.Minute
)

// traces are the open ones.
type traces struct {
	mu   sync.Mutex
	open map[string]openTrace
}

type openTrace struct {
	until time.Time
	lease *time.Timer
}

var traceID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// BeginTrace implements api.Traces: kubelets record what they do for pods from now
// on. API servers and etcd need not be told: they do as each request says.
func (s *Supervisor) BeginTrace(r api.TraceRequest) error {
	if !traceID.MatchString(r.ID) || strings.Trim(r.ID, "0") == "" {
		return fmt.Errorf("trace %q: want 32 hex digits", r.ID)
	}
	if r.Lease <= 0 || r.Lease > maxTraceLease {
		return fmt.Errorf("trace %s: a lease of %v; want one up to %v", r.ID, r.Lease, maxTraceLease)
	}
	s.traces.mu.Lock()
	defer s.traces.mu.Unlock()
	if len(s.traces.open) >= maxOpenTraces {
		return fmt.Errorf("trace: %d are open already; wait until one ends", maxOpenTraces)
	}
	if _, open := s.traces.open[r.ID]; open {
		return fmt.Errorf("trace %s is open already", r.ID)
	}
	ended := event.TraceEnded{ID: r.ID, Exit: -1, Cause: "lease over"}
	s.traces.open[r.ID] = openTrace{time.Now().Add(r.Lease), time.AfterFunc(r.Lease, func() { _ = s.EndTrace(ended) })}
	s.switchTracing()
	r.Command = strings.ToValidUTF8(r.Command[:min(len(r.Command), 300)], "")
	s.rec.Emit(r.TraceStarted)
	return nil
}

// EndTrace implements api.Traces.
func (s *Supervisor) EndTrace(e event.TraceEnded) error {
	s.traces.mu.Lock()
	defer s.traces.mu.Unlock()
	t, open := s.traces.open[e.ID]
	if !open {
		return fmt.Errorf("trace %s is not open", e.ID)
	}
	t.lease.Stop()
	delete(s.traces.open, e.ID)
	if s.background.Err() == nil {
		s.rec.Emit(e)
	}
	s.switchTracing()
	return nil
}

// switchTracing writes to each worker until when its kubelet shall record. One that
// cannot be told has no spans: the rest of the trace is as good. Callers hold the
// lock.
func (s *Supervisor) switchTracing() {
	var until time.Time
	for _, t := range s.traces.open {
		if t.until.After(until) {
			until = t.until
		}
	}
	for _, n := range s.current().Nodes {
		if n.ControlPlane {
			continue
		}
		err := func() error {
			root, err := os.OpenRoot(s.place.Root(n.Name))
			if err != nil {
				return err
			}
			defer root.Close()
			if until.IsZero() {
				if err := root.Remove(strings.TrimPrefix(span.SwitchFile, "/")); !errors.Is(err, os.ErrNotExist) {
					return err
				}
				return nil
			}
			return replace(root, span.SwitchFile, []byte(until.UTC().Format(time.RFC3339)+"\n"), 0o600)
		}()
		if err != nil {
			s.log.Warn("let a kubelet record", "node", n.Name, "cause", err)
		}
	}
}

// endTraces ends the open ones with the lab.
func (s *Supervisor) endTraces() {
	s.traces.mu.Lock()
	defer s.traces.mu.Unlock()
	for id, t := range s.traces.open {
		t.lease.Stop()
		delete(s.traces.open, id)
		s.rec.Emit(event.TraceEnded{ID: id, Exit: -1, Cause: "the lab goes down"})
	}
}
