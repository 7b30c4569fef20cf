package ui

import (
	"context"
	"errors"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// What the pump tells the app.
type (
	worldMsg  struct{ world *state.World }
	eventsMsg struct{ events []event.Event }
	// lostMsg says that the supervisor cannot be reached; a worldMsg ends it.
	lostMsg struct {
		at  time.Time
		err error
	}
)

// retries are the waits between attempts to reach the supervisor again.
func retries() []time.Duration {
	return []time.Duration{100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}
}

// pump follows the lab and sends its world and events until ctx ends.
func pump(ctx context.Context, b Backend, send func(tea.Msg)) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		world, err := b.World(ctx)
		if err == nil {
			send(worldMsg{world})
			err = follow(ctx, b, world.Seq, send)
			if time.Since(began) > retries()[len(retries())-1] {
				attempt = 0
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the stream of events ended")
		}
		send(lostMsg{at: time.Now(), err: err})
		select {
		case <-time.After(retries()[min(attempt, len(retries())-1)]):
		case <-ctx.Done():
		}
	}
}

// follow sends batches of events until the stream breaks; all that it brought
// has been sent when it returns.
func follow(ctx context.Context, b Backend, after uint64, send func(tea.Msg)) error {
	batch := newBatcher[event.Event]()
	flushing, stop := context.WithCancel(ctx)
	var flusher sync.WaitGroup
	flusher.Go(func() {
		batch.run(flushing, func(events []event.Event) { send(eventsMsg{events}) })
	})
	err := b.Follow(ctx, after, func(events []event.Event) { batch.add(events, urgent(events)) })
	stop()
	flusher.Wait()
	return err
}

// urgent says whether any of the events changes more than a number. A lab sends
// what is not together with what is, or by itself once a second.
func urgent(events []event.Event) bool {
	for _, e := range events {
		if !event.Routine(e.Body) {
			return true
		}
	}
	return false
}
