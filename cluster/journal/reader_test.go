package journal

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

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
