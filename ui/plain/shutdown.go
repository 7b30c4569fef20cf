package plain

import (
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// inhibitors tells of a program that may delay a shutdown from now on. That it may
// no more follows from its own end, or from the shutdown.
func inhibitors(b event.NodeInhibitors, before *state.World) Entry {
	out := Entry{Subject: b.Node}
	n := before.Nodes[b.Node]
	if n == nil || len(b.Inhibitors) <= len(n.Shutdown.Inhibitors) {
		return out
	}
	last := b.Inhibitors[len(b.Inhibitors)-1]
	out.Text = with(last.Who+" may delay a shutdown by up to "+round(b.Limit), last.Why)
	return out
}

func shutdown(b event.NodeShutdown, before *state.World) Entry {
	out := Entry{Subject: b.Node, Tone: Caution}
	who := strings.Join(b.Waits, ", ")
	switch {
	case b.Phase == event.ShutdownAnnounced && who == "":
		out.Text = "shutdown announced, nobody delays it"
	case b.Phase == event.ShutdownAnnounced:
		out.Text = "shutdown announced, inhibitor held by " + who + ", for at most " + round(b.Limit)
	case b.Phase == event.ShutdownExpired:
		out.Tone, out.Text = Bad, "inhibitor of "+who+" not released after "+round(b.Took)+": it goes down all the same"
	default:
		if n := before.Nodes[b.Node]; n != nil && n.Shutdown.Waiting() {
			out.Text = "inhibitor released after " + round(b.Took) + ": components are stopped"
		}
	}
	return out
}
