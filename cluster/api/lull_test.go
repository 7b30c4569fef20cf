package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"workbench/cluster/event"
)

// sourceOf is a reader that gives events at their times.
type sourceOf struct{ events chan event.Event }

func (s sourceOf) Next(ctx context.Context) ([]event.Event, error) {
	select {
	case e := <-s.events:
		return []event.Event{e}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
func (s sourceOf) Close() error { return nil }

// TestLull holds that samples wait, changes do not, and order is kept.
func TestLull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan event.Event)
		node := event.KubeNode{Meta: event.Meta{Name: "w1"}, Ready: "True"}
		go func() {
			seq := uint64(0)
			emit := func(b event.Body) { seq++; events <- event.Event{Seq: seq, Body: b} }
			emit(node) // the first of a node is news
			for range 30 {
				time.Sleep(100 * time.Millisecond)
				node.ResourceVersion += "1"
				emit(event.Probe{OK: true})
				emit(node)
			}
			time.Sleep(50 * time.Millisecond)
			emit(event.Probe{OK: true})
			time.Sleep(50 * time.Millisecond)
			emit(event.NodeState{Node: "w1"})
			node.Ready = "Unknown"
			time.Sleep(50 * time.Millisecond)
			emit(node)
		}()
		l := &lull{reader: sourceOf{events}, length: time.Second, nodes: map[string]string{}}
		began := time.Now()
		var sizes []int
		var at []time.Duration
		for last := uint64(0); last < 64; {
			batch, err := l.next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range batch {
				if last++; e.Seq != last {
					t.Fatalf("event %d came in place of %d", e.Seq, last)
				}
			}
			sizes, at = append(sizes, len(batch)), append(at, time.Since(began))
		}
		if len(sizes) < 5 || len(sizes) > 7 || sizes[0] != 1 || at[0] != 0 || at[len(at)-2] != 3100*time.Millisecond || at[len(at)-1] != 3150*time.Millisecond {
			t.Errorf("batches of %v at %v", sizes, at)
		}
	})
}
