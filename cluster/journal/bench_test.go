package journal

import (
	"testing"
	"time"

	"workbench/cluster/event"
)

func benchmarkJournal(b *testing.B, o Options) *Journal {
	b.Helper()
	j, err := Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := j.Close(); err != nil {
			b.Error(err)
		}
	})
	return j
}

func status(i int) event.Event {
	return event.Event{Time: epoch.Add(time.Duration(i)), Body: event.RaftStatus{
		Node: "c1", MemberID: "8e9e05c52164694d", Role: event.RaftLeader, Term: 2, Commit: uint64(i), Applied: uint64(i),
		Progress: map[string]event.RaftProgress{
			"c2": {Match: uint64(i), Next: uint64(i) + 1, State: "StateReplicate", RecentActive: true},
			"c3": {Match: uint64(i), Next: uint64(i) + 1, State: "StateReplicate", RecentActive: true},
		},
	}}
}

// BenchmarkAppend reports events/s of one writer, in batches of one and of many.
func BenchmarkAppend(b *testing.B) {
	for name, size := range map[string]int{"one": 1, "batch64": 64} {
		b.Run(name, func(b *testing.B) {
			j := benchmarkJournal(b, Options{})
			events := make([]event.Event, size)
			for i := range events {
				events[i] = status(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := j.Append(events...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(j.Last())/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkLatency is from Append to a reader in another goroutine having it.
func BenchmarkLatency(b *testing.B) {
	j := benchmarkJournal(b, Options{})
	got := make(chan struct{})
	go func() {
		defer close(got)
		for r := j.Reader(0); ; {
			events, err := r.Next(b.Context())
			if err != nil {
				return
			}
			for range events {
				got <- struct{}{}
			}
		}
	}()
	e := status(1)
	for b.Loop() {
		if _, err := j.Append(e); err != nil {
			b.Fatal(err)
		}
		<-got
	}
	b.StopTimer()
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	<-got
}

// BenchmarkReadSegments reports events/s of a reader that starts at the
// beginning of a sealed journal.
func BenchmarkReadSegments(b *testing.B) {
	const last = 50_000
	j := benchmarkJournal(b, Options{Tail: 1})
	for i := range last {
		if _, err := j.Append(status(i)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		r := j.Reader(0)
		for read := 0; read < last; {
			events, err := r.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			read += len(events)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*last/b.Elapsed().Seconds(), "events/s")
}
