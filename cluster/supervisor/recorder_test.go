package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/journal"
	"workbench/cluster/state"
)

func newTestRecorder(t *testing.T) (*recorder, *journal.Journal, *bytes.Buffer) {
	t.Helper()
	j, err := journal.Open(t.TempDir(), journal.Options{MaxBytes: journalBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	var log bytes.Buffer
	h, err := history.Open(history.Config{Log: history.OfJournal(j)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return newRecorder(j, h, slog.New(slog.NewTextHandler(&log, nil))), j, &log
}

// TestRecorderKeepsOneOrder holds that the world is the fold of the journal,
// however many sources emit.
func TestRecorderKeepsOneOrder(t *testing.T) {
	r, j, _ := newTestRecorder(t)
	r.Emit(event.LabTopology{Name: "lab", Nodes: []event.TopologyNode{{Name: "c1", Role: event.ControlPlane, Components: []string{"etcd"}}}})
	const sources, each = 8, 50
	var all sync.WaitGroup
	for source := range sources {
		all.Go(func() {
			for i := range each {
				r.Emit(event.NodeState{Node: "c1", State: event.NodeRunning, PID: source*1000 + i + 1})
			}
		})
	}
	all.Wait()
	if got := j.Last(); got != sources*each+1 {
		t.Fatalf("the journal has %d events, want %d", got, sources*each+1)
	}
	folded := state.New()
	reader := j.Reader(0)
	defer reader.Close()
	for folded.Seq < j.Last() {
		events, err := reader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Seq != folded.Seq+1 {
				t.Fatalf("event %d comes after %d", e.Seq, folded.Seq)
			}
			folded.Apply(e)
		}
	}
	want, err := json.Marshal(folded)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the world is not the fold of the journal:\n%s\n%s", got, want)
	}
}

func TestRecorderAwait(t *testing.T) {
	r, _, _ := newTestRecorder(t)
	r.Emit(event.LabTopology{Name: "lab"})
	running := func(w *state.World) (bool, error) { return w.Phase == event.Running, nil }

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := r.Await(ctx, running); !errors.Is(err, why) {
		t.Errorf("a cancelled wait ends with %v, want its cause", err)
	}

	broken := errors.New("broken")
	if err := r.Await(t.Context(), func(*state.World) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("a condition that fails ends the wait with %v", err)
	}

	asked, waited := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		waited <- r.Await(t.Context(), func(w *state.World) (bool, error) {
			asked <- struct{}{}
			return running(w)
		})
	}()
	<-asked // it waits now, or will see what comes
	r.Emit(event.LabPhase{Phase: event.Booting})
	<-asked
	r.Emit(event.LabPhase{Phase: event.Running})
	if err := <-waited; err != nil {
		t.Errorf("the wait ends with %v", err)
	}
	if err := r.Await(ctx, running); err != nil {
		t.Errorf("a condition that holds already needs no waiting: %v", err)
	}
}

// TestRecorderOutlivesItsJournal holds that a disk that takes no more stops
// neither the lab nor what is shown.
func TestRecorderOutlivesItsJournal(t *testing.T) {
	r, j, log := newTestRecorder(t)
	r.Emit(event.LabTopology{Name: "lab"})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r.Emit(event.LabPhase{Phase: event.Running})
	r.See(func(w *state.World) {
		if w.Phase != event.Running {
			t.Errorf("the world is %s", w.Phase)
		}
	})
	if !strings.Contains(log.String(), "append to journal") {
		t.Errorf("the log says %q", log)
	}
}

func TestRecorderContinuesAJournal(t *testing.T) {
	dir := t.TempDir()
	for run := range 2 {
		j, err := journal.Open(dir, journal.Options{MaxBytes: journalBytes})
		if err != nil {
			t.Fatal(err)
		}
		h, err := history.Open(history.Config{Log: history.OfJournal(j)})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		r := newRecorder(j, h, slog.New(slog.DiscardHandler))
		r.Emit(event.LabTopology{Name: "lab"})
		r.See(func(w *state.World) {
			if want := uint64(run + 1); w.Seq != want {
				t.Errorf("run %d: the world is at %d, want %d", run, w.Seq, want)
			}
		})
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
