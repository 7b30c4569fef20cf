// Package mirror is a client's own copy of a lab's world, kept up to date from
// the supervisor's events, for those who wait for something to become true.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Source is where a world comes from.
type Source interface {
	World(ctx context.Context) (*state.World, error)
	Follow(ctx context.Context, after uint64, emit func([]event.Event)) error
}

// Mirror is the world as it is now. It is safe for concurrent use.
type Mirror struct {
	mu      sync.Mutex
	world   *state.World
	changed chan struct{} // closed and replaced with every batch of events
	lost    error         // why no more events come
}

// Open begins to follow a lab until ctx ends; stop ends it earlier and waits for
// the goroutine that follows.
func Open(ctx context.Context, source Source) (m *Mirror, stop func(), err error) {
	world, err := source.World(ctx)
	if err != nil {
		return nil, nil, err
	}
	m = &Mirror{world: world, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		err := source.Follow(ctx, world.Seq, m.apply)
		m.end(fmt.Errorf("follow the lab: %w", errors.Join(err, context.Cause(ctx))))
	}()
	return m, func() { cancel(); <-followed }, nil
}

func (m *Mirror) apply(events []event.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		m.world.Apply(e)
	}
	m.announce()
}

func (m *Mirror) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = err
	m.announce()
}

func (m *Mirror) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// See calls look with the world, which must not be kept.
func (m *Mirror) See(look func(*state.World)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	look(m.world)
}

// Await waits until the condition holds; it is asked now and after every batch
// of events. The error is the cause of ctx's end, or that the lab is gone.
func (m *Mirror) Await(ctx context.Context, condition func(*state.World) bool) error {
	for {
		m.mu.Lock()
		done, changed, lost := condition(m.world), m.changed, m.lost
		m.mu.Unlock()
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case lost != nil:
			return lost
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
