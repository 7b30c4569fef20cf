package lab

import (
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// The heights of boxes beyond which more lines say nothing more.
const (
	tallControl = 9
	tallWorker  = 11
)

// tile is how nodes are laid out: columns of boxes of w cells, those of control
// planes and of workers of their own height; no columns means a list of lines.
type tile struct{ columns, w, control, worker int }

// layout finds the largest boxes with which two groups of nodes fit.
func layout(w, h, controlPlanes, workers int) tile {
	for _, least := range []struct{ w, h int }{{30, 10}, {24, 9}, {24, 7}, {22, 6}, {18, 5}, {16, 4}} {
		most := max(w/least.w, 1)
		if w < least.w {
			continue
		}
		columns := min(most, max(controlPlanes, workers, 1))
		rows := ceil(controlPlanes, columns) + ceil(workers, columns)
		if rows > 0 && rows*least.h <= h {
			t := tile{columns: columns, w: min(w/columns, 64), control: min(h/rows, tallControl)}
			if t.w >= 40 {
				t.control = min(t.control, tallControl-1)
			}
			t.worker = tallControl
			if n := ceil(workers, columns); n > 0 {
				t.worker = min((h-ceil(controlPlanes, columns)*t.control)/n, tallWorker)
			}
			return t
		}
	}
	return tile{}
}

func ceil(n, by int) int { return (n + by - 1) / by }

// groups are the control planes and the workers.
func groups(cx *screen.Context) [2][]*state.Node {
	var out [2][]*state.Node
	for _, n := range cx.Order() {
		if n.Role == event.Worker {
			out[1] = append(out[1], n)
		} else {
			out[0] = append(out[0], n)
		}
	}
	return out
}

// height is how many of h lines the nodes take.
func height(cx *screen.Context, w, h int) int {
	g := groups(cx)
	links := laneCount(cx, h)
	t := layout(w, h-links, len(g[0]), len(g[1]))
	if t.columns == 0 {
		return min(h, len(g[0])+len(g[1])+1+links)
	}
	return links + ceil(len(g[0]), t.columns)*t.control + ceil(len(g[1]), t.columns)*t.worker
}

func drawNodes(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	groups := groups(cx)
	links := laneCount(cx, h)
	t := layout(w, h-links, len(groups[0]), len(groups[1]))
	if t.columns == 0 {
		drawList(s.Sub(0, 0, w, h-links), cx)
		drawLanes(s.Sub(0, h-links, w, links), cx, nil)
		return
	}
	y := 0
	at := map[string]place{}
	for g, group := range groups {
		tall := t.control
		if g == 1 {
			tall = t.worker
		}
		for i, n := range group {
			box := s.Sub(i%t.columns*t.w, y+i/t.columns*tall, t.w, tall)
			box.Zone("node/" + n.Name)
			drawNode(box, cx, n)
			at[n.Name] = place{x: i%t.columns*t.w + t.w/2 - 3*g, down: g == 0} // so that lines up and down differ
		}
		y += ceil(len(group), t.columns) * tall
		if g == 0 {
			strip := s.Sub(0, y, w, links)
			defer func() { drawLanes(strip, cx, at) }() // once all places are known
			y += links
		}
	}
}

// greyed says that a filter is active and the node is not what it asks for: its
// place stays, because place carries meaning here.
func greyed(cx *screen.Context, n *state.Node) bool {
	if cx.Filter == "" {
		return false
	}
	text := n.Name + " " + string(n.Role) + " " + string(n.State) + " " + strings.Join(n.TopologyNode.Components, " ")
	for _, key := range cx.World.Kube.PodsOn(n.Name) {
		text += " " + key
	}
	return !strings.Contains(strings.ToLower(text), strings.ToLower(cx.Filter))
}

// drawList draws one line per node, where there is no room for boxes.
func drawList(s widget.Surface, cx *screen.Context) {
	st := cx.Styles
	t := widget.Table{Focused: true, Zone: "row/", Columns: []widget.Column{
		{Title: "NODE"}, {Title: "STATE"}, {Title: "KUBERNETES", Grow: true}, {Title: "LAMPS", Drop: 2}, {Title: "CPU", Right: true, Drop: 3},
		{Title: "MEM", Right: true, Drop: 4}, {Title: "PODS", Right: true, Drop: 1},
	}}
	for i, n := range cx.Order() {
		if n == cx.Node() {
			t.Selected = i
		}
		lamp, says := widget.NodeLamp(st, n), verdict(cx, n)
		if short := pressureText(cx, n, 0); short != "" {
			says = phrase{says.text + ", " + short, st.Warn}
		}
		row := []widget.Cell{
			{Text: n.Name, Style: st.Strong}, {Text: lamp.Glyph + " " + lamp.Word, Style: lamp.Style},
			{Text: says.text, Style: says.style}, {Text: glyphs(cx, n), Style: lamp.Style},
			{Text: numberOf(n, true), Style: st.Text}, {Text: numberOf(n, false), Style: st.Text},
			{Text: widget.Count(len(cx.World.Kube.PodsOn(n.Name))), Style: st.Text},
		}
		if greyed(cx, n) {
			for i := range row {
				row[i].Style = st.Faint
			}
		}
		t.Rows = append(t.Rows, row)
	}
	t.Draw(s, st)
}
