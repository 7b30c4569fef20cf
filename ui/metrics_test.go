package ui

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
)

// measured is the journal of the first half minute of a real lab of one control
// plane and two workers, with what its nodes, pods and components used and what the
// components said of themselves.
const measured = "testdata/metrics.jsonl"

func openMeasured(t *testing.T, w, h int, screen string) *driver {
	t.Helper()
	events, err := readEvents(measured)
	if err != nil {
		t.Fatal(err)
	}
	out := &recorder{}
	d := &driver{t: t, m: newApp(Config{Screen: screen}, out), out: out}
	d.m.Init()
	d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events})
	return d
}

func TestMetricsFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name, screen string
			keys         []string
		}{
			{"etcd", "components", nil},
			{"apiserver", "components", []string{"down"}},
			{"apiserver-detail", "components", []string{"down", "enter"}},
			{"controllers", "components", []string{"down", "down", "enter"}},
			{"scheduler", "components", []string{"down", "down", "down", "enter"}},
			{"silent", "components", []string{"down", "down", "down", "down", "enter"}},
			{"kubelet", "components", []string{"down", "down", "down", "down", "down", "down", "enter"}},
			{"proxy", "components", []string{"G", "enter"}},
			{"pods", "workloads", []string{"o", "o", "o", "o", "o", "o", "o"}},
			{"lab", "lab", []string{"down"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openMeasured(t, size[0], size[1], shot.screen).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/metrics-%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}
