package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
	"workbench/test/harness"
	"workbench/ui/plain"
)

// canary is what a Secret holds that must not get into a recording.
const canary = "canary-9c1e77d0"

// testRecords records the loss of a worker, replays it without the lab's
// supervisor, and holds what it tells to the journal.
func testRecords(t *testing.T, lab *harness.Lab) {
	lab.Apply("apiVersion: v1\nkind: Secret\nmetadata: {name: canary}\nstringData: {token: " + canary + "}\n")
	before := lab.World()
	victim := workers(before)[0]
	file := filepath.Join(t.TempDir(), "loss.wbr")
	recorder := lab.Begin("record", "-o", file)
	lab.AwaitOutput(recorder, "recording lab")
	lab.Must("node", "kill", victim, "--yes")
	lab.Await(victim+" to be NotReady", func(w *state.World) bool { return w.Kube.Nodes[victim].Ready == "Unknown" })
	lab.Must("node", "start", victim)
	lab.Await(victim+" to be Ready", func(w *state.World) bool { return ready(w, victim) })
	recorder.Signal(syscall.SIGINT)
	if out, code := lab.AwaitExit(recorder); code != 0 || !strings.Contains(out, "show them with: workbench replay") {
		t.Fatalf("record ended with %d:\n%s", code, out)
	}
	lab.Refused([]string{"record", "-o", file}, "exists")

	alone := harness.Idle(t, harness.Opts{}) // no lab, another state directory
	var recorded []event.Event
	for line := range strings.Lines(alone.Must("replay", file, "-o", "json")) {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		recorded = append(recorded, e)
	}
	if len(recorded) < 50 {
		t.Fatalf("only %d events were recorded", len(recorded))
	}
	first, last := recorded[0].Seq, recorded[len(recorded)-1].Seq
	journal := lab.Events(first - 1)[:last-first+1]
	if a, b := encoded(t, recorded), encoded(t, journal); a != b {
		t.Errorf("the recording of events %d to %d is not what the journal has", first, last)
	}
	checkLines(t, lab, alone.Must("replay", file, "--plain"), first, journal)
	checkDamage(t, alone, file)
	checkSecrets(t, file)
}

func encoded(t *testing.T, events []event.Event) string {
	t.Helper()
	raw, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// checkLines holds the lines of a replay to those of the journal's events.
func checkLines(t *testing.T, lab *harness.Lab, got string, first uint64, journal []event.Event) {
	t.Helper()
	base := lab.At(history.Instant{Seq: first - 1})
	var want bytes.Buffer
	if err := plain.NewWriter(&want, base).Write(journal); err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(got, "\n") // the first one tells the lab
	if lines != want.String() || !strings.Contains(lines, "node killed") {
		t.Errorf("replay --plain printed\n%s\nthe journal tells\n%s", lines, &want)
	}
}

// checkDamage cuts the file off among its events, which come after a world that
// is most of a short recording.
func checkDamage(t *testing.T, alone *harness.Lab, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut := file + ".cut"
	if err := os.WriteFile(cut, raw[:len(raw)*19/20], 0o600); err != nil {
		t.Fatal(err)
	}
	r := alone.Run("replay", cut, "--plain")
	if r.Code == 0 || !strings.Contains(r.Stderr, "is damaged at byte") || strings.Count(r.Stdout, "\n") < 2 {
		t.Errorf("replay of a file cut off: %d %s\n%s", r.Code, r.Stderr, r.Stdout)
	}
}

// checkSecrets looks for the canary in all that the file expands to.
func checkSecrets(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
	all := bytes.Clone(raw)
	for i := bytes.Index(raw, magic); i >= 0; {
		frame, _ := dec.DecodeAll(raw[i:], nil) // what follows it is none of it
		all = append(all, frame...)
		next := bytes.Index(raw[i+4:], magic)
		if next < 0 {
			break
		}
		i += 4 + next
	}
	for _, secret := range []string{canary, "Y2FuYXJ5LTljMWU3N2Qw", "PRIVATE KEY", "client-key-data"} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("%s is in the recording", secret)
		}
	}
}

// testRewinds holds the world at random instants to the fold of the journal.
func testRewinds(t *testing.T, lab *harness.Lab) {
	events := lab.Events(0)
	var asked, rewound []time.Duration
	w := state.New()
	for i, e := range events {
		w.Apply(e)
		if i%(1+len(events)/12) != 5 {
			continue
		}
		began := time.Now()
		got := lab.At(history.Instant{Seq: e.Seq})
		asked = append(asked, time.Since(began))
		began = time.Now()
		as := lab.Rewind(history.Instant{Seq: e.Seq})
		rewound = append(rewound, time.Since(began))
		want, _ := json.Marshal(w)
		for how, past := range map[string]*state.World{"asked for": got, "rewound to": as} {
			if have, _ := json.Marshal(past); !bytes.Equal(have, want) {
				t.Errorf("the world at event %d, %s, is not the fold of the journal up to it", e.Seq, how)
			}
		}
	}
	slices.Sort(asked)
	slices.Sort(rewound)
	t.Logf("%d events; rewinding as the app does took %v, at most %v; worlds as JSON took %v, at most %v",
		len(events), rewound[len(rewound)/2], rewound[len(rewound)-1], asked[len(asked)/2], asked[len(asked)-1])
	if n := len(w.Timeline.Lanes); n < 10 {
		t.Errorf("the timeline has only %d lanes", n)
	}
	for _, want := range []string{state.LaneYou, "raft/" + w.Raft.Leader(), state.LanePods} {
		if w.Timeline.Lanes[want] == nil {
			t.Errorf("the timeline has no lane %s: %v", want, fmt.Sprint(len(w.Timeline.Lanes)))
		}
	}
}
