package state

import (
	"maps"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/recovery"
)

// recoveries lets the reports of faults take an event that the world has taken.
func (w *World) recoveries(e event.Event) {
	if w.Recovery.Wants(e.Body) {
		w.Recovery.Apply(e, w.recoveryLab())
	}
}

// recoveryLab is the world as the reports read it.
func (w *World) recoveryLab() *recovery.Lab {
	lab := &recovery.Lab{Topology: &w.Topology, Pods: w.Kube.Pods, Slices: w.Kube.Slices, Leaders: w.leaders, Rules: w.rules}
	lab.Node = func(name string) *event.KubeNode {
		if n := w.Kube.Nodes[name]; n != nil {
			return &n.KubeNode
		}
		return nil
	}
	lab.Lease = func(key string) *event.KubeLease {
		if l := w.Kube.Leases[key]; l != nil {
			return &l.KubeLease
		}
		return nil
	}
	for _, n := range w.Topology.Nodes {
		m := w.Raft.Members[n.Name]
		if m == nil {
			continue
		}
		if m.Role == event.RaftLeader && !m.Frozen && m.Term >= lab.Term {
			lab.Leader = n.Name
		}
		lab.Term, lab.Commit = max(lab.Term, m.Term), max(lab.Commit, m.Commit)
	}
	return lab
}

// leaders are the leases for which processes compete, by name.
func (w *World) leaders() []*event.KubeLease {
	var out []*event.KubeLease
	for _, key := range slices.Sorted(maps.Keys(w.Kube.Leases)) {
		if l := w.Kube.Leases[key]; l.Namespace == "kube-system" && l.Holder != "" && l.Seconds > 0 && !strings.HasPrefix(l.Name, "apiserver-") {
			out = append(out, &l.KubeLease)
		}
	}
	return out
}

// rules are what nodes that run, and whose rules are read, do about a Service.
func (w *World) rules(service string) []recovery.Rules {
	t := w.Truth(service)
	var out []recovery.Rules
	for i := range t.Nodes {
		if n := &t.Nodes[i]; !n.Down && !n.Lost {
			out = append(out, recovery.Rules{Node: n.Node, IPs: n.Rules, Behind: n.Behind()})
		}
	}
	return out
}
