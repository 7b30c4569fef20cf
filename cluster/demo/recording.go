package demo

import (
	"context"
	"slices"
	"sync"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// recording is what was seen since the tour began: the lab's journal and the
// clients' requests.
type recording struct {
	mu      sync.Mutex
	world   *state.World
	events  []event.Event
	changed chan struct{} // closed and replaced with every event
}

func newRecording(world *state.World) *recording {
	return &recording{world: world, changed: make(chan struct{})}
}

// journal takes events of the lab.
func (r *recording) journal(events []event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.world.Apply(e)
		switch e.Body.(type) {
		case event.ComponentUsage, event.ComponentMetrics, event.Probe, event.RaftLog, event.KubeEvent:
			continue // no hop is seen in them
		}
		r.events = append(r.events, e)
	}
	r.announce()
}

// client takes a request of a client.
func (r *recording) client(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	r.announce()
}

func (r *recording) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// ordered are the events by time: those of different sources arrive late by
// different times. Callers hold r.mu.
func (r *recording) ordered() []event.Event {
	slices.SortStableFunc(r.events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	return r.events
}

// await waits until the condition holds; it is asked after every event. The
// error is the reason why ctx ended.
func (r *recording) await(ctx context.Context, condition func(*state.World, []event.Event) bool) error {
	for {
		r.mu.Lock()
		done := condition(r.world, r.ordered())
		changed := r.changed
		r.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
