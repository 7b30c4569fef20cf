package ui

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
)

// tracedJournal was recorded from a real lab of one control plane and two workers,
// cut down to what a trace and lookups are drawn from: kubectl create deployment is
// traced until its two pods are Ready, then a pod looks names up.
const tracedJournal = "testdata/trace.jsonl"

func TestTraceFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name string
			keys []string
		}{
			{"waterfall", []string{"8", "w"}},
			{"waterfall-all", []string{"8", "w", "enter", "G"}},
			{"waterfall-left", []string{"8", "w", "esc"}},
			{"lookups", []string{"3", "/", "kind:dns", "enter", "tab"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				events, err := readEvents(tracedJournal)
				if err != nil {
					t.Fatal(err)
				}
				out := &recorder{}
				d := &driver{t: t, m: newApp(Config{}, out), out: out}
				d.m.Init()
				d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]}, worldMsg{state.New()}, eventsMsg{events}).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/trace-%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}
