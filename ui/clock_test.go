package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
)

// shows checks that the app shows the fold of the journal up to its event.
func (d *driver) shows() *driver {
	d.t.Helper()
	want := state.New()
	for _, e := range readJournal(d.t, storyLength)[:d.m.world.Seq] {
		want.Apply(e)
	}
	a, _ := json.Marshal(d.m.world)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) {
		d.t.Fatalf("the app shows another world than that after event %d", d.m.world.Seq)
	}
	return d
}

func TestPauseAndStepThroughThePast(t *testing.T) {
	d := open(t, 120, 40, newLeader).press("2").sees("★ LEADER", "● LIVE")
	d.press("space").sees("‖ PAUSED t-0.0s")
	seq := d.m.world.Seq
	d.press(",").shows()
	if d.m.world.Seq >= seq {
		t.Fatalf("a step back from event %d went to %d", seq, d.m.world.Seq)
	}
	for d.m.world.Raft.Leader() != "" {
		before := d.m.world.Seq
		if d.press(",").shows(); d.m.world.Seq >= before {
			t.Fatalf("a step back from event %d went to %d:\n%s", before, d.m.world.Seq, d.frame())
		}
	}
	d.sees("There is no leader", "no leader", "‖ PAUSED t-")
	d.press(".").shows().sees("c3 leads")
	d.until(moved).sees("c3 leads", "t-30.").press("1").seesNot("NotReady")
	d.press("end").shows().sees("● LIVE", "NotReady")
}

// A step back and a step on come to the same place, over the edges of windows.
func TestStepsAreInverse(t *testing.T) {
	d := open(t, 120, 40, moved).press("space", ",")
	var seqs []uint64
	for range 150 {
		seqs = append(seqs, d.m.world.Seq)
		d.press(",")
	}
	for i := len(seqs) - 1; i >= 0; i-- {
		if d.press("."); d.m.world.Seq != seqs[i] {
			t.Fatalf("step %d on came to event %d, step %d back was at %d", len(seqs)-i, d.m.world.Seq, i, seqs[i])
		}
	}
	d.shows()
}

func TestTheBeginningAndTheEnd(t *testing.T) {
	d := open(t, 120, 40, booting).press("space", ".").sees("nothing newer has happened")
	for range 300 {
		d.press(",")
	}
	d.sees("this is the beginning")
}

func TestJumpBetweenMarkers(t *testing.T) {
	d := open(t, 120, 40, moved).press("<").sees("PAUSED").shows()
	var visited []string
	for range 60 {
		at := d.m.world.Seq
		d.press("<").shows()
		if d.m.world.Seq == at {
			break
		}
		visited = append(visited, d.m.note.text)
	}
	d.sees("there is no marker before this")
	for _, want := range []string{"you  fault node.kill w2", "node/w2  killed", "you  repair node.start c2", "raft/c3  leader term 4", "you  fault node.kill c2", "lab  running"} {
		if !strings.Contains(strings.Join(visited, "\n"), want) {
			t.Errorf("no marker was %q:\n%s", want, strings.Join(visited, "\n"))
		}
	}
	at := d.m.world.Seq
	d.press(">", ">", "<").shows()
	if d.m.world.Seq <= at {
		t.Error("> did not go on")
	}
}

// TestAnyWayToAnInstantIsTheSameFrame walks at random through the past and
// compares each frame with that of an app that goes straight there.
func TestAnyWayToAnInstantIsTheSameFrame(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	d := open(t, 100, 30, moved).press("space")
	keys := []string{",", ".", "<", ">", ",", ".", "seek", "seek", "1", "2", "6", "7", "play"}
	last := d.m.latest.Seq
	for range 50 {
		key := keys[r.IntN(len(keys))]
		switch key {
		case "seek":
			d.m.seek(history.Instant{Seq: 1 + r.Uint64N(last)})
			d.send(nil)
		case "play":
			began := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
			d.press("space")
			for i := range 5 {
				d.send(tickMsg(began.Add(time.Duration(i) * 700 * time.Millisecond)))
			}
			d.press("space")
		default:
			d.press(key)
		}
		if d.m.clock.mode == live {
			d.press("space") // it has played to the present
			continue
		}
		if d.m.clock.past == nil {
			continue
		}
		d.shows()
		if d.m.screen().About().Number == 0 {
			continue // while it boots, the app shows that by itself
		}
		direct := open(t, 100, 30, moved).press(fmt.Sprint(d.m.screen().About().Number))
		direct.history, direct.known = d.history, d.known
		direct.m.seek(history.Instant{Seq: d.m.world.Seq})
		direct.send(nil)
		d.m.now, d.m.note, direct.m.note, d.m.previous, direct.m.previous = d.m.world.Now, note{}, note{}, 0, 0
		if a, b := d.frame(), direct.frame(); a != b {
			t.Fatalf("after %s at event %d: %s", key, d.m.world.Seq, firstDifference(b, a))
		}
	}
}

