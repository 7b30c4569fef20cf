package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// seal compresses every full segment, in turns with the sealer.
func seal(t *testing.T, j *Journal) {
	t.Helper()
	for j.sealOldest() {
	}
	j.sealer.stop()
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
		"journal: MaxBytes is 1; use at least two segments of 8388608 bytes": {MaxBytes: 1},
	} {
		if _, err := Open(t.TempDir(), o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestReaderWaitsForAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := Open(t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		var readers sync.WaitGroup
		var mu sync.Mutex
		for range 10 {
			readers.Go(func() {
				r := j.Reader(0)
				for n := 0; n < 2; {
					events, err := r.Next(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					n += len(events)
					mu.Lock()
					got = append(got, events[len(events)-1].Seq)
					mu.Unlock()
				}
			})
		}
		for seq := uint64(1); seq <= 2; seq++ {
			synctest.Wait() // every reader waits
			if len(got) != int(seq-1)*10 {
				t.Errorf("%d batches before event %d", len(got), seq)
			}
			fill(t, j, seq)
		}
		readers.Wait()
		if len(got) != 20 {
			t.Errorf("got %d batches", len(got))
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestNextEndsWithTheContextAndWithTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := Open(t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, j, 3)
		why := errors.New("viewer left")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancelled, closed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := j.Reader(3).Next(ctx)
			cancelled <- err
		}()
		go func() {
			r := j.Reader(3)
			events, err := r.Next(t.Context())
			if len(events) != 1 {
				t.Errorf("got %v, %v", events, err)
			}
			_, err = r.Next(t.Context())
			closed <- err
		}()
		synctest.Wait()
		cancel(why)
		if err := <-cancelled; !errors.Is(err, why) {
			t.Errorf("cancelled: %v", err)
		}
		fill(t, j, 4)
		synctest.Wait()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if err := <-closed; !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if _, err := j.Append(line(5)); !errors.Is(err, ErrClosed) {
			t.Errorf("append: %v", err)
		}
		late := j.Reader(0)
		readAll(t, late, 1, 4)
		if _, err := late.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("late: %v", err)
		}
	})
}

func TestCursorAheadIsRefused(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	fill(t, j, 3)
	if _, err := j.Reader(4).Next(t.Context()); !errors.Is(err, ErrAhead) || err.Error() != "read event 5, but the last is 3: cursor is ahead of the journal" {
		t.Errorf("got %v", err)
	}
}

func TestRetentionDropsTheOldest(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 1000, MaxBytes: 4000, Tail: 2})
	behind := j.Reader(0)
	defer behind.Close()
	fill(t, j, 1)
	readAll(t, behind, 1, 1)
	fill(t, j, 3000)
	if first := j.First(); first < 100 || first > 3000 {
		t.Fatalf("first is %d", first)
	}
	var truncated *TruncatedError
	_, err := behind.Next(t.Context())
	if !errors.As(err, &truncated) || !errors.Is(err, ErrTruncated) || truncated.Wanted != 2 {
		t.Fatalf("got %v", err)
	}
	seal(t, j)
	r := j.Reader(j.First() - 1)
	defer r.Close()
	readAll(t, r, j.First(), 3000)
	if b := j.Bytes(); b > 4000 {
		t.Errorf("journal has %d bytes", b)
	}
	if got := usage(t, dir); got != j.Bytes() {
		t.Errorf("directory has %d bytes, journal says %d", got, j.Bytes())
	}
}

func usage(t *testing.T, dir string) (total int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

func TestSealingKeepsEventsAndOpenReaders(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 200_000, MaxBytes: 1 << 30, Tail: 1})
	fill(t, j, 1500)
	r := j.Reader(0) // has the first segment open while it grows and is sealed
	defer r.Close()
	if events, err := r.Next(t.Context()); err != nil || len(events) != batch {
		t.Fatal(len(events), err)
	}
	fill(t, j, 5000)
	seal(t, j)
	readAll(t, r, batch+1, 5000)
	again := j.Reader(0)
	defer again.Close()
	readAll(t, again, 1, 5000)
	plain, err := filepath.Glob(filepath.Join(dir, "*"+plainSuffix))
	if err != nil || len(plain) != 1 {
		t.Errorf("plain segments: %v, %v", plain, err)
	}
	if sealed := usage(t, dir); sealed > 250_000 {
		t.Errorf("%d bytes after sealing", sealed)
	}
}

func TestConcurrentReadersLoseNothing(t *testing.T) {
	const last, writers = 4000, 4
	j := open(t, t.TempDir(), Options{SegmentBytes: 20_000, MaxBytes: 1 << 30, Tail: 16})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r := j.Reader(0)
			defer r.Close()
			for next := uint64(1); next <= last; {
				events, err := r.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range events {
					if e.Seq != next {
						t.Errorf("got %d, want %d", e.Seq, next)
						return
					}
					next++
				}
			}
		})
	}
	for range writers {
		all.Go(func() {
			for range last / writers / 2 {
				if _, err := j.Append(line(0), line(0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if j.Last() != last {
		t.Errorf("last is %d", j.Last())
	}
}

func TestAppendRefusesWhatCannotBeWritten(t *testing.T) {
	j := open(t, t.TempDir(), Options{Tail: 1})
	fill(t, j, 1)
	if _, err := j.Append(line(2), event.Event{}); err == nil || !strings.Contains(err.Error(), "no body") {
		t.Errorf("no body: %v", err)
	}
	huge := event.Event{Body: event.RaftLog{Text: strings.Repeat("x", MaxEventBytes)}}
	if _, err := j.Append(line(2), huge); err == nil || !strings.Contains(err.Error(), "more than 8388608") {
		t.Errorf("huge: %v", err)
	}
	large := event.Event{Time: epoch, Body: event.RaftLog{Text: strings.Repeat("y", MaxEventBytes-200)}}
	if last, err := j.Append(large); err != nil || last != 2 {
		t.Errorf("large: %d, %v", last, err)
	}
	fill(t, j, 3)
	r := j.Reader(0)
	defer r.Close()
	events, err := r.Next(t.Context())
	if err != nil || len(events) != 2 || events[1].Body != large.Body {
		t.Errorf("large event: got %d events, %v", len(events), err)
	}
}

// failing fails the next write in the middle of a line.
type failing struct {
	file
	writes, truncates error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.writes == nil {
		return f.file.Write(p)
	}
	n, _ := f.file.Write(p[:len(p)/2])
	return n, f.writes
}

func (f *failing) Truncate(size int64) error {
	if f.truncates != nil {
		return f.truncates
	}
	return f.file.Truncate(size)
}

func TestFullDiskTakesBackThePartialBatch(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	fill(t, j, 5)
	full := errors.New("no space left on device")
	disk := &failing{file: j.active, writes: full}
	j.active = disk
	if last, err := j.Append(line(6), line(7)); !errors.Is(err, full) || last != 5 {
		t.Errorf("got %d, %v", last, err)
	}
	disk.writes = nil
	fill(t, j, 8)
	j.tail = newTail(1)
	r := j.Reader(0)
	defer r.Close()
	readAll(t, r, 1, 8)

	disk.writes, disk.truncates = full, io.ErrClosedPipe
	if _, err := j.Append(line(9)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	disk.writes, disk.truncates = nil, nil
	if _, err := j.Append(line(9)); !errors.Is(err, full) {
		t.Errorf("append behind a partial line: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, Options{})
	if got := again.Recovered(); got.Last != 8 || got.CutBytes == 0 {
		t.Errorf("recovered %+v", got)
	}
}
