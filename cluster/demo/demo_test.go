package demo

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts show into their files")

// start is the time of +0 in the transcripts.
var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// A transcript is acts and events, a line each, then ---- and the report of them:
//
//	# comment
//	+0s act {"Kind":"worker-killed","Node":"w1"}
//	+1.5s node.state {"node":"w1","state":"killed"}
//	----
//	the report as text; -rewrite replaces it
func play(text string) (Report, error) {
	var acts []Act
	var events []event.Event
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, " ", 3)
		if len(parts) != 3 {
			return Report{}, fmt.Errorf("%q: want +TIME TYPE DATA", line)
		}
		after, err := time.ParseDuration(parts[0])
		if err != nil {
			return Report{}, fmt.Errorf("%q: %w", line, err)
		}
		at := start.Add(after)
		if parts[1] == "act" {
			var a Act
			if err := json.Unmarshal([]byte(parts[2]), &a); err != nil {
				return Report{}, fmt.Errorf("%q: %w", line, err)
			}
			a.Began = at
			acts = append(acts, a)
			continue
		}
		var e event.Event
		wire := fmt.Sprintf(`{"time":%q,"type":%q,"data":%s}`, at.Format(time.RFC3339Nano), parts[1], parts[2])
		if err := json.Unmarshal([]byte(wire), &e); err != nil {
			return Report{}, fmt.Errorf("%q: %w", line, err)
		}
		if _, unknown := e.Body.(event.Unknown); unknown {
			return Report{}, fmt.Errorf("%q: no such type", line)
		}
		events = append(events, e)
	}
	rec := newRecording(state.New())
	rec.events = events
	r := Report{Lab: "demo", ControlPlanes: 3, Workers: 3, Acts: scenes(acts, rec.ordered()), Recovered: true}
	for _, s := range r.Acts {
		for _, h := range s.Hops {
			if !h.Observed() {
				r.Recovered, r.Problem = false, "not observed: "+h.Name
			}
		}
	}
	return r, nil
}

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(raw), "----\n")
			r, err := play(input)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			if err := r.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(input+"----\n"+got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("the report is\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

// TestForms renders a transcript in the other forms: no hop may be lost.
func TestForms(t *testing.T) {
	raw, err := os.ReadFile("testdata/worker.txt")
	if err != nil {
		t.Fatal(err)
	}
	input, _, _ := strings.Cut(string(raw), "----\n")
	r, err := play(input)
	if err != nil {
		t.Fatal(err)
	}
	var markdown, plain strings.Builder
	if err := r.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&plain); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal([]byte(plain.String()), &back); err != nil {
		t.Fatal(err)
	}
	hops := 0
	for _, s := range r.Acts {
		for _, h := range s.Hops {
			hops++
			if !strings.Contains(markdown.String(), "| "+h.Name) {
				t.Errorf("Markdown lacks %q", h.Name)
			}
			if got, ok := back.Find(s.Kind, h.Name); !ok || got.Observed() != h.Observed() {
				t.Errorf("JSON has %q as %+v", h.Name, got)
			}
		}
	}
	if hops < 10 {
		t.Errorf("the transcript has %d hops", hops)
	}
}

// TestAwait ends with the reason of the context, or with the condition, which is
// asked again after each kind of event.
func TestAwait(t *testing.T) {
	rec := newRecording(state.New())
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, context.DeadlineExceeded)
	defer cancel()
	awaited := make(chan error, 1)
	go func() {
		awaited <- rec.await(ctx, func(_ *state.World, events []event.Event) bool {
			return len(events) == 2 && events[0].Time.Equal(start)
		})
	}()
	rec.client(event.Event{Time: start.Add(time.Second), Body: event.Probe{Target: Service, OK: true}})
	rec.journal([]event.Event{
		{Seq: 1, Time: start, Body: event.NodeState{Node: "w1", State: event.NodeKilled}},
		{Seq: 2, Time: start, Body: event.Probe{Target: "api-read"}}, // the supervisor's own, not a client's
	})
	if err := <-awaited; err != nil {
		t.Error(err)
	}
	cancelled, stop := context.WithCancelCause(t.Context())
	stop(errTourOver)
	if err := rec.await(cancelled, func(*state.World, []event.Event) bool { return false }); err != errTourOver {
		t.Errorf("ended with %v", err)
	}
}

func TestConfigIsRefused(t *testing.T) {
	for name, cfg := range map[string]Config{"no client": {}, "negative replicas": {Replicas: -1}} {
		if _, err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}