func TestFaultsAreRefusedInThePast(t *testing.T) {
	d := open(t, 120, 40, moved).press("space", "<")
	d.press("K").sees("you are looking at 10:42:", "end goes live").seesNot("Kill").asked()
	d.press("u").sees("you are looking at").asked()
	d.press("6", "x").seesNot("Delete").press("s").asked()
	if len(d.out.runs) != 0 {
		t.Errorf("ran %v", d.out.runs)
	}
	d.press("d").sees("as it is now").press("q")
	d.press("end", "1", "K").sees("Kill")
}

func TestMarkAndDelta(t *testing.T) {
	d := open(t, 120, 40, moved).press("<", "'").sees("Δ +0.000s").press("<")
	if want := "Δ " + strings.TrimSpace(fmt.Sprintf("%.3fs", d.m.now.Sub(d.m.clock.mark).Seconds())); !strings.Contains(d.frame(), want) {
		t.Errorf("no %q on the screen:\n%s", want, d.frame())
	}
	d.press("'").sees("Δ +0.000s").press("'").seesNot("Δ")
}

// replay opens a recording of the whole story.
func replay(t *testing.T, w, h int, r Replay) *driver {
	t.Helper()
	out := &recorder{}
	events := readJournal(t, storyLength)
	r.Start = events[0].Time
	d := &driver{t: t, m: newApp(Config{Replay: &r}, out), out: out}
	final := state.New()
	for _, e := range events {
		final.Apply(e)
	}
	return d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{final})
}

func TestReplayPlays(t *testing.T) {
	d := replay(t, 120, 40, Replay{}).sees("▶ REPLAY x1", "/55.").shows()
	began := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	d.send(tickMsg(began), tickMsg(began.Add(4*time.Second))).sees("REPLAY x1 4.0s/", "Booting demo").shows()
	d.press("}", "}").sees("REPLAY x5")
	d.send(tickMsg(began.Add(7*time.Second))).sees("19.0s/", "c1", "LEADER").shows()
	d.press("space").sees("‖ REPLAY 19.0s")
	d.send(tickMsg(began.Add(9 * time.Second))).sees("‖ REPLAY 19.0s")
	d.press("K").sees("this is a recording").asked()
	d.press("6", "d").sees("this is a recording")
	if len(d.out.pages) != 0 {
		t.Errorf("ran %v", d.out.pages)
	}
	d.press("end", "1").sees("‖ REPLAY 55.", "NotReady").shows()
	d.press("space").sees("▶ REPLAY x5 0.0s").shows()
	d.press("q").sees("Close the recording of demo?").press("esc")
}

func TestReplayBeginsWhereItIsAskedTo(t *testing.T) {
	at := readJournal(t, 0.1)[0].Time.Add(21 * time.Second)
	replay(t, 120, 40, Replay{At: at, Paused: true}).sees("‖ REPLAY 21.0s/", "no leader").shows()
}

// TestPausedAppDoesNotTick holds that looking at one instant costs nothing.
func TestPausedAppDoesNotTick(t *testing.T) {
	d := open(t, 120, 40, silent)
	d.m.ticking = false
	d.press("space")
	d.m.ticking = false
	if d.m.schedule(); d.m.ticking {
		t.Error("a paused app ticks")
	}
}

// BenchmarkRewind measures from the key to the frame, in process.
func BenchmarkRewind(b *testing.B) {
	events := readJournal(b, storyLength)
	h, err := history.Open(history.Config{Log: recordedLog(events)})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Fold(b.Context(), func(event.Event) {}); err != nil {
		b.Fatal(err)
	}
	out := &recorder{}
	m := newApp(Config{}, out)
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
	m.Update(eventsMsg{events})
	r := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		m.seek(history.Instant{Seq: 1 + r.Uint64N(uint64(len(events)))})
		for _, ask := range out.windows {
			win, err := h.Window(b.Context(), ask.at)
			m.Update(windowMsg{id: ask.id, win: win, err: err})
		}
		out.windows = nil
		_ = m.View().Content
	}
}
