package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"workbench/cluster/event"
	"workbench/cluster/journal"
	"workbench/cluster/state"
)

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

func fold(w *state.World, events []event.Event) *state.World {
	for _, e := range events {
		w.Apply(e)
	}
	return w
}

// write records events behind the first n, which make the world it begins with.
func write(t testing.TB, events []event.Event, n int, limit int64) []byte {
	t.Helper()
	var out bytes.Buffer
	base := fold(state.New(), events[:n])
	w, err := NewWriter(&out, Of("demo", "v1", base, time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)), base, limit)
	if err != nil {
		t.Fatal(err)
	}
	for rest := events[n:]; len(rest) > 0; {
		k := min(len(rest), 100)
		if err := w.Write(rest[:k]); err != nil {
			t.Fatal(err)
		}
		if rest = rest[k:]; len(rest)%700 < 100 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(t testing.TB, data []byte) *Recording {
	t.Helper()
	r, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readAll gives the events after one.
func readAll(t testing.TB, r *Recording, after uint64) []event.Event {
	t.Helper()
	var all []event.Event
	c := r.Open(after, r.Last())
	defer c.Close()
	for {
		events, err := c.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
}

func encode(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestRoundTrip(t *testing.T) {
	events := failover(t)
	for _, n := range []int{0, 1, 700} {
		r := open(t, write(t, events, n, 0))
		if r.Damage != nil || r.Why() != "" || r.Header.Lab != "demo" || r.Header.Builds["kubernetes"] != fold(state.New(), events[:n]).Topology.KubernetesVersion {
			t.Fatalf("%+v %v %q", r.Header, r.Damage, r.Why())
		}
		if r.First() != uint64(n+1) || r.Last() != uint64(len(events)) || r.Events() != uint64(len(events)-n) {
			t.Errorf("events %d to %d, %d", r.First(), r.Last(), r.Events())
		}
		if encode(t, r.Base()) != encode(t, fold(state.New(), events[:n])) {
			t.Error("the world it begins with is another one")
		}
		for _, after := range []uint64{r.First() - 1, r.First(), 801, r.Last() - 1, r.Last()} {
			if got, want := encode(t, readAll(t, r, after)), encode(t, append([]event.Event(nil), events[after:]...)); got != want && after < r.Last() {
				t.Errorf("after %d:\ngot  %.200s\nwant %.200s", after, got, want)
			}
		}
	}
}

// TestOtherToolsReadIt holds that any reader of Zstandard gets the events as lines.
func TestOtherToolsReadIt(t *testing.T) {
	events := failover(t)
	dec, err := zstd.NewReader(bytes.NewReader(write(t, events, 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	n := 0
	for e, err := range journal.Decode(dec) {
		if n++; err != nil || e.Seq != uint64(n) {
			t.Fatalf("line %d: %d, %v", n, e.Seq, err)
		}
	}
	if n != len(events) {
		t.Errorf("%d of %d events", n, len(events))
	}
}

// TestTruncatedAtEveryByte holds that a file that was cut off anywhere is read up
// to there, and that what is said of it is true.
func TestTruncatedAtEveryByte(t *testing.T) {
	var small []event.Event
	for i := range 60 {
		small = append(small, event.Event{Seq: uint64(i + 1), Time: time.Unix(int64(i), 0).UTC(), Body: event.NodeState{Node: "w1", PID: i}})
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{Lab: "demo"}, state.New(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := errors.Join(w.Write(small[10*i:10*i+10]), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := out.Bytes()
	most := 0
	for n := range whole {
		r, err := Open(bytes.NewReader(whole[:n]), int64(n))
		if err != nil {
			if most > 0 || !strings.Contains(err.Error(), "damaged") {
				t.Fatalf("cut at %d: %v", n, err)
			}
			continue
		}
		got := readAll(t, r, 0)
		if len(got) < most || len(got)%10 != 0 || len(got) > 0 && encode(t, got) != encode(t, small[:len(got)]) {
			t.Fatalf("cut at %d: %d events", n, len(got))
		}
		most = len(got)
		if r.Damage == nil || r.Damage.Events != uint64(len(got)) || r.Damage.At > int64(n) {
			t.Fatalf("cut at %d: %+v", n, r.Damage)
		}
		if text := r.Damage.Error(); len(got) > 0 && !strings.Contains(text, fmt.Sprintf("the %d events before it, up to number %d, are read", len(got), got[len(got)-1].Seq)) {
			t.Fatalf("cut at %d: %s", n, text)
		}
	}
	if most != 60 || open(t, whole).Damage != nil {
		t.Errorf("%d events before the end mark", most)
	}
}

// TestDamageAtEveryByte flips each byte: what is read is a beginning of what was
// written, and the damage is told.
func TestDamageAtEveryByte(t *testing.T) {
	events := failover(t)[:40]
	whole := write(t, events, 0, 0)
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x41
		r, err := Open(bytes.NewReader(broken), int64(len(broken)))
		if err != nil {
			continue
		}
		if r.Damage == nil {
			t.Fatalf("the damage at %d is not told", i)
		}
		if got := readAll(t, r, 0); len(got) > 0 && encode(t, got) != encode(t, events[:len(got)]) {
			t.Fatalf("damaged at %d: other events are read", i)
		}
	}
}

func TestSizeIsBounded(t *testing.T) {
	events := failover(t)
	var out bytes.Buffer
	const limit = 20_000
	w, err := NewWriter(&out, Header{Lab: "demo"}, state.New(), limit)
	if err != nil {
		t.Fatal(err)
	}
	for len(events) > 0 && err == nil {
		if err = w.Write(events[:10]); err == nil {
			err = w.Flush()
		}
		events = events[10:]
	}
	if !errors.Is(err, ErrFull) || out.Len() > limit {
		t.Fatalf("%d bytes, %v", out.Len(), err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	r := open(t, out.Bytes())
	if r.Damage != nil || !strings.Contains(r.Why(), "limit of 20000 bytes") || r.Events() < 100 {
		t.Errorf("%d events, ended since %q, %v", r.Events(), r.Why(), r.Damage)
	}
	if _, err := NewWriter(io.Discard, Header{}, fold(state.New(), failover(t)), 100); err == nil || !strings.Contains(err.Error(), "limit is 100") {
		t.Errorf("a bound that the state alone exceeds: %v", err)
	}
}

func TestNewerVersionsAreRefused(t *testing.T) {
	header := encode(t, Header{Format: format, Version: Version + 1, Lab: "demo", Builds: map[string]string{"workbench": "v9"}})
	data := append(chunk(chunkHeader, []byte(header)), "whatever comes"...)
	_, err := Open(bytes.NewReader(data), int64(len(data)))
	if newer := (*VersionError)(nil); !errors.As(err, &newer) || !strings.Contains(err.Error(), "made by workbench v9; this build reads up to version 1: use a newer workbench") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoRecordingIsRefused(t *testing.T) {
	for _, data := range []string{"", "x", "#!/bin/sh\nexit 1\n", strings.Repeat("\x00", 100), "{}\n", string(chunk(chunkEnd, []byte("{}")))} {
		if _, err := Open(strings.NewReader(data), int64(len(data))); err == nil || !strings.Contains(err.Error(), "no recording") {
			t.Errorf("%.20q: %v", data, err)
		}
	}
}

// TestLinesAreARecording reads what `workbench events -o json` prints.
func TestLinesAreARecording(t *testing.T) {
	events := failover(t)
	var lines bytes.Buffer
	for _, e := range events[100:] {
		lines.WriteString(encode(t, e) + "\n")
	}
	r := open(t, lines.Bytes())
	if r.First() != 101 || r.Last() != uint64(len(events)) || r.Damage != nil || encode(t, readAll(t, r, 200)) != encode(t, events[200:]) {
		t.Errorf("events %d to %d, %v", r.First(), r.Last(), r.Damage)
	}
	cut := open(t, lines.Bytes()[:lines.Len()-5])
	if cut.Damage == nil || cut.Last() != uint64(len(events)-1) {
		t.Errorf("cut off: up to %d, %v", cut.Last(), cut.Damage)
	}
}

// TestEventsMustBeInOrder is what a reader relies on.
func TestEventsMustBeInOrder(t *testing.T) {
	w, err := NewWriter(io.Discard, Header{}, state.New(), 0)
	if err != nil {
		t.Fatal(err)
	}
	body := event.NodeState{Node: "w1"}
	if err := w.Write([]event.Event{{Seq: 1, Body: body}, {Seq: 3, Body: body}, {Seq: 3, Body: body}}); err == nil || !strings.Contains(err.Error(), "event 3 comes after event 3") {
		t.Errorf("got %v", err)
	}
}

// TestNothingOfTheEnvironmentGetsIn plants a canary where a careless writer would
// find one.
func TestNothingOfTheEnvironmentGetsIn(t *testing.T) {
	const canary = "canary-3f2a"
	t.Setenv("WORKBENCH_CANARY", canary)
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	data := write(t, failover(t), 0, 0)
	r := open(t, data)
	raw := string(data) + encode(t, r.Header) + encode(t, r.Base()) + encode(t, readAll(t, r, 0))
	host, _ := os.Hostname()
	home, _ := os.UserHomeDir()
	for _, secret := range []string{canary, home + "/", "PRIVATE KEY", host} {
		if len(secret) > 4 && strings.Contains(raw, secret) {
			t.Errorf("%q is in the recording", secret)
		}
	}
}

func FuzzOpen(f *testing.F) {
	events := failover(f)[:30]
	whole := write(f, events, 0, 0)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"seq":1,"time":"2026-01-02T15:04:05Z","type":"probe","data":{}}`))
	header := chunk(chunkHeader, []byte(`{"format":"workbench recording","version":1}`))
	f.Add(append(header, chunk(chunkWorld, []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0})...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		c, last, n := r.Open(0, r.Last()), r.First()-1, uint64(0)
		for {
			events, err := c.Next(t.Context())
			if err != nil {
				break
			}
			if len(events) == 0 {
				t.Fatal("no events and no error")
			}
			for _, e := range events {
				if e.Seq <= last {
					t.Fatalf("event %d comes after event %d", e.Seq, last)
				}
				last, n = e.Seq, n+1
			}
		}
		if n > r.Events() {
			t.Fatalf("%d events, %d were told of", n, r.Events())
		}
	})
}
