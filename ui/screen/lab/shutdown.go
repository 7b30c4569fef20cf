package lab

import (
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// shutdownLine counts down how long a shutdown that is announced may still be
// delayed.
func shutdownLine(s widget.Surface, y int, cx *screen.Context, n *state.Node) {
	down := &n.Shutdown
	passed := cx.Now.Sub(down.Announced)
	who := widget.Clean(strings.Join(down.Waits, ", "))
	if left := down.Limit - passed; left > 0 {
		countdown(s, y, cx.Styles, cx.Styles.Warn, "shuts down", widget.Seconds(left)+" left to "+who, float64(passed)/float64(down.Limit))
		return
	}
	w, _ := s.Size()
	s.Fit(0, y, w, cx.Styles.Warn, "shuts down, "+who+" had its time")
}

// shutdownSaid is how the announced shutdown of a node that is down went.
func shutdownSaid(n *state.Node) string {
	down := &n.Shutdown
	who := widget.Clean(strings.Join(down.Waits, ", "))
	switch {
	case down.Phase == event.ShutdownExpired:
		return who + " delayed the shutdown until its time was over, " + widget.Short(down.Took)
	case down.Phase == event.ShutdownReleased && who != "":
		return who + " delayed the shutdown for " + widget.Short(down.Took)
	}
	return ""
}
