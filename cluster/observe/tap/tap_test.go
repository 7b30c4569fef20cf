package tap_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/observe/tap"
)

func TestPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := tap.New(w)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for i := range 100 {
		p.Emit(at, event.RaftRole{Node: "c1", Term: uint64(i)})
	}
	lines := bufio.NewScanner(r)
	for i := range 100 {
		if !lines.Scan() {
			t.Fatalf("the pipe ends after %d events: %v", i, lines.Err())
		}
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if body, ok := e.Body.(event.RaftRole); !ok || body.Term != uint64(i) || !e.Time.Equal(at) {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
}

// TestPipeWithoutAReader holds that a component never waits for its observer.
func TestPipeWithoutAReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := tap.New(w)
	const more = 100_000
	for range more { // more than the pipe and the queue hold
		p.Emit(time.Time{}, event.RaftLog{Node: "c1", Text: "a line"})
	}
	if lost := p.Lost(); lost == 0 || lost >= more {
		t.Errorf("%d of %d events are lost", lost, more)
	}
}
