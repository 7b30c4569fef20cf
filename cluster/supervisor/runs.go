package supervisor

import (
	"errors"
	"fmt"
	"sync"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/state"
)

// runs is the run of a scenario or a campaign that is held, if there is one.
type runs struct {
	mu   sync.Mutex
	held *heldRun
}

type heldRun struct {
	api.RunRequest
	stop chan string // buffered: who asked first
	over bool        // guarded by runs.mu: its faults are no more
}

// busy says whether a scenario or a campaign runs.
func (r *runs) busy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held != nil
}

// admits says whether a fault of a run may be on; one of no run may.
func (r *runs) admits(f event.FaultInjected) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Run != "" && (r.held == nil || r.held.over || r.held.Run != f.Run) {
		return fmt.Errorf("%s: %s, which it is part of, is over", f.Text, f.Run)
	}
	return nil
}

// Hold implements api.Runs.
func (s *Supervisor) Hold(r api.RunRequest) (<-chan string, func(), error) {
	r.Run, r.Name, r.Owner = clean(r.Run), clean(r.Name), clean(r.Owner)
	if r.Run == "" {
		return nil, nil, errors.New("a run without a name")
	}
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	if other := s.script.held; other != nil {
		return nil, nil, fmt.Errorf("%s runs already, by %s; stop it with: workbench %s stop", other.Run, other.Owner, kindOfRun(other.Name))
	}
	h := &heldRun{RunRequest: r, stop: make(chan string, 1)}
	s.script.held = h
	return h.stop, func() { s.endRun(h) }, nil
}

// kindOfRun is the command that a run is one of.
func kindOfRun(name string) string {
	if name == state.Campaign {
		return name
	}
	return "scenario"
}

// endRun heals what a run has left: nothing, unless its process was killed.
func (s *Supervisor) endRun(h *heldRun) {
	s.script.mu.Lock()
	h.over = true // from now on no fault of it begins
	s.script.mu.Unlock()
	var ids []string
	for _, f := range s.faults.active() {
		if f.Run == h.Run {
			ids = append(ids, f.ID)
		}
	}
	const cause = "who ran it is gone"
	if len(ids) > 0 {
		if _, err := s.end(ids, cause); err != nil {
			s.log.Warn("heal the faults of a run", "run", h.Run, "cause", err)
		}
	}
	s.script.mu.Lock()
	s.script.held = nil
	s.script.mu.Unlock()
	var told event.ScenarioState
	s.rec.See(func(w *state.World) {
		if w.Scenario.Runs() {
			told = w.Scenario.ScenarioState
		}
	})
	if told.Run == h.Run && s.background.Err() == nil {
		told.Phase, told.Detail = event.ScenarioAborted, cause+"; the faults are healed"
		s.rec.Emit(told)
	}
}

// StopRun implements api.Runs.
func (s *Supervisor) StopRun(r api.StopRequest) (string, error) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	h := s.script.held
	switch {
	case h == nil:
		return "", errors.New("no scenario and no campaign runs")
	case r.Name == "scenario" && h.Name == state.Campaign, r.Name == state.Campaign && h.Name != state.Campaign:
		return "", fmt.Errorf("no %s runs, but %s does; stop it with: workbench %s stop", r.Name, h.Run, kindOfRun(h.Name))
	}
	select {
	case h.stop <- clean(r.Owner):
	default: // it was asked already
	}
	s.rec.Emit(event.Action{Verb: "run.stop", Target: h.Run})
	return h.Run, nil
}
