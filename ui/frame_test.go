package ui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"workbench/cluster/event"
)

// TestFrames compares every screen with its golden, at three sizes and at the
// moments that matter for it.
func TestFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name   string
			moment float64
			keys   []string
		}{
			{"boot", booting, nil},
			{"lab", running, nil},
			{"lab-no-leader", noLeader, nil},
			{"lab-silent", silent, []string{"right", "down"}},
			{"lab-evicting", evicting, []string{"right", "down", "tab"}},
			{"lab-moved", moved, []string{"G"}},
			{"raft-no-leader", noLeader, []string{"2"}},
			{"raft-new-leader", newLeader, []string{"2", "down"}},
			{"workloads", moved, []string{"6"}},
			{"services", running, []string{"6", "tab", "tab"}},
			{"events", running, []string{"6", "left"}},
			{"components", noLeader, []string{"7", "o"}},
			{"timeline", moved, []string{"8"}},
			{"timeline-past", moved, []string{"8", "[", "<", "<", "<", "'", "<", "<", "G"}},
			{"help", running, []string{"?"}},
			{"palette", running, []string{":", "k", "i"}},
			{"confirm", running, []string{"K"}},
			{"quit", running, []string{"q"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := open(t, size[0], size[1], shot.moment).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

// TestColoredFrames keeps one frame of every theme with its colours.
func TestColoredFrames(t *testing.T) {
	for _, theme := range []string{"dark", "light", "contrast", "mono"} {
		d := openConfig(t, Config{Theme: theme}, 80, 24, silent).press("right")
		golden(t, "testdata/frames/colored-"+theme+".ansi", []byte(d.m.View().Content))
	}
}

func TestNoColorUsesNoColor(t *testing.T) {
	d := openConfig(t, Config{NoColor: true}, 120, 40, silent)
	for _, keys := range []string{"1", "2", "6", "7", "?"} {
		if content := d.press(keys).m.View().Content; strings.Contains(content, "38;") || strings.Contains(content, "48;") {
			t.Errorf("screen %s has a colour", keys)
		}
	}
}

func TestASCII(t *testing.T) {
	d := openConfig(t, Config{ASCII: true}, 120, 40, silent)
	for _, key := range []string{"1", "2", "6", "7", "K"} {
		for _, r := range d.press(key).frame() {
			if r > 126 {
				t.Errorf("screen %s has %q", key, r)
				break
			}
		}
	}
}

// Replaying a journal gives the same bytes, however it was cut into batches.
func TestReplayIsIdentical(t *testing.T) {
	whole := open(t, 160, 45, moved)
	parts := open(t, 160, 45, booting)
	for _, at := range []float64{noLeader, newLeader, silent, evicting, moved} {
		parts.until(at)
	}
	for _, key := range []string{"1", "2", "6", "7"} {
		if a, b := whole.press(key).m.View().Content, parts.press(key).m.View().Content; a != b {
			t.Errorf("screen %s differs: %s", key, firstDifference(a, b))
		}
	}
}

func checkFits(t *testing.T, d *driver, w, h int) {
	t.Helper()
	content := d.m.View().Content
	lines := strings.Split(content, "\n")
	if len(lines) > max(h, 1) {
		t.Fatalf("%dx%d: %d lines", w, h, len(lines))
	}
	for y, line := range lines {
		if got := ansi.StringWidth(line); got > w {
			t.Fatalf("%dx%d: line %d is %d wide: %q", w, h, y, got, ansi.Strip(line))
		}
	}
}

func TestOddSizes(t *testing.T) {
	d := open(t, 80, 24, moved)
	big := open(t, 80, 24, 0).send(eventsMsg{[]event.Event{bigLab(32)}})
	for _, size := range [][2]int{{0, 0}, {1, 1}, {2, 1}, {1, 50}, {300, 1}, {3, 3}, {10, 4}, {20, 5}, {25, 10}, {40, 12}, {60, 20}, {79, 23},
		{80, 24}, {99, 29}, {100, 30}, {159, 44}, {160, 45}, {300, 100}} {
		for _, d := range []*driver{d, big} {
			d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			for _, keys := range [][]string{{"1"}, {"tab"}, {"2"}, {"6"}, {"7"}, {"?"}, {"esc", ":"}, {"esc", "q"}, {"esc", "1", "K"}, {"esc"}} {
				d.press(keys...)
				checkFits(t, d, size[0], size[1])
			}
		}
	}
}

func FuzzSizes(f *testing.F) {
	f.Add(80, 24, uint8(0), 40.0)
	f.Add(1, 1, uint8(1), 46.0)
	f.Add(300, 100, uint8(5), 3.0)
	f.Fuzz(func(t *testing.T, w, h int, key uint8, moment float64) {
		if w < 0 || h < 0 || w > 300 || h > 100 || moment < 0 {
			t.Skip()
		}
		keys := []string{"1", "2", "6", "7", "?", ":", "q", "K", "tab"}
		d := open(t, w, h, min(moment, storyLength)).press(keys[int(key)%len(keys)])
		checkFits(t, d, w, h)
	})
}

// bigLab is the topology of a lab of three control planes and many workers.
func bigLab(workers int) event.Event {
	top := event.LabTopology{Name: "big", KubernetesVersion: "v1.37.2"}
	for i := range 3 {
		top.Nodes = append(top.Nodes, event.TopologyNode{Name: fmt.Sprintf("c%d", i+1), Role: event.ControlPlane, IP: "10.40.0.1", Components: controlComponents()})
	}
	for i := range workers {
		top.Nodes = append(top.Nodes, event.TopologyNode{Name: fmt.Sprintf("w%d", i+1), Role: event.Worker, IP: "10.40.0.2", Components: workerComponents()})
	}
	return event.Event{Seq: 1, Time: (&story{}).time(0), Body: top}
}

func TestManyNodes(t *testing.T) {
	d := open(t, 120, 40, 0).send(eventsMsg{[]event.Event{bigLab(32)}}).press("1")
	d.sees(" c1 ", " w32 ")
	d.send(tea.WindowSizeMsg{Width: 80, Height: 24}).sees("NODE", "c1").seesNot("w32").press("G").sees("▸w32")
}

func BenchmarkFrame(b *testing.B) {
	m := newApp(Config{}, &recorder{})
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
	m.Update(eventsMsg{readJournal(b, moved)})
	for b.Loop() {
		_ = m.View().Content
	}
}
