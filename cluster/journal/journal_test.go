package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"workbench/cluster/event"
)

var epoch = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// line is the event that tests use for number seq.
func line(seq uint64) event.Event {
	return event.Event{Seq: seq, Time: epoch.Add(time.Duration(seq) * time.Millisecond), Body: event.RaftLog{Node: "c1", Text: fmt.Sprintf("line %d", seq)}}
}

func open(t *testing.T, dir string, options Options) *Journal {
	t.Helper()
	j, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// fill appends the events up to last, one by one.
func fill(t *testing.T, j *Journal, last uint64) {
	t.Helper()
	for seq := j.Last() + 1; seq <= last; seq++ {
		e := line(seq)
		e.Seq = 0
		if got, err := j.Append(e); err != nil || got != seq {
			t.Fatalf("append gave %d, %v, want %d", got, err, seq)
		}
	}
}

// sealed tells whether every full segment is compressed.
func (j *Journal) sealed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments[:len(j.segments)-1] {
		if !s.sealed {
			return false
		}
	}
	return true
}

// seal stops the sealer and compresses every full segment in its place.
func seal(t *testing.T, j *Journal) {
	t.Helper()
	j.sealer.stop()
	for j.sealOldest() {
	}
	if !j.sealed() {
		t.Fatal("a segment stayed plain")
	}
}

// readAll checks that the reader gives exactly the events from..to.
func readAll(t *testing.T, r *Reader, from, to uint64) {
	t.Helper()
	for next := from; next <= to; {
		events, err := r.Next(t.Context())
		if err != nil {
			t.Fatalf("at %d: %v", next, err)
		}
		for _, e := range events {
			if want := line(next); !reflect.DeepEqual(e, want) {
				t.Fatalf("got %+v, want %+v", e, want)
			}
			next++
		}
	}
}

func TestAppendNumbersAndReadersFollow(t *testing.T) {
	for name, o := range map[string]Options{
		"from the tail":         {},
		"from the active file":  {Tail: 1},
		"from many segments":    {Tail: 1, SegmentBytes: 1000, MaxBytes: 1 << 20},
		"tail and segments":     {Tail: 64, SegmentBytes: 1000, MaxBytes: 1 << 20},
		"one event per segment": {Tail: 3, SegmentBytes: 1, MaxBytes: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			j := open(t, t.TempDir(), o)
			if j.First() != 1 || j.Last() != 0 {
				t.Errorf("empty journal has %d to %d", j.First(), j.Last())
			}
			behind := j.Reader(0)
			defer behind.Close()
			fill(t, j, 100)
			readAll(t, behind, 1, 100)
			fill(t, j, 300)
			readAll(t, behind, 101, 300)
			for _, after := range []uint64{0, 1, 149, 298, 299} {
				r := j.Reader(after)
				readAll(t, r, after+1, 300)
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestBatchIsOneWriteAndOneSegment(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 300, MaxBytes: 1 << 20, Tail: 1})
	var all []event.Event
	for seq := uint64(1); seq <= 50; seq++ {
		all = append(all, line(seq))
	}
	if last, err := j.Append(all...); err != nil || last != 50 {
		t.Fatal(last, err)
	}
	if last, err := j.Append(); err != nil || last != 50 {
		t.Errorf("empty append gave %d, %v", last, err)
	}
	fill(t, j, 60)
	r := j.Reader(0)
	defer r.Close()
	readAll(t, r, 1, 60)
}

func TestLinesAreVisibleAtOnce(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	fill(t, j, 2)
	data, err := os.ReadFile(filepath.Join(dir, plainName(1)))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"seq":1,"time":"2026-01-02T15:04:05.001Z","type":"raft.log","data":{"node":"c1","text":"line 1"}}
{"seq":2,"time":"2026-01-02T15:04:05.002Z","type":"raft.log","data":{"node":"c1","text":"line 2"}}
`
	if string(data) != want {
		t.Errorf("got\n%s", data)
	}
}

func TestReopenContinues(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 1000, MaxBytes: 1 << 20, Tail: 5}
	for last := uint64(30); last <= 120; last += 30 {
		j, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, j, last)
		r := j.Reader(0)
		readAll(t, r, 1, last)
		if err := errors.Join(r.Close(), j.Close(), j.Close()); err != nil {
			t.Fatal(err)
		}
		if got := j.Recovered(); got != (Recovery{}) {
			t.Errorf("recovered %+v", got)
		}
	}
}

func TestOnlyOneOpener(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, Options{})
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"journal: SegmentBytes is -1; use a positive number":                 {SegmentBytes: -1},
		"journal: MaxBytes is 100; use at least two segments of 90 bytes":    {SegmentBytes: 90, MaxBytes: 100},
		"journal: Tail is -5; use a positive number":                         {Tail: -5},
		"journal: MaxBytes is 1; use at least two segments of 2097152 bytes": {MaxBytes: 1},
	} {
		if _, err := Open(t.TempDir(), o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
