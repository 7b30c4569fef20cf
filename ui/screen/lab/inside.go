package lab

import (
	"fmt"
	"strconv"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// inside is the view into one worker: what its kubelet does and what its
// containerd told. Part is the one that the keys move in.
type inside struct {
	open   bool
	part   int
	cursor [insideParts]int
}

// The parts of the view, in the order of drawing.
const (
	partContainers = iota
	partProbes
	partVolumes
	partEvents
	insideParts
)

// next moves on to the next part.
func (v *inside) next() { v.part = (v.part + 1) % insideParts }

// draw draws the view of the selected node.
func (v *inside) draw(s widget.Surface, cx *screen.Context) {
	n, st := cx.Node(), cx.Styles
	box := widget.Box{Title: n.Name + " inside", TitleStyle: st.Title, Badge: string(n.Role) + "  " + n.IP, BadgeStyle: st.Muted, Border: st.Border}
	in := box.Draw(s)
	w, h := in.Size()
	if h < 4 || w < 20 {
		return
	}
	y := facts(in, cx, n)
	if n.Role != event.Worker {
		in.Fit(1, y+1, w-2, st.Muted, "a control plane runs no kubelet and no containers: its processes are the components")
		return
	}
	syncLine(in.Sub(1, y, w-2, 1), cx, n)
	y++
	parts := in.Sub(0, y, w, h-y)
	if cx.Room == screen.One || h-y < 16 {
		v.drawPart(parts, cx, n, v.part)
		return
	}
	top, left := (h-y)/2, w/2
	v.drawPart(parts.Sub(0, 0, left, top), cx, n, partContainers)
	v.drawPart(parts.Sub(left, 0, w-left, top), cx, n, partProbes)
	v.drawPart(parts.Sub(0, top, left, h-y-top), cx, n, partVolumes)
	v.drawPart(parts.Sub(left, top, w-left, h-y-top), cx, n, partEvents)
}

func (v *inside) drawPart(s widget.Surface, cx *screen.Context, n *state.Node, part int) {
	title, t := insideTable(cx, n, part)
	st := cx.Styles
	box := widget.Box{Title: title, TitleStyle: st.Title, Border: st.Border}
	if part == v.part {
		box.Border, box.Heavy = st.Focus, true
		box.Footer, box.FooterStyle = fmt.Sprintf("%d/%d", part+1, insideParts), st.Muted
	}
	t.Selected, t.Focused = min(v.cursor[part], len(t.Rows)-1), part == v.part
	t.Draw(box.Draw(s), st)
}

// insideTable is one part as a table, and its title.
func insideTable(cx *screen.Context, n *state.Node, part int) (string, widget.Table) {
	switch part {
	case partContainers:
		return containerTable(cx, n)
	case partProbes:
		return probeTable(cx, n)
	case partVolumes:
		return volumeTable(cx, n)
	}
	return eventTable(cx, n)
}

// syncLine says how the kubelet's sync loop does, as it last told.
func syncLine(s widget.Surface, cx *screen.Context, n *state.Node) {
	st, w := cx.Styles, 0
	w, _ = s.Size()
	x := s.Text(0, 0, st.Muted, "sync loop ")
	k := n.Kubelet
	if k == nil || k.At.IsZero() {
		s.Fit(x, 0, w-x, st.Off, "the kubelet has told nothing yet")
		return
	}
	for _, op := range []string{event.KubeletCreate, event.KubeletUpdate, event.KubeletSyncOp} {
		if did := k.Sync.Syncs[op]; did.Count > 0 {
			x = s.Fit(x, 0, w-x, st.Muted, op+" ")
			x = s.Fit(x, 0, w-x, st.Text, fmt.Sprintf("%s × %s", widget.Count(did.Count), widget.Short(did.Mean)))
			x = s.Fit(x, 0, w-x, st.Muted, "  ")
		}
	}
	x = s.Fit(x, 0, w-x, st.Muted, "lists containers every ")
	x = s.Fit(x, 0, w-x, st.Text, fmt.Sprintf("%s in %s", widget.Short(k.Sync.Interval), widget.Short(k.Sync.Relist.Mean)))
	s.Fit(x, 0, w-x, st.Muted, "  told "+widget.Since(cx.Now, k.At)+" ago")
}

// containerTable are the containers of the node's pods as the API has them.
func containerTable(cx *screen.Context, n *state.Node) (string, widget.Table) {
	st := cx.Styles
	t := widget.Table{Empty: "no pods here", Columns: []widget.Column{
		{Title: "POD", Grow: true, Min: 18}, {Title: "CONTAINER", Grow: true, Min: 8}, {Title: "STATE"}, {Title: "READY", Drop: 2}, {Title: "RESTARTS", Right: true, Drop: 1},
	}}
	pods := podsOf(cx, n)
	for _, p := range pods {
		lamp := widget.PodLamp(st, p)
		for _, c := range p.Containers {
			said, style, ready := c.State, st.Text, "no"
			if c.Reason != "" {
				said = c.Reason
			}
			if c.State != "running" {
				style = lamp.Style
			}
			if c.Ready {
				ready = "yes"
			}
			t.Rows = append(t.Rows, []widget.Cell{
				{Text: p.Name, Style: st.Text}, {Text: c.Name, Style: st.Text}, {Text: lamp.Glyph + " " + said, Style: style},
				{Text: ready, Style: st.Muted}, {Text: strconv.Itoa(int(c.Restarts)), Style: st.Text},
			})
		}
	}
	return fmt.Sprintf("Containers of %s", widget.Plural(len(pods), "pod")), t
}

// probeTable are the probes the kubelet makes.
func probeTable(cx *screen.Context, n *state.Node) (string, widget.Table) {
	st := cx.Styles
	t := widget.Table{Empty: "none made yet", Columns: []widget.Column{
		{Title: "POD", Grow: true, Min: 18}, {Title: "CONTAINER", Drop: 3}, {Title: "PROBE"}, {Title: "RESULT"},
		{Title: "SINCE", Right: true}, {Title: "OK", Right: true, Drop: 2}, {Title: "FAILED", Right: true, Drop: 1},
	}}
	if n.Kubelet == nil {
		return "Probes", t
	}
	for _, p := range n.Kubelet.Probes {
		result, style := "✗ "+p.Result, st.Bad
		switch p.Result {
		case event.ProbeSuccessful:
			result, style = "● ok", st.OK
		case event.ProbeUnknown:
			result, style = "◌ unknown", st.Warn
		case "":
			result, style = "○ not yet", st.Off
		}
		t.Rows = append(t.Rows, []widget.Cell{
			{Text: p.Pod, Style: st.Text}, {Text: p.Container, Style: st.Text}, {Text: strings.ToLower(p.Kind), Style: st.Text}, {Text: result, Style: style},
			{Text: widget.Since(cx.Now, p.Since), Style: st.Muted}, {Text: widget.Count(p.Successful), Style: st.Text}, {Text: widget.Count(p.Failed), Style: st.Text},
		})
	}
	return fmt.Sprintf("Probes %d", len(t.Rows)), t
}
