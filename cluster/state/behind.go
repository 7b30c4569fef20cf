package state

import (
	"net"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Behind is how far one watch is behind etcd.
type Behind struct {
	// Revisions that were not delivered to it, or not read by it, at least.
	Revisions int
	// For how long.
	For time.Duration
	// Why in words; "" while nothing is behind.
	Why string
	// Guessed says that it follows from the state of the watcher's process or
	// link; else its API server's own delay was measured.
	Guessed bool
}

// Behind tells how far a watch is behind at an instant. An API server tells
// nobody what it has delivered to whom: a watch is behind where its API server
// is, and where its client is frozen or cannot be reached.
func (w *World) Behind(one Watch, now time.Time) Behind {
	if lag := w.Changes.Lag[one.Node]; lag.Behind > 0 {
		return Behind{Revisions: lag.Behind, For: lag.Waiting + max(0, now.Sub(lag.At)), Why: "its API server is behind"}
	}
	node := w.NodeAt(one.Source)
	if node == nil {
		return Behind{}
	}
	since, why := time.Time{}, ""
	component := node.Components[programOf(one.Agent)]
	switch {
	case node.State == event.NodePaused:
		since, why = node.Since, node.Name+" is frozen"
	case component != nil && component.State == event.ComponentPaused:
		since, why = component.Since, "it is frozen"
	case w.cut(one.Node, node.Name):
		since, why = w.cutSince(one.Node, node.Name), "no packet from "+one.Node+" arrives"
	default:
		return Behind{}
	}
	return Behind{Revisions: w.Changes.since(since, one), For: now.Sub(since), Why: why, Guessed: true}
}

// since counts the changes after an instant that a watch is to be told of.
func (c *Changes) since(at time.Time, one Watch) int {
	n := 0
	for i := len(c.List) - 1; i >= 0 && c.List[i].At.After(at); i-- {
		o := &c.List[i]
		if o.Resource == one.Resource && o.Group == one.Group && (one.Namespace == "" || o.Namespace == one.Namespace) && (one.Name == "" || o.Name == one.Name) {
			n++
		}
	}
	return n
}

// NodeAt is the node with an address, which may carry a port; nil for none.
func (w *World) NodeAt(address string) *Node {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	for _, n := range w.Topology.Nodes {
		if n.IP == address && address != "" {
			return w.Nodes[n.Name]
		}
	}
	return nil
}

// programOf is the component that a user agent names: kubelet/v1.37.2 (linux...).
func programOf(agent string) string {
	program, _, _ := strings.Cut(agent, "/")
	return program
}

func (w *World) cut(from, to string) bool {
	l := w.Link(from, to)
	return l != nil && (l.Cut || l.Loss >= 1)
}

// cutSince is when a link was cut, by the fault that did it.
func (w *World) cutSince(from, to string) time.Time {
	for i := len(w.Faults.Active) - 1; i >= 0; i-- {
		f := w.Faults.Active[i]
		for _, l := range f.Links {
			if l.From == from && l.To == to {
				return f.At
			}
		}
	}
	return w.Now
}
