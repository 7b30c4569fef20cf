package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/journal"
	"workbench/cluster/state"
)

// recorder is where every event of the lab arrives: it goes to the journal and
// is folded into the world, in one order.
type recorder struct {
	log     *slog.Logger
	mu      sync.Mutex
	journal *journal.Journal
	history *history.History
	world   *state.World
	waiting map[*waiter]struct{}
}

// waiter is somebody who waits for a condition. Who records an event asks for
// it, so that nobody is woken by the many that change nothing for him.
type waiter struct {
	condition func(*state.World) (bool, error)
	err       error
	over      chan struct{} // closed when the condition holds or failed; err is set before
}

func newRecorder(j *journal.Journal, h *history.History, log *slog.Logger) *recorder {
	w := state.New()
	w.Seq = j.Last()
	return &recorder{log: log, journal: j, history: h, world: w, waiting: map[*waiter]struct{}{}}
}

// Close ends the history, then the journal.
func (r *recorder) Close() error { return errors.Join(r.history.Close(), r.journal.Close()) }

// Emit records something observed now.
func (r *recorder) Emit(body event.Body) { r.Record(event.Event{Time: time.Now(), Body: body}) }

// Record records events, in one write, with the times their source gave them.
func (r *recorder) Record(events ...event.Event) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		events[i].Time = events[i].Time.Round(0).UTC() // as the journal has it: the world is the fold of that
	}
	last, err := r.journal.Append(events...)
	if err != nil {
		// A full disk must not stop the lab: what is shown live stays true,
		// the journal has a gap and the log says so.
		r.log.Error("append to journal", "type", events[0].Body.Type(), "events", len(events), "cause", err)
	}
	written := r.journal.Written()
	for i, e := range events {
		if err == nil {
			e.Seq = last - uint64(len(events)-1-i)
		}
		r.world.Apply(e)
		r.history.Keep(e, r.world, written)
	}
	for w := range r.waiting {
		if done, err := w.condition(r.world); done || err != nil {
			w.err = err
			delete(r.waiting, w)
			close(w.over)
		}
	}
}

// JSON is the world now.
func (r *recorder) JSON() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return json.Marshal(r.world)
}

// See calls look with the world, which must not be kept.
func (r *recorder) See(look func(*state.World)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	look(r.world)
}

// Await waits until the condition holds or fails. It is asked after every
// event, by whoever records that, and so must not record or look itself.
func (r *recorder) Await(ctx context.Context, condition func(*state.World) (bool, error)) error {
	w := &waiter{condition: condition, over: make(chan struct{})}
	r.mu.Lock()
	done, err := condition(r.world)
	if done || err != nil {
		r.mu.Unlock()
		return err
	}
	r.waiting[w] = struct{}{}
	r.mu.Unlock()
	select {
	case <-w.over:
		return w.err
	case <-ctx.Done():
		// The condition may be one of the caller's own: it is not asked any more
		// once this returns.
		r.mu.Lock()
		delete(r.waiting, w)
		r.mu.Unlock()
		return context.Cause(ctx)
	}
}
