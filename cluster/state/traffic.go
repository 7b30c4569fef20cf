package state

import (
	"cmp"
	"fmt"
	"time"

	"workbench/cluster/event"
)

// Lanes of what comes in numbers: told by the second.
const (
	LaneElections = "elections" // changes: campaigns, votes and who won
	LaneMessages  = "messages"  // counts: Raft messages by sender
	LaneChanges   = "changes"   // counts: changes of objects by kind, without heartbeats
	LaneProxy     = "proxy"     // counts: kube-proxy's syncs by node
)

// Bounds of lanes of counts.
const (
	MaxCountMarks = 64
	maxKindLanes  = 24 // kinds of objects with a lane of their own
	otherKinds    = LaneChanges + "/other"
	countSpan     = time.Second // what one mark counts
)

// count says that something happened n times: what is of a class within a
// second is one mark.
func (t *Timeline) count(name string, m Mark, n int, text func() string) {
	l := t.lane(name)
	for i := len(l.Marks) - 1; i >= 0 && m.At.Sub(l.Marks[i].At) < countSpan; i-- {
		if one := &l.Marks[i]; one.Class == m.Class {
			one.N, one.To = one.Count()+n, maxTime(one.End(), m.At)
			return
		}
	}
	if m.Text = text(); n > 1 {
		m.N = n
	}
	l.Marks = append(l.Marks, m)
	if len(l.Marks) > MaxCountMarks+MaxCountMarks/4 {
		l.Marks = coarser(l.Marks, false)
	}
}

// traffic marks what an event counts.
func (w *World) traffic(e event.Event) {
	t, m := &w.Timeline, Mark{At: e.Time, Seq: e.Seq}
	switch b := e.Body.(type) {
	case event.KubeChange:
		if !b.Heartbeat {
			m.Class = map[event.ChangeVerb]string{event.ChangeCreate: "created", event.ChangeUpdate: "changed", event.ChangeDelete: "deleted"}[b.Verb]
			t.count(w.kindLane(b), m, 1, func() string { return clip(b.Name) })
		}
	case event.KubeGap:
		m.Class = "gap"
		t.change(otherKinds, m, func() string { return fmt.Sprintf("%d to %d were missed", b.From, b.To) })
	case event.ProxySync:
		m.Class = "synced"
		if b.Added+b.Removed > 0 {
			m.Class = "rules"
		}
		t.count(LaneProxy+"/"+b.Node, m, 1, func() string { return fmt.Sprintf("+%d -%d of %d rules", b.Added, b.Removed, b.Rules) })
	case event.RaftRole:
		if b.Role != event.RaftFollower && b.Role != event.RaftLearner {
			m.Class = string(b.Role)
			t.change(LaneElections, m, func() string { return fmt.Sprintf("%s in term %d", b.Node, b.Term) })
		}
	case event.RaftMessages:
		t.messages(m, b)
	}
}

// kindLane is the lane of a change. Kinds beyond the bound share one.
func (w *World) kindLane(b event.KubeChange) string {
	name := LaneChanges + "/" + cmp.Or(b.Kind, b.Resource)
	if w.Timeline.Lanes[name] != nil {
		return name
	}
	kinds := 0
	for lane := range w.Timeline.Lanes {
		if len(lane) > len(LaneChanges) && lane[:len(LaneChanges)+1] == LaneChanges+"/" {
			kinds++
		}
	}
	if kinds >= maxKindLanes {
		return otherKinds
	}
	return name
}

// messages marks Raft messages by their sender, votes apart.
func (t *Timeline) messages(m Mark, b event.RaftMessages) {
	for _, l := range b.Lanes {
		n := len(l.At) + l.More
		if n == 0 {
			continue
		}
		one := m
		if len(l.At) > 0 {
			one.At = m.At.Add(-time.Duration(l.At[0]) * time.Microsecond)
		}
		one.Class = messageClass(l)
		text := func() string { return fmt.Sprintf("%s to %s", l.Kind, l.To) }
		if l.Kind.Election() && !l.Lost {
			t.change(LaneElections, Mark{At: one.At, Seq: m.Seq, Class: "votes"}, func() string { return fmt.Sprintf("%s %s to %s in term %d", l.From, l.Kind, l.To, l.Term) })
		}
		t.count(LaneMessages+"/"+l.From, one, n, text)
	}
	dropped := 0
	for _, n := range b.Dropped {
		dropped += n
	}
	if dropped > 0 {
		m.Class = "lost"
		t.count(LaneMessages+"/"+b.Node, m, dropped, func() string { return "given up by etcd" })
	}
}

// messageClass is what a lane of messages is about.
func messageClass(l event.RaftLane) string {
	switch {
	case l.Lost:
		return "lost"
	case l.Kind.Election():
		return "votes"
	case l.Kind == event.RaftHeartbeat, l.Kind == event.RaftHeartbeatAck:
		return "heartbeats"
	case l.Kind == event.RaftSnapshot:
		return "snapshot"
	}
	return "entries"
}
