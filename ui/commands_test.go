package ui

import (
	"slices"
	"testing"

	"workbench/cluster/event"
)

// TestCommandsOfThePalette types commands with their arguments; what changes the
// lab is asked about first.
func TestCommandsOfThePalette(t *testing.T) {
	d := open(t, 120, 40, running)
	d.press(":").typing("scene save").sees("scene save NAME").press("enter").typing("before").sees("scene save before")
	d.press("enter").sees("Save scene before?", "$ workbench scene save before", "stands still").press("y")
	d.press(":").typing("scene load before").press("enter").sees("Load scene before?", "is lost").press("n")
	d.press(":").typing("etcd restore a.db").press("enter").sees("Restore etcd from a.db?", "$ workbench etcd restore a.db --yes").press("y")
	d.press(":").typing("node add ").sees("node add worker", "node add control-plane").press("enter").sees("Add a worker?").press("y")
	d.press(":").typing("node remove w").sees("node remove w1", "node remove w3").seesNot("node remove c1").press("esc")
	if want := []string{"scene save before", "etcd restore a.db --yes", "node add worker"}; !slices.Equal(d.out.runs, want) {
		t.Errorf("ran %q, want %q", d.out.runs, want)
	}
	d.press(":").typing("report last").press("enter").sees("Report last").press("q")
	d.press(":").typing("scene list").press("enter")
	if want := []string{"report last", "scene list"}; !slices.Equal(d.out.pages, want) {
		t.Errorf("opened %q, want %q", d.out.pages, want)
	}
	d.press("q").press("L", ":").typing("node remove w1").press("enter").sees("the session is locked")
}

func TestRunsAreStoppedFromThePalette(t *testing.T) {
	d := open(t, 120, 40, running).press(":").typing("abort lead").sees("nothing of that name").press("esc")
	tell := func(phase event.ScenarioPhase) {
		d.send(eventsMsg{[]event.Event{{Time: d.m.world.Now, Body: event.ScenarioState{Run: "leader-loss-1", Name: "leader-loss", Phase: phase, Owner: "ada"}}}})
	}
	tell(event.ScenarioRunning)
	d.sees("LEADER-LOSS RUNS").press(":").typing("abort lead").press("enter").sees("Stop leader-loss?").press("y")
	if want := []string{"scenario stop"}; !slices.Equal(d.out.runs, want) {
		t.Errorf("ran %q, want %q", d.out.runs, want)
	}
	tell(event.ScenarioAborted)
	d.seesNot("RUNS")
}
