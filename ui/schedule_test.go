package ui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// scheduled is the journal of a real lab of one control plane and three workers,
// w1 tainted: pods that fit, one with a selector nothing matches, one too large,
// one gated, one for a scheduler that does not exist, a preemption, a cordon.
func scheduled(t testing.TB) []event.Event {
	t.Helper()
	events, err := readEvents("testdata/schedule.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// openSchedule opens the Schedule screen right after an attempt to schedule a
// pod and the news of the queues that follow it, before the next attempt;
// attempt 0 is the end.
func openSchedule(t *testing.T, w, h int, pod string, attempt int) *driver {
	t.Helper()
	events, end, seen := scheduled(t), 0, attempt == 0
	for end = range events {
		c, cycle := events[end].Body.(event.SchedCycle)
		if cycle && c.Pod.Name == pod && c.Attempt == attempt+1 && attempt > 0 {
			end--
			break
		}
		seen = seen || cycle && c.Pod.Name == pod && c.Attempt == attempt
		if _, ok := events[end].Body.(event.SchedQueue); ok && seen && attempt > 0 {
			break
		}
	}
	if !seen {
		t.Fatalf("the journal has no attempt %d of %s", attempt, pod)
	}
	out := &recorder{}
	d := &driver{t: t, m: newApp(Config{Screen: "schedule"}, out), out: out}
	d.m.Init()
	d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events[:end+1]})
	if pod != "" {
		d.m.selection.Pod = "demo/" + pod
	}
	return d
}

func TestScheduleFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name, pod string
			attempt   int
			keys      []string
		}{
			{"unschedulable", "huge", 1, nil},
			{"woken", "picky", 2, nil},
			{"preemption", "vip", 1, nil},
			{"cordoned", "late", 3, []string{"["}},
			{"scored", "", 0, []string{"G"}},
			{"raw", "", 0, []string{"G", "v"}},
			{"what-if", "", 0, []string{"G", "w", "down", "down", "down", "down", "x", "down", "+"}},
			{"queues", "huge", 1, []string{"tab"}},
			{"pods", "", 0, []string{"tab", "tab"}},
			{"gated", "gated", 0, []string{"["}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openSchedule(t, size[0], size[1], shot.pod, shot.attempt).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/schedule-%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

// A pending pod says in words why, at every stage it can be pending in.
func TestScheduleSaysWhyAPodIsPending(t *testing.T) {
	for _, test := range []struct {
		pod     string
		attempt int
		want    []string
	}{
		{"huge", 1, []string{"No node of 3 fits", "2 nodes: Insufficient cpu (NodeResourcesFit)", "1 node: node(s) had untolerated taint(s) (TaintToleration)", "It waits for an event"}},
		{"picky", 1, []string{"didn't match Pod's node affinity/selector (NodeAffinity)"}},
		{"vip", 1, []string{"No node of 3 fits", "nominates w3", "without demo/filler3"}},
		{"late", 1, []string{"node(s) were unschedulable (NodeUnschedulable)"}},
	} {
		got := strings.Join(strings.Fields(openSchedule(t, 120, 40, test.pod, test.attempt).frame()), " ")
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s attempt %d: no %q in\n%s", test.pod, test.attempt, want, got)
			}
		}
	}
	d := openSchedule(t, 200, 60, "alien", 0)
	if got := d.frame(); !strings.Contains(got, "no profile there has its spec.schedulerName?") {
		t.Errorf("the pod nobody takes up:\n%s", got)
	}
}

// Any key at any size keeps the frame whole, and a chosen pod stays chosen when
// others come.
func TestScheduleHoldsAtOddSizes(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {20, 5}, {40, 12}, {79, 23}, {80, 24}, {101, 31}, {160, 45}, {300, 100}} {
		d := openSchedule(t, size[0], size[1], "", 0)
		for _, key := range []string{"down", "tab", "tab", "tab", "[", "]", "w", "x", "+", "down", "-", "pgdown", "right", "left", "r", "w", "v", "G", "/"} {
			d.press(key)
			checkFits(t, d, size[0], size[1])
		}
	}
}

func TestScheduleWhatIf(t *testing.T) {
	d := openSchedule(t, 200, 60, "", 0).press("G", "w")
	if got := d.frame(); !strings.Contains(got, "WHAT IF") || !strings.Contains(got, "the recorded decision") {
		t.Fatalf("w asks nothing:\n%s", got)
	}
	d.press("x")
	if got := d.frame(); !strings.Contains(got, "from the recorded scores") {
		t.Errorf("x leaves nothing out:\n%s", got)
	}
	d.press("w")
	if got := d.frame(); strings.Contains(got, "WHAT IF") {
		t.Errorf("w does not end it:\n%s", got)
	}
}

// A pod selected on Workloads is the one that Schedule explains, and back.
func TestSchedulePodIsSharedWithWorkloads(t *testing.T) {
	d := openSchedule(t, 200, 60, "", 0).press("6", "g")
	first := d.m.selection.Pod
	d.press("down")
	chosen := d.m.selection.Pod
	if chosen == "" || chosen == first {
		t.Fatalf("down on Workloads selects %q after %q", chosen, first)
	}
	if got := d.press("4").frame(); !strings.Contains(got, "pod "+chosen) {
		t.Errorf("Schedule does not show %s:\n%s", chosen, got)
	}
	d.press("down", "down")
	other := d.m.selection.Pod
	if other == chosen {
		t.Fatalf("down on Schedule leaves %s selected", chosen)
	}
	_, name, _ := strings.Cut(other, "/")
	marked := ""
	for line := range strings.Lines(d.press("6").frame()) {
		if strings.Contains(line, "▌") || strings.Contains(line, "▸") || strings.Contains(line, "›") {
			marked += line
		}
	}
	if !strings.Contains(marked, name) {
		t.Errorf("Workloads does not mark %s but:\n%s", name, marked)
	}
}
