package ui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// raftJournal was recorded from a lab of three control planes and a worker,
// cut down to what the Raft screen draws from: the leader's node is killed and
// started again, then a follower's node is paused and resumed.
const raftJournal = "testdata/raft.jsonl"

// Moments of the recording, in seconds from its start.
const (
	raftElected = 31.9 // half a second after the election
	raftBack    = 38.0 // the old leader has caught up
	raftFrozen  = 47.4 // a follower has been frozen for 4 s
	raftThawed  = 50.4 // and is back
)

// raft5Journal was recorded from a lab of five control planes whose members make
// a snapshot every 100 entries: c5 is down for 1,100 entries while a learner is
// added that never starts; c5 comes back and gets a snapshot; the leader is
// killed. What the members' logs said in between is put together.
const raft5Journal = "testdata/raft5.jsonl"

// Moments of that recording.
const (
	raft5Learner  = 128.4 // c5 is far behind, the learner was just added
	raft5Snapshot = 130.2 // c5 has the snapshot
	raft5Elected  = 140.1 // 1.5 s after the election
)

// openRaft starts the app on the Raft screen at a moment of a recording.
func openRaft(t *testing.T, w, h int, journal string, moment float64) *driver {
	t.Helper()
	events := eventsUntil(t, journal, moment)
	out := &recorder{}
	d := &driver{t: t, m: newApp(Config{}, out), out: out}
	d.m.Init()
	return d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events}).press("2")
}

func TestRaftFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name    string
			journal string
			moment  float64
			keys    []string
		}{
			{"elected", raftJournal, raftElected, nil},
			{"elected-election", raftJournal, raftElected, []string{"tab", "]"}},
			{"back-log", raftJournal, raftBack, []string{"tab", "tab", "tab"}},
			{"frozen", raftJournal, raftFrozen, []string{"down"}},
			{"thawed", raftJournal, raftThawed, []string{"["}},
			{"five-learner", raft5Journal, raft5Learner, nil},
			{"five-snapshot", raft5Journal, raft5Snapshot, nil},
			{"five-elected", raft5Journal, raft5Elected, []string{"]"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openRaft(t, size[0], size[1], shot.journal, shot.moment).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/raft-%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

// members is a lab of etcd members with a leader that all others follow.
func members(n int) []event.Event {
	at := time.Date(2026, 1, 2, 10, 42, 0, 0, time.UTC)
	top := event.LabTopology{Name: "demo"}
	for i := range n {
		top.Nodes = append(top.Nodes, event.TopologyNode{Name: fmt.Sprintf("c%d", i+1), Role: event.ControlPlane, Components: []string{"etcd"}})
	}
	events := []event.Event{{Time: at, Body: top}, {Time: at, Body: event.LabPhase{Phase: event.Running}}}
	for i := range n {
		name, role := fmt.Sprintf("c%d", i+1), event.RaftFollower
		if i == 0 {
			role = event.RaftLeader
		}
		events = append(events,
			event.Event{Time: at, Body: event.NodeState{Node: name, State: event.NodeRunning}},
			event.Event{Time: at, Body: event.ComponentState{Node: name, Component: "etcd", State: event.ComponentReady}},
			event.Event{Time: at, Body: event.RaftStatus{Node: name, Role: role, Term: 7, Lead: "c1", Last: 20, Commit: 20, Applied: 20}})
	}
	return events
}

// later is an event some seconds after the members began.
func later(seconds float64, body event.Body) event.Event {
	at := members(1)[0].Time
	return event.Event{Time: at.Add(time.Duration(seconds * float64(time.Second))), Body: body}
}

func heartbeats(from, to string, kind event.RaftKind) event.RaftMessages {
	return event.RaftMessages{Node: from, Lanes: []event.RaftLane{{From: from, To: to, Kind: kind, Term: 7, At: []int64{100}}}}
}

// TestRaftWhy says what holds for one, three and five members.
func TestRaftWhy(t *testing.T) {
	killed := func(name string) event.Event {
		return later(5, event.NodeState{Node: name, State: event.NodeKilled, Cause: "killed by a user"})
	}
	paused := func(name string) event.Event {
		return later(5, event.ComponentState{Node: name, Component: "etcd", State: event.ComponentPaused})
	}
	for name, c := range map[string]struct {
		members int
		then    []event.Event
		says    []string
	}{
		"one":         {1, nil, []string{"c1 is the only member: it is its own quorum"}},
		"one, killed": {1, []event.Event{killed("c1")}, []string{"Quorum is lost: none of 1 can vote, 1 are needed", "until c1 is back"}},
		"three":       {3, nil, []string{"c1 leads term 7. 3 of 3 members vote and 2 make a quorum", "1 member may fail"}},
		"five":        {5, nil, []string{"5 of 5 members vote and 3 make a quorum", "2 members may fail"}},
		"five, two down": {5, []event.Event{killed("c4"), killed("c5")},
			[]string{"c1 leads and c1, c2 and c3 make the quorum of 3", "c4 is out: its node was killed"}},
		"five, three down": {5, []event.Event{killed("c3"), killed("c4"), killed("c5")},
			[]string{"Quorum is lost: c1 and c2 of 5 can vote, 3 are needed", "c1 still calls itself leader"}},
		"leader frozen": {3, []event.Event{paused("c1")},
			[]string{"There is no leader. c2 and c3 are 2 of 3", "c1 is frozen: it still believes in term 7"}},
		"election": {3, []event.Event{killed("c1"), later(6, event.RaftRole{Node: "c2", Role: event.RaftPreCandidate, Term: 7})},
			[]string{"c2 asks for pre-votes to replace the leader of term 7"}},
		"candidate": {3, []event.Event{killed("c1"), later(6, event.RaftRole{Node: "c2", Role: event.RaftCandidate, Term: 8})},
			[]string{"c2 stands for term 8 and asks for votes"}},
		"learner": {3, []event.Event{later(1, event.RaftStatus{Node: "c3", Role: event.RaftLearner, Term: 7, Lead: "c1"})},
			[]string{"c1 and c2 make the quorum of 2", "c3 is a learner: it gets the log and counts for no quorum"}},
		"learner down": {3, []event.Event{later(1, event.RaftStatus{Node: "c3", Role: event.RaftLearner, Term: 7, Lead: "c1"}), killed("c3")},
			[]string{"c1 and c2 make the quorum of 2", "c3 is a learner"}},
		"cut off": {3, []event.Event{
			later(2, heartbeats("c2", "c1", event.RaftHeartbeatAck)), later(2, heartbeats("c3", "c1", event.RaftHeartbeatAck)),
			later(5, heartbeats("c2", "c1", event.RaftHeartbeatAck)),
			later(5.1, event.RaftMessages{Node: "c1", Waiting: map[string]int{"c3": 12}}),
			later(5.2, event.RaftRole{Node: "c3", Role: event.RaftPreCandidate, Term: 7}),
			later(7, heartbeats("c2", "c1", event.RaftHeartbeatAck)),
			later(7.1, event.RaftMessages{Node: "c1", Waiting: map[string]int{"c3": 12}}),
		}, []string{"c1 leads and c1 and c2 make the quorum of 2", "c3 is cut off: c1 has not heard it for 5.1s, 12 messages to it are not acknowledged", "so its term stays 7"}},
		"learner not started": {3, []event.Event{later(1, event.RaftStatus{Node: "c1", Role: event.RaftLeader, Term: 7, Lead: "c1", Last: 20, Commit: 20,
			Progress: map[string]event.RaftProgress{"c2": {Match: 20}, "c3": {Match: 20}, "76a59bdd8886e80b": {Learner: true}}})},
			[]string{"3 of 4 up", "3 of 3 members vote and 2 make a quorum", "Member 76a59bdd8886e80b was added as a learner"}},
		"learner without a log, which takes itself for a follower": {3, []event.Event{later(1, event.RaftStatus{Node: "c1", Role: event.RaftLeader, Term: 7, Lead: "c1", Last: 20, Commit: 20,
			Progress: map[string]event.RaftProgress{"c2": {Match: 20}, "c3": {State: "StateSnapshot", PendingSnapshot: 20, Learner: true}}})},
			[]string{"quorum 2/2", "c1 and c2 make the quorum of 2", "c3 is a learner", "c3 gets a snapshot up to index 20"}},
		"voter not started": {3, []event.Event{later(1, event.RaftStatus{Node: "c1", Role: event.RaftLeader, Term: 7, Lead: "c1", Last: 20, Commit: 20,
			Progress: map[string]event.RaftProgress{"c2": {Match: 20}, "c3": {Match: 20}, "76a59bdd8886e80b": {}}})},
			[]string{"3 of 4 up", "make the quorum of 3", "it counts for the quorum and cannot vote before it starts"}},
		"quota": {3, []event.Event{later(1, event.RaftDisk{Node: "c2", DBBytes: 1900 << 20, QuotaBytes: 2 << 30})},
			[]string{"c2's database takes 92% of its quota of 2.0Gi", "NOSPACE", "92% of 2.0Gi"}},
		"snapshot": {3, []event.Event{later(1, event.RaftStatus{Node: "c1", Role: event.RaftLeader, Term: 7, Lead: "c1", Last: 900, Commit: 900,
			Progress: map[string]event.RaftProgress{"c2": {Match: 900, Next: 901}, "c3": {State: "StateSnapshot", PendingSnapshot: 800}}})},
			[]string{"c3 gets a snapshot up to index 800"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &driver{t: t, m: newApp(Config{Screen: "raft"}, &recorder{}), out: &recorder{}}
			d.send(tea.WindowSizeMsg{Width: 200, Height: 60}, worldMsg{state.New()}, eventsMsg{append(members(c.members), c.then...)})
			d.sees(c.says...)
		})
	}
}
