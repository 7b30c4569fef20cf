package ui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
)

// insideJournal was recorded from a lab of a control plane and two workers, cut down
// to what the view into a node draws from: pods with probes, volumes, an init
// container and a sidecar start; one is killed for its memory, one restarted for its
// liveness probe.
const insideJournal = "testdata/inside.jsonl"

// Moments of the recording, in seconds from its start.
const (
	insideUp     = 30.0 // all pods have run for some seconds
	insideBroken = 70.0 // the one is killed, the other restarted
)

// openInside starts the app on the Lab screen at a moment of the recording, with a
// worker opened.
func openInside(t *testing.T, w, h int, moment float64) *driver {
	t.Helper()
	events := eventsUntil(t, insideJournal, moment)
	out := &recorder{}
	d := &driver{t: t, m: newApp(Config{}, out), out: out}
	d.m.Init()
	return d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events}).press("1", "right", "right", "enter")
}

func TestInsideFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name   string
			moment float64
			keys   []string
		}{
			{"up", insideUp, nil},
			{"broken", insideBroken, []string{"tab"}},
			{"broken-events", insideBroken, []string{"tab", "tab", "tab", "down", "down"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openInside(t, size[0], size[1], shot.moment).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/inside-%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

// TestInsideIsEnteredAndLeft walks in, to a control plane, and out.
func TestInsideIsEnteredAndLeft(t *testing.T) {
	d := openInside(t, 120, 40, insideBroken)
	for _, want := range []string{"w2 inside", "OOMKilled", "exited 137", "sync loop create", "liveness"} {
		if !strings.Contains(d.frame(), want) {
			t.Errorf("inside w2 there is no %q", want)
		}
	}
	if frame := d.press("left", "left").frame(); !strings.Contains(frame, "c1 inside") || !strings.Contains(frame, "runs no kubelet") {
		t.Errorf("inside a control plane:\n%s", frame)
	}
	if frame := d.press("esc").frame(); strings.Contains(frame, "c1 inside") || !strings.Contains(frame, "1 Lab") {
		t.Errorf("after esc:\n%s", frame)
	}
}
