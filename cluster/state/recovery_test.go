package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workbench/cluster/event"
)

// recorded is the journal of a real lab of three control planes and two workers:
// a worker, the Raft leader's node and the other worker are killed, in between
// the leader is cut off from the other control planes; all are healed.
func recorded(t *testing.T) []event.Event {
	t.Helper()
	raw, err := os.ReadFile("../../ui/testdata/recovery.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var events []event.Event
	for line := range strings.Lines(string(raw)) {
		var e event.Event
		if err := e.UnmarshalJSON([]byte(line)); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// golden compares with a file of testdata; -rewrite writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not as it was; go test ./cluster/state -rewrite writes:\n%s", path, got)
	}
}

func TestReportsOfRealFaults(t *testing.T) {
	w := New()
	pending := map[string]bool{}
	for _, e := range recorded(t) {
		w.Apply(e)
		for _, r := range w.Recovery.List {
			for _, h := range r.Hops {
				if h.Pending() && h.Waits != "" && !r.Closed {
					pending[r.ID+" "+h.Name] = true
				}
			}
			if last := len(r.Hops) - 1; r.Hops[0].At.After(r.Hops[last].At) && !r.Hops[last].At.IsZero() {
				t.Fatalf("%s: %s before it landed", r.ID, r.Hops[last].Name)
			}
		}
	}
	for _, r := range w.Recovery.List {
		var text, markdown, raw bytes.Buffer
		if err := errors.Join(r.WriteText(&text), r.WriteMarkdown(&markdown), r.WriteJSON(&raw)); err != nil {
			t.Fatal(err)
		}
		golden(t, "recovery/"+r.ID+".txt", text.Bytes())
		golden(t, "recovery/"+r.ID+".md", markdown.Bytes())
		golden(t, "recovery/"+r.ID+".json", raw.Bytes())
		if !r.Closed || r.Work != nil {
			t.Errorf("%s is followed after all is as before", r.ID)
		}
	}
	for _, hop := range []string{"f1 not-ready", "f1 evicted", "f1 ready", "f2 leader", "f3 leader", "f4 rules"} {
		if !pending[hop] {
			t.Errorf("%s was not awaited before it was seen", hop)
		}
	}
}
