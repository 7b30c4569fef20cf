package lab

import (
	"fmt"
	"slices"
	"strconv"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// drawDetail draws all there is to know of the selected node.
func drawDetail(s widget.Surface, cx *screen.Context) {
	n, st := cx.Node(), cx.Styles
	box := widget.Box{Title: n.Name, TitleStyle: st.Title, Badge: string(n.Role) + "  " + n.IP, BadgeStyle: st.Muted, Border: st.Border}
	if cx.Selection.InComponents {
		box.Border, box.Heavy = st.Focus, true
	}
	in := box.Draw(s)
	w, h := in.Size()
	if h < 3 || w < 20 {
		return
	}
	y := facts(in, cx, n)
	y += drawFaults(in.Sub(0, y, w, min(h/4, 6)), cx, n)
	list := pane.List(n)
	t := pane.Components(cx, list, false)
	t.Focused, t.Zone = cx.Selection.InComponents, ""
	t.Selected = slices.Index(list, cx.Component())
	t.Draw(in.Sub(0, y, w, min(len(list)+1, h-y)), st)
	y += len(list) + 1
	y += drawPods(in.Sub(0, y, w, h-y), cx, n)
	rest := in.Sub(0, y, w, h-y)
	if cx.Room == screen.Three {
		charts := 0
		if n.State == event.NodeRunning || n.State == event.NodePaused {
			charts = min(max(h-y-8, 0), 10)
			pane.Charts(rest.Sub(0, 1, w, charts-1), cx, pane.UsageCharts(cx, &n.Usage))
		}
		drawActions(rest.Sub(0, charts+1, w, h-y-charts-1), cx, n)
		return
	}
	if h-y > 2 {
		rest.Rule(0, st, "What happened")
		pane.Feed(rest.Sub(0, 1, w, h-y-1), cx)
	}
}

// facts draws a line or two about the node and returns how many.
func facts(s widget.Surface, cx *screen.Context, n *state.Node) int {
	st, w := cx.Styles, 0
	w, _ = s.Size()
	lamp := widget.NodeLamp(st, n)
	x := s.Text(1, 0, lamp.Style, lamp.Glyph+" "+lamp.Word+" "+widget.Since(cx.Now, n.Since))
	pair := func(label, value string) {
		if value != "" && x+4+len(label)+widget.Width(value) < w {
			x = s.Text(x+2, 0, st.Muted, label+" ")
			x = s.Text(x, 0, st.Text, value)
		}
	}
	if n.PID != 0 {
		pair("init pid", strconv.Itoa(n.PID))
	}
	if kn := cx.World.Kube.Nodes[n.Name]; kn != nil {
		pair("pods", kn.PodCIDR)
		pair("kubelet", kn.Version)
		pair("allocatable", fmt.Sprintf("%s cores %s", widget.Cores(float64(kn.AllocatableCPU)/1000), widget.Bytes(kn.AllocatableMemory)))
	}
	for _, i := range n.Shutdown.Inhibitors {
		pair("may delay a shutdown", widget.Clean(i.Who)+" "+widget.Short(n.Shutdown.Limit))
	}
	if held := heldBy(cx, n); held != "" && n.State != event.NodeRunning && n.State != event.NodeStarting {
		pair("but", leftBehind(cx, n, held))
	} else {
		pair("leads", held)
	}
	y := 1
	if n.Cause != "" && n.State != event.NodeRunning {
		s.Fit(1, y, w-2, lamp.Style, widget.Clean(n.Cause))
		y++
	}
	if said := shutdownSaid(n); said != "" {
		s.Fit(1, y, w-2, st.Muted, said)
		y++
	}
	if o := screen.NodeOutlook(cx.World, cx.Now, n.Name); o.Silent || o.NotReady || n.Shutdown.Waiting() {
		outlookLine(s.Sub(1, y, w-2, 1), 0, cx, n)
		y++
	}
	for _, p := range pressures(cx, n) {
		x := s.Fit(1, y, w-2, st.Warn, p.Type+" "+widget.Since(cx.Now, p.Since))
		s.Fit(x+2, y, w-x-3, st.Muted, widget.Clean(p.Message))
		y++
	}
	if taints := taintLine(cx, n); taints != "" {
		s.Fit(1, y, w-2, st.Warn, taints)
		y++
	}
	return y
}

// drawFaults draws the faults that are on the node and returns the lines it took.
func drawFaults(s widget.Surface, cx *screen.Context, n *state.Node) int {
	w, h := s.Size()
	y := 0
	for _, f := range cx.World.Faults.On(n.Name) {
		if y >= h {
			break
		}
		says := string(f.Verdict)
		if left, limited := f.Left(cx.Now); limited {
			says += "  heals in " + widget.Age(left)
		}
		x := s.Fit(1, y, w-2, cx.Styles.Bad, f.ID+" "+f.Text)
		s.Fit(x+2, y, w-x-3, cx.Styles.Muted, says)
		y++
	}
	return y
}

// drawPods draws the pods of the node as a table and returns the lines it took.
func drawPods(s widget.Surface, cx *screen.Context, n *state.Node) int {
	w, h := s.Size()
	list, st := podsOf(cx, n), cx.Styles
	if h < 3 || (n.Role == event.ControlPlane && len(list) == 0) {
		return 0
	}
	s.Rule(0, st, fmt.Sprintf("Pods %d", len(list)))
	t := widget.Table{Selected: -1, Empty: "none", Columns: []widget.Column{
		{Title: "NAMESPACE", Drop: 1}, {Title: "NAME", Grow: true}, {Title: "READY"}, {Title: "STATUS"},
		{Title: "RESTARTS", Right: true, Drop: 2}, {Title: "AGE", Right: true, Drop: 3},
		{Title: "CPU", Right: true, Drop: 4}, {Title: "MEM", Right: true, Drop: 4}, {Title: "IP", Drop: 5},
	}}
	for _, p := range list {
		lamp := widget.PodLamp(st, p)
		ready, restarts := screen.Containers(p)
		cpu, memory := pane.PodUse(cx, p)
		t.Rows = append(t.Rows, []widget.Cell{
			{Text: p.Namespace, Style: st.Muted}, {Text: p.Name, Style: st.Text}, {Text: ready, Style: st.Text},
			{Text: lamp.Glyph + " " + lamp.Word, Style: lamp.Style}, {Text: strconv.Itoa(restarts), Style: st.Text},
			{Text: widget.Since(cx.Now, p.Created), Style: st.Text}, cpu, memory, {Text: p.IP, Style: st.Muted},
		})
	}
	used := min(max(len(list), 1)+2, h)
	t.Draw(s.Sub(0, 1, w, used-1), st)
	return used
}

// drawActions draws what users did to the node, the newest first.
func drawActions(s widget.Surface, cx *screen.Context, n *state.Node) {
	w, h := s.Size()
	if h < 2 {
		return
	}
	y := 1
	for i := len(cx.World.Actions) - 1; i >= 0 && y < h; i-- {
		a := cx.World.Actions[i]
		if !onNode(a.Target, n.Name) {
			continue
		}
		style, text := cx.Styles.Text, a.Verb+" "+a.Target
		if a.Error != "" {
			style, text = cx.Styles.Bad, text+": "+a.Error
		}
		x := s.Text(1, y, cx.Styles.Muted, fmt.Sprintf("%6s ago ", widget.Since(cx.Now, a.At)))
		x = s.Fit(x+1, y, w-x-2, style, text)
		s.Fit(x+2, y, w-x-3, cx.Styles.Muted, widget.Clean(a.Equivalent))
		y++
	}
	if y > 1 {
		s.Rule(0, cx.Styles, "Your actions")
	}
}

func onNode(target, node string) bool {
	return target == node || (len(target) > len(node) && target[:len(node)+1] == node+"/")
}
