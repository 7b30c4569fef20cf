package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// faulty opens the app on a real lab of 3 + 3 with five faults on: a cut, a
// delay, a loss, a partition and a frozen node.
func faulty(t *testing.T, cfg Config, w, h int) *driver {
	t.Helper()
	events, err := readEvents("testdata/faults.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	out := &recorder{}
	d := &driver{t: t, m: newApp(cfg, out), out: out}
	return d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events})
}

func TestFaultFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name string
			keys []string
		}{
			{"lab-faults", nil},
			{"faults", []string{"F", "down", "down"}},
			{"palette-fault", []string{"C", "w"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := faulty(t, Config{}, size[0], size[1]).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

func TestFaultsInASCII(t *testing.T) {
	d := faulty(t, Config{ASCII: true}, 120, 40)
	for _, key := range []string{"1", "F"} {
		for _, r := range d.press(key).frame() {
			if r > 126 {
				t.Errorf("after %s there is %q", key, r)
			}
		}
	}
}

func TestLinksOnTheLab(t *testing.T) {
	faulty(t, Config{}, 120, 40).sees("5 FAULTS", "╳ CUT", "w2 to all 30% loss", "+50ms±10ms", "dropped", "f1 cut c1 c2  landed  heals in")
}

func TestHealing(t *testing.T) {
	d := faulty(t, Config{}, 120, 40)
	d.press("h").asked("heal f4").sees("workbench heal f4") // the newest on c1, which is selected
	d.press("down", "right", "right", "h").asked("heal f4", "heal f5")
	d.press("H").asked("heal f4", "heal f5", "heal --all")
	d.press("F").sees("5 faults on", "? ", "c1>c2: 0 of 10 packets arrived").press("down", "h").asked("heal f4", "heal f5", "heal --all", "heal f2")
	now := d.m.world.Now
	d.send(eventsMsg{[]event.Event{{Time: now, Body: event.FaultEnded{ID: "f2", Cause: "healed"}}}})
	d.sees("4 faults on", "○ healed").press("esc").seesNot("4 faults on")
	open(t, 120, 40, running).press("h").sees("no fault is on").press("H").asked()
}

// TestTypingAFault goes the way of a user who knows the beginning of the grammar.
func TestTypingAFault(t *testing.T) {
	d := open(t, 120, 40, running).press(":").typing("dela").sees("delay …").press("enter").sees(": delay")
	d.typing("w1").press("down").sees("delay w1").typing(" 80ms --jit").sees("--jitter").press("down", "enter").typing("20ms --for 30s")
	d.sees("delay w1 80ms --jitter 20ms --for 30s").press("enter")
	d.sees("delay w1 80ms --jitter 20ms --for 30s?", "heals by itself after 30s", "$ workbench fault delay w1 80ms").asked()
	d.press("y").asked("fault delay w1 80ms --jitter 20ms --for 30s")
	d.press(":").typing("delay w1 soon").sees("is no delay").press("enter").sees("is no delay").asked("fault delay w1 80ms --jitter 20ms --for 30s")
}

// TestDangersAreTold holds that the app asks with what a fault would cost.
func TestDangersAreTold(t *testing.T) {
	d := open(t, 120, 40, running).press(":").typing("freeze c1,c2").press("enter")
	d.sees("freeze c1,c2?", "Etcd loses its quorum: of 3 members only 1").press("n").asked()
	d.press("L").press(":").typing("cut c1 c2").press("enter").sees("the session is locked").asked()
	d.press("C").sees("the session is locked").asked()
}

// TestUndoOfAFault heals what was typed last.
func TestUndoOfAFault(t *testing.T) {
	d := open(t, 120, 40, running)
	at := d.m.world.Now
	d.send(eventsMsg{[]event.Event{
		{Time: at, Body: event.FaultInjected{ID: "f1", Kind: "cut", Text: "cut c1 c2", Lease: time.Minute}},
		{Time: at, Body: event.Action{Verb: "fault", Target: "cut c1 c2"}},
	}}).press("u").asked("heal f1")
	d.send(eventsMsg{[]event.Event{{Time: at, Body: event.FaultEnded{ID: "f1", Cause: "expired"}}}}).press("u").sees("no fault of yours")
}

// TestLeasesTickOnceASecond holds that a countdown in seconds costs no more.
func TestLeasesTickOnceASecond(t *testing.T) {
	d := open(t, 120, 40, running)
	d.send(eventsMsg{[]event.Event{{Time: d.m.world.Now, Body: event.FaultInjected{ID: "f1", Kind: "cut", Text: "cut c1 c2", Lease: time.Minute}}}})
	if !d.m.ticking || !strings.Contains(d.frame(), "1 FAULT") {
		t.Error("a lease runs out: the app must tick")
	}
}
