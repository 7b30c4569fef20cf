package history

import (
	"context"
	"encoding/json"
	"fmt"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Window is a stretch of a log that can be shown at each of its events: a world
// and the events after it, up to the next keyframe or the present.
type Window struct {
	// Keyframe is the world that the window begins with: in the form of this
	// build's worlds (see Shape), or as JSON.
	Keyframe []byte
	Events   []event.Event
}

// Base is the world that the window begins with. The caller owns it.
func (win Window) Base() (*state.World, error) { return decode(win.Keyframe) }

// JSON is the world that the window begins with, as JSON.
func (win Window) JSON() ([]byte, error) {
	if len(win.Keyframe) > 0 && win.Keyframe[0] == '{' {
		return win.Keyframe, nil
	}
	w, err := win.Base()
	if err != nil {
		return nil, err
	}
	return json.Marshal(w)
}

// Reach is how many of the window's events are to be folded for an instant.
func (win Window) Reach(at Instant) int {
	w := &state.World{}
	for i, e := range win.Events {
		if at.reached(w, e) {
			return i
		}
		if e.Time.After(w.Now) {
			w.Now = e.Time
		}
	}
	return len(win.Events)
}

// maxGap is how many times the usual distance keyframes may be apart.
const maxGap = 16

// Window is the stretch of the log that an instant is in. Where keyframes are
// missing it makes them, which takes about 10 µs for each event.
func (h *History) Window(ctx context.Context, at Instant) (Window, error) {
	raw, k, next, err := h.base(at)
	if err != nil {
		return Window{}, err
	}
	from, every := k.seq, uint64(h.cfg.Every)
	end := h.cfg.Log.Last()
	if next > 0 {
		end = min(end, next)
	}
	// Thinned keyframes make windows long; only where there are none, as after an
	// upgrade, are they made again.
	if end > from+maxGap*every {
		if raw, from, err = h.fill(ctx, raw, from, end, at); err != nil {
			return Window{}, err
		}
		end = min(end, from+every)
	}
	win := Window{Keyframe: raw}
	err = h.read(ctx, from, end, func(e event.Event) (bool, error) {
		win.Events = append(win.Events, e)
		return true, nil
	})
	return win, err
}

// fill makes keyframes every so many events from one on, until the instant or the
// end, and gives the last one.
func (h *History) fill(ctx context.Context, raw []byte, after, end uint64, at Instant) (last []byte, seq uint64, err error) {
	h.filling.Lock()
	defer h.filling.Unlock()
	w, err := decode(raw)
	if err != nil {
		return nil, 0, err
	}
	pack, err := newPacker()
	if err != nil {
		return nil, 0, err
	}
	last, seq = raw, after
	err = h.read(ctx, after, end, func(e event.Event) (bool, error) {
		if at.reached(w, e) {
			return false, nil
		}
		w.Apply(e)
		if e.Seq < seq+uint64(h.cfg.Every) || e.Seq >= end {
			return true, nil
		}
		last, seq = pack.codec.encode(w), e.Seq
		return true, h.write(pack, w)
	})
	return last, seq, err
}

// Fold folds the whole log, making the keyframes that are missing on the way, and
// returns the last world: what a replay does when it begins. Each event is told.
func (h *History) Fold(ctx context.Context, told func(event.Event)) (*state.World, error) {
	raw, k, _, err := h.base(Instant{Seq: h.cfg.Log.First()})
	if err != nil {
		return nil, err
	}
	w, err := decode(raw)
	if err != nil {
		return nil, err
	}
	pack, err := newPacker()
	if err != nil {
		return nil, err
	}
	n, last := 0, h.cfg.Log.Last()
	err = h.read(ctx, k.seq, last, func(e event.Event) (bool, error) {
		w.Apply(e)
		told(e)
		if n++; n%h.cfg.Every == 0 && e.Seq < last {
			return true, h.write(pack, w)
		}
		return true, nil
	})
	return w, err
}

// read calls each with the events after one up to another one, until it says no.
func (h *History) read(ctx context.Context, after, end uint64, each func(event.Event) (bool, error)) error {
	if after >= end {
		return nil
	}
	cursor := h.cfg.Log.Open(after, end)
	defer cursor.Close()
	for at := after; at < end; {
		events, err := cursor.Next(ctx)
		if err != nil {
			return fmt.Errorf("read events %d to %d: %w", at+1, end, err)
		}
		for _, e := range events {
			if e.Seq > end {
				return nil
			}
			on, err := each(e)
			if err != nil || !on {
				return err
			}
			at = e.Seq
		}
	}
	return nil
}
