package state

import (
	"time"

	"workbench/cluster/event"
)

// Shutdown is what a node's init tells of going down gracefully.
type Shutdown struct {
	// Inhibitors may delay it, by Limit at most.
	Inhibitors []event.Inhibitor `json:"inhibitors,omitempty"`
	Limit      time.Duration     `json:"limit,omitempty"`
	// Phase is how far the announced one is; "" when none was announced since the
	// node started. Waits are who delayed it, Took is for how long.
	Phase     event.ShutdownPhase `json:"phase,omitempty"`
	Announced time.Time           `json:"announced,omitzero"`
	Waits     []string            `json:"waits,omitempty"`
	Took      time.Duration       `json:"took,omitempty"`
}

// Waiting says that a shutdown is announced, and somebody delays it.
func (s *Shutdown) Waiting() bool { return s.Phase == event.ShutdownAnnounced && len(s.Waits) > 0 }

func (w *World) applyShutdown(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.NodeInhibitors:
		if n := w.Nodes[b.Node]; n != nil {
			n.Shutdown.Inhibitors, n.Shutdown.Limit = b.Inhibitors, b.Limit
		}
	case event.NodeShutdown:
		n := w.Nodes[b.Node]
		if n == nil {
			return
		}
		s := &n.Shutdown
		s.Phase, s.Took = b.Phase, b.Took
		switch b.Phase {
		case event.ShutdownAnnounced:
			s.Announced, s.Waits, s.Limit = at, b.Waits, b.Limit
		case event.ShutdownExpired:
			s.Waits = b.Waits
		}
	}
}

// shutdownOver forgets what a node that starts, or is down, tells no more. How an
// announced shutdown went stays to be seen until the node starts again.
func (n *Node) shutdownOver() {
	n.Shutdown.Inhibitors = nil
	if n.State == event.NodeStarting {
		n.Shutdown = Shutdown{}
	}
}
