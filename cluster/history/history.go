package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Log is the events that a history is of: a journal, or a recording.
type Log interface {
	// First is the oldest event kept, Last()+1 when there is none; Last is the newest.
	First() uint64
	Last() uint64
	// Open is a cursor behind an event; until is the last one that will be wanted.
	Open(after, until uint64) Cursor
}

// Cursor reads events in order.
type Cursor interface {
	// Next gives some of the next events, at least one; up to Last it does not wait.
	Next(ctx context.Context) ([]event.Event, error)
	Close() error
}

// Config of a history.
type Config struct {
	Log Log
	// Base is the world before the log's first event, for a log that does not begin
	// with the first event ever; nil where it does, or keyframes are in Dir.
	Base *state.World
	// Dir keeps keyframes; "" keeps them in memory.
	Dir string
	// MaxBytes bounds the keyframes; 64 MiB when 0.
	MaxBytes int64
	// Every is how many events are between keyframes; 300 when 0. It is what
	// bounds how long an instant takes.
	Every int
	// EveryBytes is how many bytes of events are between keyframes at most, by
	// what Keep is told; 256 KiB when 0.
	EveryBytes int64
	// Pace is the least time between keyframes while events come fast, up to four
	// times Every; 2 s when 0. Time is that of the events.
	Pace time.Duration
	// Logger hears of keyframes that could not be written; nothing when nil.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxBytes = cmp.Or(c.MaxBytes, 64<<20)
	c.Every = cmp.Or(c.Every, 300)
	c.EveryBytes = cmp.Or(c.EveryBytes, 256<<10)
	c.Pace = cmp.Or(c.Pace, 2*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// History is the past of one log. Its methods may be called concurrently, but for
// Keep, which one goroutine at a time may.
type History struct {
	cfg   Config
	store *store

	// What Keep knows of the last keyframe.
	events int
	bytes  int64
	at     time.Time

	work   chan *state.World
	writer sync.WaitGroup
	close  sync.Once

	filling sync.Mutex // one goroutine at a time makes what is missing
}

// Open opens the history of a log.
func Open(cfg Config) (*History, error) {
	if cfg.Log == nil {
		return nil, errors.New("open history: there is no log")
	}
	cfg = cfg.withDefaults()
	s, err := openStore(cfg.Dir, cfg.MaxBytes, cfg.Log.Last())
	if err != nil {
		return nil, err
	}
	if err := s.trim(cfg.Log.First()); err != nil {
		return nil, err
	}
	pack, err := newPacker()
	if err != nil {
		return nil, err
	}
	if cfg.Base != nil {
		if err := s.add(keyframe{seq: cfg.Base.Seq, now: cfg.Base.Now, data: pack.pack(cfg.Base)}); err != nil {
			return nil, err
		}
	}
	// The first event kept is worth a keyframe: a run begins with it.
	h := &History{cfg: cfg, store: s, events: cfg.Every, work: make(chan *state.World, 1)}
	h.writer.Go(func() {
		for w := range h.work {
			if err := h.write(pack, w); err != nil {
				cfg.Logger.Warn("keep a keyframe", "cause", err) // it is made again when it is asked for
			}
		}
	})
	return h, nil
}

// Keep notes that an event was folded into the world, and that so many bytes of
// events were logged up to it. When it is time for a keyframe it clones the
// world, a few ms for one of 1 MB; the rest is done elsewhere.
func (h *History) Keep(e event.Event, w *state.World, logged int64) {
	h.events++
	full := h.events >= h.cfg.Every || logged-h.bytes >= h.cfg.EveryBytes
	hasty := w.Now.Sub(h.at) < h.cfg.Pace && h.events < 4*h.cfg.Every
	if !full || hasty || e.Seq == 0 {
		return
	}
	if len(h.work) == cap(h.work) {
		return // the writer is behind: the next event asks again
	}
	h.work <- w.Clone()
	h.events, h.bytes, h.at = 0, logged, w.Now
}

func (h *History) write(pack *packer, w *state.World) error {
	return errors.Join(h.store.add(keyframe{seq: w.Seq, now: w.Now, data: pack.pack(w)}), h.store.trim(h.cfg.Log.First()))
}

// Close waits for the keyframe that is being written. Keep must not be called any more.
func (h *History) Close() error {
	h.close.Do(func() { close(h.work) })
	h.writer.Wait()
	return nil
}

// Keyframes are how many keyframes there are and their bytes, compressed.
func (h *History) Keyframes() (n int, bytes int64) { return h.store.size() }

// At is the world at an instant. The caller owns it. An instant after the last
// event is the present; one before the oldest that can be shown is a *TooOldError.
func (h *History) At(ctx context.Context, at Instant) (*state.World, error) {
	win, err := h.Window(ctx, at)
	if err != nil {
		return nil, err
	}
	w, err := win.Base()
	if err != nil {
		return nil, err
	}
	for _, e := range win.Events[:win.Reach(at)] {
		w.Apply(e)
	}
	return w, nil
}

// Oldest is the oldest instant that can be shown.
func (h *History) Oldest(ctx context.Context) (Instant, error) {
	_, base, _, err := h.base(Instant{Seq: h.cfg.Log.First()})
	if tooOld := (*TooOldError)(nil); errors.As(err, &tooOld) {
		return tooOld.Oldest, nil
	}
	if err != nil {
		return Instant{}, err
	}
	return Instant{Seq: base.seq, Time: base.now}, nil
}

// base is the keyframe to begin with for an instant, its world in the codec's form, and the number of
// the one after it, 0 for none.
func (h *History) base(at Instant) (raw []byte, k keyframe, next uint64, err error) {
	// What the log dropped since the last keyframe cannot be shown any more.
	if err := h.store.trim(h.cfg.Log.First()); err != nil {
		h.cfg.Logger.Warn("drop old keyframes", "cause", err)
	}
	for {
		k, next, found := h.store.before(at)
		if found {
			if raw, err = h.store.load(k); err == nil {
				return raw, k, next, nil
			}
			h.cfg.Logger.Warn("drop a keyframe", "cause", err)
			h.store.forget(k.seq)
			continue
		}
		if first := h.cfg.Log.First(); first > 1 {
			return nil, k, 0, h.tooOld(at, first)
		}
		return []byte("{}"), keyframe{}, next, nil // the log begins with the first event ever
	}
}

func (h *History) tooOld(at Instant, first uint64) error {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	if len(h.store.frames) == 0 {
		return fmt.Errorf("show %s: the log begins at event %d and no keyframe is left to show it from", at, first)
	}
	k := h.store.frames[0]
	return &TooOldError{Wanted: at, Oldest: Instant{Seq: k.seq, Time: k.now}}
}
