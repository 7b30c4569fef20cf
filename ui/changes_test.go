package ui

import (
	"fmt"
	"strings"
	"testing"
	"workbench/ui/screen"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
)

// changesJournal was recorded from a lab of three control planes and three
// workers, cut down to what the Watch and Timeline screens draw from: a
// deployment is scaled while a worker's kube-proxy is frozen, a worker is killed
// and started again, then etcd's leader is killed.
const changesJournal = "testdata/changes.jsonl"

// Moments of the recording, in seconds from its start.
const (
	scaledUp    = 24.0  // a user's scale is carried out
	proxyFrozen = 31.0  // EndpointSlices changed, which one kube-proxy cannot read
	workerLost  = 86.0  // its lease is silent: NotReady, tainted, pods not ready
	allSeen     = 137.0 // the leader is back
)

// openChanges starts the app on a screen at a moment of the recording.
func openChanges(t *testing.T, w, h int, moment float64) *driver {
	t.Helper()
	events := eventsUntil(t, changesJournal, moment)
	out := &recorder{}
	d := &driver{t: t, m: newApp(Config{}, out), out: out, journal: events}
	d.m.Init()
	return d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events})
}

func TestChangesFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name   string
			moment float64
			keys   []string
		}{
			{"watch-scale", scaledUp, []string{"3", "tab"}},
			{"watch-lagging", proxyFrozen, []string{"3", "/", "kind:endpointslice", "enter", "tab", "tab"}},
			{"watch-inferred", workerLost, []string{"3", "/", "kind:pod ns:shop", "enter", "tab"}},
			{"timeline-recorded", allSeen, []string{"8", "["}},
			{"timeline-kinds", allSeen, []string{"8", "[", "/", "changes", "enter", "up", "enter"}},
			{"timeline-pulse", allSeen, []string{"8", "[", "/", "pulse", "enter", "G", "enter"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openChanges(t, size[0], size[1], shot.moment).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

// TestTabsFit holds that all screens have their tab, on a narrow terminal, too.
func TestTabsFit(t *testing.T) {
	shown := []screen.About{{Title: "Lab"}, {Title: "Raft"}, {Title: "Watch"}, {Title: "Schedule", Short: "Sched"}, {Title: "Proxy"},
		{Title: "Workloads", Short: "Work"}, {Title: "Components", Short: "Comps"}, {Title: "Timeline", Short: "Time"}, {Title: "Recovery", Short: "Recov"}}
	for i := range shown {
		shown[i].Number = i + 1
	}
	for w := 50; w < 140; w++ {
		for on := range shown {
			sum := 0
			for i, text := range tabTexts(shown, on, w, 3) {
				sum += len(text)
				if text[len(text)-1] == ' ' {
					sum++
				}
				if name := strings.TrimLeft(text, " 0123456789"); w >= 80 && i != on && strings.TrimSpace(name) != shown[i].Title && strings.TrimSpace(name) != shown[i].Brief() {
					t.Errorf("%d cells: the tab of %s is %q", w, shown[i].Title, text)
				}
				if i == on && w >= 80 && !strings.Contains(text, shown[on].Title) {
					t.Errorf("%d cells: the tab of the screen shown is %q", w, text)
				}
			}
			if sum > w {
				t.Errorf("%d cells: the tabs take %d", w, sum)
			}
		}
	}
}
