package history

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// TestCodecKeepsWorlds holds that a world comes back as it was, to the byte of
// its JSON: at many instants of a journal, and with what is none, empty, or in a
// time zone of its own.
func TestCodecKeepsWorlds(t *testing.T) {
	c := newCodec()
	check := func(w *state.World) {
		t.Helper()
		got, err := c.decode(c.encode(w))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := encode(t, got), encode(t, w); !bytes.Equal(a, b) {
			t.Fatalf("event %d:\ngot  %s\nwant %s", w.Seq, a, b)
		}
	}
	w := state.New()
	check(w)
	for i, e := range failover(t) {
		if w.Apply(e); i%97 == 0 {
			check(w)
		}
	}
	zone := time.FixedZone("", 3600)
	w.Actions = append(w.Actions, state.Action{At: time.Date(2026, 1, 2, 3, 4, 5, 6, zone)})
	w.Steps = []state.Step{}
	w.Kube.Pods["a/b"] = &event.KubePod{}
	w.Probes["none"] = nil
	check(w)
}

// TestSpoiltWorldsAreRefused cuts and spoils the form at many places: that is an
// error or another world, never a panic.
func TestSpoiltWorldsAreRefused(t *testing.T) {
	c, w := newCodec(), state.New()
	for _, e := range failover(t)[:400] {
		w.Apply(e)
	}
	whole := c.encode(w)
	for at := 0; at < len(whole); at += 1 + len(whole)/300 {
		if _, err := c.decode(whole[:at]); err == nil {
			t.Errorf("cut at %d of %d bytes it is read", at, len(whole))
		}
		spoilt := bytes.Clone(whole)
		spoilt[at] ^= 0xff
		if got, err := c.decode(spoilt); err == nil {
			_, _ = json.Marshal(got) // a time may be none that JSON can write
		}
	}
}
