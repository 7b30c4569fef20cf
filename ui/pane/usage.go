package pane

import (
	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// CPU draws a node's processor use: label, sparkline and number in w columns.
func CPU(s widget.Surface, x, y, w int, cx *screen.Context, n *state.Node) {
	text, cores := "-", shown(n, n.Usage.Cores())
	if len(cores) > 0 {
		text = widget.Cores(cores[len(cores)-1])
	}
	series(s, x, y, w, cx, "cpu", text, cores, max(n.CPUs/4, 0.25))
}

// Memory draws a node's memory use: label, sparkline and number in w columns.
func Memory(s widget.Surface, x, y, w int, cx *screen.Context, n *state.Node) {
	text, memory, top := "-", shown(n, n.Usage.Memory()), 0.0
	if len(memory) > 0 {
		text = widget.Bytes(int64(memory[len(memory)-1]))
		for _, v := range memory {
			top = max(top, v)
		}
	}
	series(s, x, y, w, cx, "mem", text, memory, max(top*1.6, float64(n.MemoryBytes)))
}

// leastTraffic is the scale of the sparkline of a network that is nearly idle, in
// bytes/s: noise must not look like load.
const leastTraffic = 64 << 10

// Network draws what comes to and leaves a node: label, sparkline and number in w
// columns.
func Network(s widget.Surface, x, y, w int, cx *screen.Context, n *state.Node) {
	received, sent := n.Usage.Traffic()
	both := make([]float64, len(received))
	for i := range both {
		both[i] = received[i] + sent[i]
	}
	text, both := "-", shown(n, both)
	if len(both) > 0 {
		text = widget.Bytes(int64(both[len(both)-1]))
	}
	series(s, x, y, w, cx, "B/s", text, both, leastTraffic)
}

// shown are the values of a node that is up; none of one that is not.
func shown(n *state.Node, values []float64) []float64 {
	if n.State == event.NodeRunning || n.State == event.NodePaused {
		return values
	}
	return nil
}

func series(s widget.Surface, x, y, w int, cx *screen.Context, label, text string, values []float64, top float64) {
	const number = 6
	if w < 4+number {
		return
	}
	x = s.Text(x, y, cx.Styles.Muted, label+" ")
	if bars := w - 4 - number; bars > 1 {
		widget.Spark(s, x, y, bars, cx.Styles.Info, cx.Styles.Faint, values, top)
		s.Right(x+bars+number, y, cx.Styles.Text, text)
		return
	}
	s.Fit(x, y, w-4, cx.Styles.Text, text)
}

// PodUse are the cells of what a pod uses now; "-" while nothing is known.
func PodUse(cx *screen.Context, p *event.KubePod) (cpu, memory widget.Cell) {
	u := cx.World.PodUsage(p)
	if u == nil || len(u.Milli) == 0 {
		none := widget.Cell{Text: "-", Style: cx.Styles.Muted}
		return none, none
	}
	last := u.Last()
	return widget.Cell{Text: widget.Cores(last.Cores), Style: cx.Styles.Text},
		widget.Cell{Text: widget.Bytes(last.MemoryBytes), Style: cx.Styles.Text}
}
