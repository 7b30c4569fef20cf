package lab

import (
	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
)

// lines says what a box of some height shows below its first line.
type lines struct {
	outlook, raft, taint bool
	pressure, network    bool
	lamps                int // lines of components
	usage                int // lines of processor and memory: 1 holds both
	pods                 int
}

// planLines gives the lines of a box to what matters most: what counts down, the
// components, the pods; what only repeats itself comes last.
func planLines(cx *screen.Context, n *state.Node, w, h int) lines {
	var p lines
	left := h - 1
	take := func(want bool) bool {
		if want && left > 0 {
			left--
			return true
		}
		return false
	}
	add := func(n *int, want bool) {
		if take(want) {
			*n++
		}
	}
	o := screen.NodeOutlook(cx.World, cx.Now, n.Name)
	down := n.State == event.NodeKilled || n.State == event.NodeStopped
	hot := o.Silent || o.NotReady || n.Shutdown.Waiting()
	says := hot || o.HasLease || n.Cause != "" || heldBy(cx, n) != ""
	p.outlook = take(hot)
	p.pressure = take(len(pressures(cx, n)) > 0)
	add(&p.lamps, true)
	add(&p.pods, len(podsOf(cx, n)) > 0)
	add(&p.usage, !down)
	if !hot {
		p.outlook = take(says)
	}
	add(&p.lamps, len(flow(pane.List(n), w, pane.ShortName)) > 1)
	add(&p.usage, !down && w < 60)
	p.taint = take(taintLine(cx, n) != "")
	p.raft = take(n.Role == event.ControlPlane && !down)
	p.network = take(!down && len(n.Usage.Received) > 0 && left > 1)
	p.pods += left
	return p
}
