package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"workbench/cluster/event"
	"workbench/cluster/journal"
	"workbench/cluster/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failover is the journal that the screens' goldens are drawn from.
func failover(t testing.TB) []event.Event {
	t.Helper()
	f, err := os.Open("../../ui/testdata/failover.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var events []event.Event
	for e, err := range journal.Decode(f) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func openJournal(t testing.TB, dir string, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func openHistory(t testing.TB, cfg Config) *History {
	t.Helper()
	h, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// record does as the supervisor's recorder does; h may be nil.
func record(t testing.TB, j *journal.Journal, h *History, w *state.World, events []event.Event) {
	t.Helper()
	for _, e := range events {
		seq, err := j.Append(e)
		if err != nil {
			t.Fatal(err)
		}
		e.Seq, e.Time = seq, e.Time.Round(0).UTC()
		w.Apply(e)
		for h != nil && len(h.work) == cap(h.work) {
			runtime.Gosched() // here no keyframe may be put off
		}
		if h != nil {
			h.Keep(e, w, j.Written())
		}
	}
}

func encode(t testing.TB, w *state.World) []byte {
	t.Helper()
	raw, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// folds gives the world after each of some events, as JSON.
func folds(t testing.TB, events []event.Event, at map[uint64]bool) map[uint64][]byte {
	t.Helper()
	worlds, w := map[uint64][]byte{}, state.New()
	for _, e := range events {
		w.Apply(e)
		if at[e.Seq] {
			worlds[e.Seq] = encode(t, w)
		}
	}
	return worlds
}

// TestAtIsTheFoldFromTheStart is the property that rewind rests on: over the
// failover journal and random instants, with keyframes kept live, made when they
// are asked for, on disk and in memory.
func TestAtIsTheFoldFromTheStart(t *testing.T) {
	events := failover(t)
	r := rand.New(rand.NewPCG(3, 4))
	at := map[uint64]bool{1: true, uint64(len(events)): true}
	for range 25 {
		at[1+r.Uint64N(uint64(len(events)))] = true
	}
	want := folds(t, events, at)
	for name, cfg := range map[string]Config{
		"kept":        {Every: 50, Pace: time.Nanosecond},
		"kept slowly": {Every: 50},
		"made":        {Every: 40},
		"on disk":     {Every: 60, Pace: time.Nanosecond, Dir: filepath.Join(t.TempDir(), "keyframes")},
		"thinned":     {Every: 20, Pace: time.Nanosecond, MaxBytes: 150_000},
	} {
		t.Run(name, func(t *testing.T) {
			j := openJournal(t, t.TempDir(), journal.Options{SegmentBytes: 100_000, Tail: 10})
			cfg.Log = OfJournal(j)
			h := openHistory(t, cfg)
			keep := h
			if name == "made" {
				keep = nil
			}
			record(t, j, keep, state.New(), events)
			for seq := range at {
				w, err := h.At(t.Context(), Instant{Seq: seq})
				if err != nil {
					t.Fatalf("at %d: %v", seq, err)
				}
				if got := encode(t, w); !bytes.Equal(got, want[seq]) {
					t.Fatalf("at %d:\ngot  %s\nwant %s", seq, got, want[seq])
				}
				byTime, err := h.At(t.Context(), Instant{Time: w.Now})
				if err != nil || byTime.Seq < seq || !byTime.Now.Equal(w.Now) {
					t.Fatalf("at %v: event %d at %v, %v; want event %d or a later one of that time", w.Now, byTime.Seq, byTime.Now, err, seq)
				}
			}
			n, size := h.Keyframes()
			if max := h.cfg.MaxBytes; size > max {
				t.Errorf("%d keyframes have %d bytes, more than %d", n, size, max)
			}
			if n < 3 {
				t.Errorf("only %d keyframes", n)
			}
		})
	}
}

func TestInstantsBetweenAndBeyond(t *testing.T) {
	events := failover(t)
	j := openJournal(t, t.TempDir(), journal.Options{})
	h := openHistory(t, Config{Log: OfJournal(j), Every: 100})
	record(t, j, h, state.New(), events)
	last := events[len(events)-1]
	for _, at := range []Instant{{Seq: 1 << 40}, {Time: last.Time.Add(time.Hour)}} {
		if w, err := h.At(t.Context(), at); err != nil || w.Seq != last.Seq {
			t.Errorf("at %v: %v, %v", at, w, err)
		}
	}
	w, err := h.At(t.Context(), Instant{Time: events[0].Time.Add(-time.Hour)})
	if err != nil || w.Topology.Name != "" || w.Seq != 0 {
		t.Errorf("before the first event: %+v, %v", w, err)
	}
	between := events[400].Time.Add(time.Nanosecond)
	w, err = h.At(t.Context(), Instant{Time: between})
	if err != nil || w.Now.After(between) || w.Seq < events[400].Seq {
		t.Errorf("at %v: event %d at %v, %v", between, w.Seq, w.Now, err)
	}
}

// TestKeyframesSurviveARestart holds that those on disk are used again, but not
// those of other builds, spoilt ones, and those ahead of a journal that was cut.
func TestKeyframesSurviveARestart(t *testing.T) {
	events := failover(t)
	dir, logs := filepath.Join(t.TempDir(), "k"), t.TempDir()
	j := openJournal(t, logs, journal.Options{})
	h := openHistory(t, Config{Log: OfJournal(j), Dir: dir, Every: 100, Pace: time.Nanosecond})
	record(t, j, h, state.New(), events)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := h.Keyframes()
	for _, name := range []string{"00000000000000000005-1-deadbeef.world.zst", fmt.Sprintf("%020d-1-%s.world.zst", 1<<30, shape()), "half.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := openHistory(t, Config{Log: OfJournal(j), Dir: dir, Every: 100})
	if n, _ := again.Keyframes(); n != before || n < 5 {
		t.Fatalf("%d keyframes, there were %d", n, before)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != before {
		t.Errorf("%d files for %d keyframes", len(entries), before)
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range paths { // as a power failure may leave them
		if err := os.WriteFile(path, []byte("spoilt"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seq := events[len(events)/2].Seq
	w, err := again.At(t.Context(), Instant{Seq: seq})
	if err != nil || !bytes.Equal(encode(t, w), folds(t, events, map[uint64]bool{seq: true})[seq]) {
		t.Errorf("at %d with spoilt keyframes: %v", seq, err)
	}
}

// TestOldEventsAreGone holds that an instant that is no longer kept is refused
// with the oldest one that is, and that this one can be shown.
func TestOldEventsAreGone(t *testing.T) {
	j := openJournal(t, t.TempDir(), journal.Options{SegmentBytes: 8_000, MaxBytes: 60_000, Tail: 1})
	h := openHistory(t, Config{Log: OfJournal(j), Every: 50, Pace: time.Nanosecond})
	events := failover(t)
	record(t, j, h, state.New(), slices.Concat(events, events, events))
	_ = h.Close() // the last keyframe is written
	if j.First() == 1 {
		t.Fatal("nothing was dropped")
	}
	_, err := h.At(t.Context(), Instant{Seq: 1})
	var tooOld *TooOldError
	if !errors.As(err, &tooOld) || !strings.Contains(err.Error(), "no longer kept") {
		t.Fatalf("got %v", err)
	}
	oldest, err := h.Oldest(t.Context())
	if err != nil || oldest.Seq+1 < j.First() || oldest.Seq != tooOld.Oldest.Seq {
		t.Fatalf("oldest is %+v, %v; the journal begins at %d", oldest, err, j.First())
	}
	if w, err := h.At(t.Context(), oldest); err != nil || w.Seq != oldest.Seq {
		t.Errorf("at the oldest: %v", err)
	}
}

func TestParseInstant(t *testing.T) {
	for in, want := range map[string]Instant{
		"17":                           {Seq: 17},
		"2026-01-02T10:42:07.25Z":      {Time: time.Date(2026, 1, 2, 10, 42, 7, 250e6, time.UTC)},
		"2026-01-02T10:42:07.25+01:00": {Time: time.Date(2026, 1, 2, 9, 42, 7, 250e6, time.UTC)},
	} {
		got, err := ParseInstant(in)
		if err != nil || got.Seq != want.Seq || !got.Time.Equal(want.Time) {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
		if again, err := ParseInstant(got.String()); err != nil || again.Seq != got.Seq || !again.Time.Equal(got.Time) {
			t.Errorf("%s is written as %s", in, got)
		}
	}
	for _, in := range []string{"", "-1", "noon", "10:42"} {
		if _, err := ParseInstant(in); err == nil {
			t.Errorf("%q must be refused", in)
		}
	}
}
