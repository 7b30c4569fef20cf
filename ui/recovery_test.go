package ui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// recoveryJournal was recorded from a lab of three control planes and two
// workers, cut down to what recoveries are told from: a worker is killed and
// started again, then the Raft leader's node, then the leader is cut off from
// the other control planes, then the other worker is killed.
const recoveryJournal = "testdata/recovery.jsonl"

// Moments of the recording, in seconds from its start.
const (
	recoveryBefore  = 30.0
	recoveryEarly   = 41.0  // the worker is silent, nobody has noticed
	recoveryMidst   = 49.9  // its pods are evicted, replacements start
	recoveryHealed  = 66.0  // it is back
	recoveryElected = 72.0  // a new Raft leader
	recoveryCut     = 97.0  // the leader is cut off
	recoveryAgain   = 124.0 // the other worker is gone, compared with the first
	recoveryEnd     = 200.0
)

// openRecovery starts the app on the Recovery screen at a moment of the recording.
func openRecovery(t *testing.T, cfg Config, w, h int, moment float64) *driver {
	t.Helper()
	out := &recorder{}
	d := &driver{t: t, m: newApp(cfg, out), out: out}
	d.m.Init()
	return d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{eventsUntil(t, recoveryJournal, moment)}).press("9")
}

func TestRecoveryFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {160, 45}, {200, 60}} {
		for _, shot := range []struct {
			name   string
			moment float64
			keys   []string
		}{
			{"none", recoveryBefore, nil},
			{"early", recoveryEarly, nil},
			{"midst", recoveryMidst, []string{"]", "]", "]"}},
			{"elected", recoveryElected, nil},
			{"cut", recoveryCut, nil},
			{"again", recoveryAgain, nil},
			{"end", recoveryEnd, []string{"]", "]", "]", "]"}},
			{"first", recoveryEnd, []string{"G"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openRecovery(t, Config{}, size[0], size[1], shot.moment).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/recovery-%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

func TestRecoveryWithoutColour(t *testing.T) {
	for _, r := range openRecovery(t, Config{ASCII: true}, 120, 40, recoveryMidst).frame() {
		if r > 126 {
			t.Fatalf("there is %q", r)
		}
	}
	for _, size := range [][2]int{{0, 0}, {1, 1}, {20, 5}, {40, 12}, {79, 23}, {99, 29}, {300, 3}, {300, 100}} {
		checkFits(t, openRecovery(t, Config{NoColor: true}, size[0], size[1], recoveryEnd).press("]", "G"), size[0], size[1])
	}
}

// TestRecoveryKeys goes through the faults and hops as a user does.
func TestRecoveryKeys(t *testing.T) {
	d := openRecovery(t, Config{}, 120, 40, recoveryEnd).sees("f4 kill w1", "against f1", "w1 NotReady")
	d.press("down").sees("f3 partition c2/c1,c3").press("down").sees("f2 kill c3", "c2 is the new Raft leader")
	d.press("G").sees("f1 kill w2", "no earlier kill worker")
	d.press("]", "]", "]").sees("Node w2, rv ", "last heartbeat")
	d.press("/").typing("partition").press("enter").sees("f3 partition", "filter “partition”").seesNot("f4 kill w1")
	d.press("/").typing("nothing").press("enter").sees("No fault matches")
}

// TestRecoveryOfTheNewest holds that the screen goes on to a new fault.
func TestRecoveryOfTheNewest(t *testing.T) {
	d := openRecovery(t, Config{}, 120, 40, recoveryHealed).sees("f1 kill w2")
	at := d.m.world.Now.Add(time.Minute)
	d.send(eventsMsg{[]event.Event{{Time: at, Body: event.FaultInjected{ID: "f9", Kind: "freeze", Text: "freeze w1", Nodes: []string{"w1"}}}}})
	d.sees("f9 freeze w1", "pending").press("down").sees("f1 kill w2")
}
