package state_test

import (
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// TestNodesComeAndGo holds that a node that is added is known at once, and that
// nothing of one that was removed counts.
func TestNodesComeAndGo(t *testing.T) {
	w := state.New()
	at := time.Unix(1_800_000_000, 0)
	apply := func(bodies ...event.Body) {
		for _, b := range bodies {
			at = at.Add(time.Second)
			w.Apply(event.Event{Time: at, Body: b})
		}
	}
	plane := func(name string) event.TopologyNode {
		return event.TopologyNode{Name: name, Role: event.ControlPlane, Components: []string{"etcd"}}
	}
	apply(event.LabTopology{Nodes: []event.TopologyNode{plane("c1"), plane("c2"), {Name: "w1", Role: event.Worker}}},
		event.RaftRole{Node: "c1", Role: event.RaftLeader, Term: 2}, event.RaftRole{Node: "c2", Role: event.RaftFollower, Term: 2})
	apply(event.NodeAdded{TopologyNode: plane("c3")})
	if order := w.Topology.Nodes; len(order) != 4 || order[2].Name != "c3" || w.Nodes["c3"] == nil || w.Nodes["c3"].Components["etcd"] == nil {
		t.Errorf("after c3 was added the nodes are %+v", order)
	}
	apply(event.RaftMembership{Node: "c1", Members: []event.RaftMember{{ID: "1", Name: "c1"}, {ID: "2", Name: "c2"}}})
	if need, up, _ := w.Raft.Quorum(); need != 2 || up != 2 || !w.Raft.Members["c3"].Out {
		t.Errorf("before c3 is a member the quorum is %d with %d up", need, up)
	}
	// The word of a member that is behind does not count.
	apply(event.RaftMembership{Node: "c2", Members: []event.RaftMember{{ID: "1", Name: "c1"}}})
	if w.Raft.Members["c2"].Out {
		t.Error("a follower's list was taken for the leader's")
	}
	apply(event.RaftMembership{Node: "c1", Members: []event.RaftMember{{ID: "1", Name: "c1"}, {ID: "2", Name: "c2"}, {ID: "3", Name: "c3"}}},
		event.NodeRemoved{Node: "c3"}, event.NodeState{Node: "c3", State: event.NodeStopped})
	if w.Nodes["c3"] != nil || w.Raft.Members["c3"] != nil || len(w.Topology.Nodes) != 3 {
		t.Errorf("c3 is still there: %+v", w.Topology.Nodes)
	}
}
