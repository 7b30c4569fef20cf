package lab

import (
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// lamps draws the components of a node and returns how many lines it took.
func lamps(s widget.Surface, cx *screen.Context, n *state.Node) int {
	w, h := s.Size()
	if h == 0 {
		return 0
	}
	list := pane.List(n)
	name, lines := pane.ShortName, flow(list, w, pane.ShortName)
	if full := flow(list, w, longName); len(full) <= h {
		name, lines = longName, full
	}
	if len(lines) > h {
		name, lines = func(string) string { return "" }, [][]*state.Component{list}
	}
	for y, line := range lines {
		x := 0
		for _, c := range line {
			lamp := widget.ComponentLamp(cx.Styles, c)
			if n.State == event.NodePaused && c.PID != 0 {
				lamp = widget.Lamp{Glyph: "‖", Style: cx.Styles.Paused}
			}
			from := x
			x = s.Text(x, y, lamp.Style, lamp.Glyph)
			label := cx.Styles.Text
			if cx.Selection.InComponents && c == cx.Component() {
				label = cx.Styles.Reverse
			}
			if text := name(c.Component); text != "" {
				x = s.Text(x+1, y, label, text)
			}
			s.Sub(from, y, x-from, 1).Zone("component/" + n.Name + "/" + c.Component)
			if x++; name(c.Component) != "" {
				x++
			}
		}
	}
	return len(lines)
}

func longName(component string) string { return strings.TrimPrefix(component, "kube-") }

// flow breaks the components into lines of lamps and names.
func flow(list []*state.Component, w int, name func(string) string) [][]*state.Component {
	var lines [][]*state.Component
	x := w + 1
	for _, c := range list {
		need := 2 + widget.Width(name(c.Component))
		if x+need > w || len(lines) == 0 {
			lines, x = append(lines, nil), 0
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], c)
		x += need + 2
	}
	return lines
}

// glyphs are the lamps of a node without names.
func glyphs(cx *screen.Context, n *state.Node) string {
	var b strings.Builder
	for _, c := range pane.List(n) {
		b.WriteString(widget.ComponentLamp(cx.Styles, c).Glyph)
	}
	return b.String()
}

func numberOf(n *state.Node, cpu bool) string {
	last := n.Usage.Last()
	switch {
	case last.At.IsZero() || n.State == event.NodeKilled || n.State == event.NodeStopped:
		return "-"
	case cpu:
		return widget.Cores(last.Cores)
	default:
		return widget.Bytes(last.MemoryBytes)
	}
}

// pressures are what a node's kubelet says runs short there. Of one that tells
// nothing any more, nobody knows.
func pressures(cx *screen.Context, n *state.Node) []event.Pressure {
	if kn := cx.World.Kube.Nodes[n.Name]; kn != nil {
		return kn.Pressures
	}
	return nil
}

// pressureText names the pressures of a node, and since when, in at most w cells:
// MemoryPressure 12s, or Memory+DiskPressure.
func pressureText(cx *screen.Context, n *state.Node, w int) string {
	var full, names []string
	for _, p := range pressures(cx, n) {
		full = append(full, p.Type+" "+widget.Since(cx.Now, p.Since))
		names = append(names, strings.TrimSuffix(p.Type, "Pressure"))
	}
	if text := strings.Join(full, "  "); widget.Width(text) <= w || len(names) == 0 {
		return text
	}
	short := strings.Join(names, "+") + "Pressure"
	if w > 0 && widget.Width(short) > w {
		short = strings.Replace(short, "Memory", "Mem", 1)
	}
	return short
}

// taintLine names the taints of a node.
func taintLine(cx *screen.Context, n *state.Node) string {
	kn := cx.World.Kube.Nodes[n.Name]
	if kn == nil || len(kn.Taints) == 0 {
		return ""
	}
	var names []string
	effects := map[string][]string{}
	for _, t := range kn.Taints {
		name := strings.TrimPrefix(strings.TrimPrefix(t.Key, "node.kubernetes.io/"), "node-role.kubernetes.io/")
		if effects[name] == nil {
			names = append(names, name)
		}
		effects[name] = append(effects[name], t.Effect)
	}
	for i, name := range names {
		names[i] = name + ":" + strings.Join(effects[name], ",")
	}
	return "taint " + strings.Join(names, " ")
}

// podsOf are the pods bound to a node: those of users first.
func podsOf(cx *screen.Context, n *state.Node) []*event.KubePod {
	keys := cx.World.Kube.PodsOn(n.Name)
	list := make([]*event.KubePod, 0, len(keys))
	for _, key := range keys {
		list = append(list, cx.World.Kube.Pods[key])
	}
	slices.SortStableFunc(list, func(a, b *event.KubePod) int { return system(a) - system(b) })
	return list
}

func system(p *event.KubePod) int {
	if strings.HasPrefix(p.Namespace, "kube-") {
		return 1
	}
	return 0
}

// pods draws the pods of a node as cells; what does not fit is counted.
func pods(s widget.Surface, cx *screen.Context, n *state.Node) {
	w, h := s.Size()
	list := podsOf(cx, n)
	if h == 0 || w < 6 || len(list) == 0 {
		return
	}
	x, y := 0, 0
	for i, p := range list {
		lamp := widget.PodLamp(cx.Styles, p)
		name := podName(p)
		more := ""
		if rest := len(list) - i - 1; rest > 0 {
			more = " +" + widget.Count(rest)
		}
		need := 2 + widget.Width(name)
		if x > 0 && x+need > w {
			x, y = 0, y+1
		}
		last := y == h-1
		if y >= h || (last && x > 0 && x+need+len(more) > w) {
			s.Right(w, h-1, cx.Styles.Muted, "+"+widget.Count(len(list)-i))
			return
		}
		s.Text(x, y, lamp.Style, lamp.Glyph)
		style := cx.Styles.Text
		if system(p) > 0 {
			style = cx.Styles.Muted
		}
		room := w - x - 2
		if last && rest(list, i) {
			room -= len(more)
		}
		x = s.Fit(x+2, y, room, style, name) + 2
	}
}

func rest(list []*event.KubePod, i int) bool { return i < len(list)-1 }

// podName is a pod's name without the hash of its ReplicaSet: web-x9k2p.
func podName(p *event.KubePod) string {
	owner, ok := strings.CutPrefix(p.Owner, "ReplicaSet/")
	if !ok {
		return p.Name
	}
	suffix, ok := strings.CutPrefix(p.Name, owner+"-")
	if !ok {
		return p.Name
	}
	if i := strings.LastIndexByte(owner, '-'); i > 0 {
		owner = owner[:i]
	}
	return owner + "-" + suffix
}
