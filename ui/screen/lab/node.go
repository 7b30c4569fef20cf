package lab

import (
	"fmt"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// phrase is a text in a style.
type phrase struct {
	text  string
	style themes.Style
}

// drawNode draws a node as a box, with as much as its height allows.
func drawNode(s widget.Surface, cx *screen.Context, n *state.Node) {
	st := cx.Styles
	selected, dim := n == cx.Node(), greyed(cx, n)
	lamp := widget.NodeLamp(st, n)
	box := widget.Box{Title: n.Name, TitleStyle: st.Strong, Badge: role(s, n), BadgeStyle: st.Muted, Border: st.Border,
		Footer: n.IP, FooterStyle: st.Muted}
	switch {
	case dim:
		box.TitleStyle, box.Border = st.Faint, st.Faint
	case n.State == event.NodeKilled:
		box.Border, box.Badge, box.BadgeStyle = st.Bad, "✗ KILLED", st.BadBadge
	case n.State == event.NodePaused:
		box.Border, box.Badge, box.BadgeStyle = st.Paused, "‖ PAUSED", st.Paused
	case n.State == event.NodeStopped:
		box.Border, box.Badge, box.BadgeStyle = st.Off, "○ STOPPED", st.Off
	}
	if selected {
		box.Heavy, box.Title, box.TitleStyle = true, n.Name, st.Title
		if n.State == event.NodeRunning || n.State == "" {
			box.Border = st.Focus
		}
	}
	in := box.Draw(s).Inset(1, 0)
	w, h := in.Size()
	p := planLines(cx, n, w, h)
	headline(in, 0, cx, n, lamp)
	y := 1
	if p.outlook {
		outlookLine(in, y, cx, n)
		y++
	}
	if p.pressure {
		in.Fit(0, y, w, st.Warn, pressureText(cx, n, w))
		y++
	}
	if p.raft {
		raftLine(in, y, cx, n)
		y++
	}
	y += lamps(in.Sub(0, y, w, p.lamps), cx, n)
	if count := len(podsOf(cx, n)); p.pods == 0 && count > 0 && y == h {
		if text := fmt.Sprintf("%dp", count); 2*len(n.Components)+len(text) <= w {
			in.Right(w, h-1, st.Muted, text)
		}
	}
	switch p.usage {
	case 1:
		half := (w - 2) / 2
		if half < 12 {
			half = w
		}
		pane.CPU(in, 0, y, half, cx, n)
		pane.Memory(in, half+2, y, w-half-2, cx, n)
	case 2:
		pane.CPU(in, 0, y, w, cx, n)
		pane.Memory(in, 0, y+1, w, cx, n)
	}
	y += p.usage
	if p.network {
		pane.Network(in, 0, y, w, cx, n)
		y++
	}
	if p.taint {
		in.Fit(0, y, w, st.Warn, taintLine(cx, n))
		y++
	}
	pods(in.Sub(0, y, w, h-y), cx, n)
	if dim {
		fade(s, st)
	}
}

// role is the badge of a node, as long as the box allows.
func role(s widget.Surface, n *state.Node) string {
	if w, _ := s.Size(); w < len(n.Name)+len(n.Role)+9 && n.Role == event.ControlPlane {
		return "control"
	}
	return string(n.Role)
}

func fade(s widget.Surface, st *themes.Styles) {
	_, h := s.Size()
	for y := range h {
		s.Recolor(y, st.Faint)
	}
}

// headline is a node's state, and what Kubernetes or Raft has to say of it.
func headline(s widget.Surface, y int, cx *screen.Context, n *state.Node, lamp widget.Lamp) {
	w, _ := s.Size()
	text := lamp.Glyph + " " + lamp.Word
	if n.State != event.NodeRunning && n.State != "" && w > 30 {
		text += " " + widget.Seconds(cx.Now.Sub(n.Since)) + " ago"
	}
	x := s.Fit(0, y, w, lamp.Style, text)
	for _, says := range verdicts(cx, n) {
		if x+widget.Width(says.text)+1 <= w {
			s.Right(w, y, says.style, says.text)
			return
		}
	}
}

// verdict is what the others think of a node, in full.
func verdict(cx *screen.Context, n *state.Node) phrase { return verdicts(cx, n)[0] }

// verdicts are what the others think of a node, in ever fewer words: the Ready
// condition of a worker, the Raft role of a control plane.
func verdicts(cx *screen.Context, n *state.Node) []phrase {
	st := cx.Styles
	if kn := cx.World.Kube.Nodes[n.Name]; kn != nil {
		ready := widget.ReadyLamp(st, kn)
		short := phrase{ready.Glyph + " " + ready.Word, ready.Style}
		if kn.Ready != "True" && !kn.Since.IsZero() {
			return []phrase{{short.text + " " + widget.Age(cx.Now.Sub(kn.Since)), ready.Style}, short, {ready.Glyph, ready.Style}}
		}
		return []phrase{short, {ready.Glyph, ready.Style}}
	}
	if m := cx.World.Raft.Members[n.Name]; m != nil && (m.Role != "" || len(m.Swim) > 0) {
		raft := widget.RaftLamp(st, m.Role)
		if m.Role == "" {
			return []phrase{{raft.Glyph + " etcd down", raft.Style}, {raft.Glyph + " etcd", raft.Style}}
		}
		return []phrase{
			{fmt.Sprintf("%s %s term %d", raft.Glyph, raft.Word, m.Term), raft.Style},
			{fmt.Sprintf("%s %s t%d", raft.Glyph, raft.Word, m.Term), raft.Style},
			{raft.Glyph + " " + raft.Word, raft.Style}, {raft.Glyph, raft.Style},
		}
	}
	if n.Role == event.Worker {
		return []phrase{{"○ no Node yet", st.Off}, {"○", st.Off}}
	}
	return []phrase{{}}
}

// raftLine says what the node's etcd member has in its log.
func raftLine(s widget.Surface, y int, cx *screen.Context, n *state.Node) {
	w, _ := s.Size()
	m := cx.World.Raft.Members[n.Name]
	if m == nil || m.Commit == 0 {
		return
	}
	x := s.Text(0, y, cx.Styles.Muted, "commit ")
	x = s.Text(x, y, cx.Styles.Text, fmt.Sprint(m.Commit))
	if m.DBBytes > 0 && x+9 < w {
		x = s.Text(x+2, y, cx.Styles.Muted, "db ")
		x = s.Fit(x, y, w-x, cx.Styles.Text, widget.Bytes(m.DBBytes))
	}
	if x+12 < w && !m.At.IsZero() {
		x = s.Text(x+2, y, cx.Styles.Muted, "heard ")
		s.Fit(x, y, w-x, cx.Styles.Text, widget.Seconds(cx.Now.Sub(m.At)))
	}
}

// outlookLine says what comes next: the lease's age, then the time until the
// node is NotReady, then the time until its pods are evicted.
func outlookLine(s widget.Surface, y int, cx *screen.Context, n *state.Node) {
	st, w := cx.Styles, 0
	w, _ = s.Size()
	o := screen.NodeOutlook(cx.World, cx.Now, n.Name)
	top := cx.World.Topology
	switch {
	case n.Shutdown.Waiting():
		shutdownLine(s, y, cx, n)
	case o.Evicting && o.EvictIn > 0:
		countdown(s, y, st, st.Warn, widget.Plural(o.Waiting, "pod"), "evicted in "+widget.Seconds(o.EvictIn)+"?",
			1-float64(o.EvictIn)/float64(top.EvictionDelay))
	case o.Evicting:
		s.Fit(0, y, w, st.Bad, "eviction of "+widget.Plural(o.Waiting, "pod")+" is due")
	case o.NotReady && o.Leaving > 0:
		s.Fit(0, y, w, st.Bad, widget.Plural(o.Leaving, "pod")+" evicted")
	case o.Silent && o.NotReadyIn > 0:
		countdown(s, y, st, st.Warn, "lease "+widget.Seconds(o.LeaseAge), "NotReady "+widget.Seconds(o.NotReadyIn)+"?",
			float64(o.LeaseAge)/float64(top.GracePeriod))
	case o.Silent:
		s.Fit(0, y, w, st.Bad, "lease "+widget.Seconds(o.LeaseAge)+", NotReady is due")
	case o.HasLease:
		x := s.Text(0, y, st.Muted, "lease ")
		s.Fit(x, y, w-x, st.Text, widget.Seconds(o.LeaseAge)+" old")
	case n.Role == event.ControlPlane:
		controlLine(s, y, cx, n)
	case n.Cause != "":
		s.Fit(0, y, w, st.Muted, widget.Clean(n.Cause))
	}
}

// controlLine says which leader leases the node's components hold. One that
// does not run leads nobody, but its lease keeps others from it until it expires.
func controlLine(s widget.Surface, y int, cx *screen.Context, n *state.Node) {
	w, _ := s.Size()
	held := heldBy(cx, n)
	if held == "" {
		return
	}
	st := cx.Styles
	if n.State != event.NodeRunning && n.State != event.NodeStarting {
		s.Fit(0, y, w, st.Warn, leftBehind(cx, n, held))
		return
	}
	x := s.Text(0, y, st.Muted, "leads ")
	s.Fit(x, y, w-x, st.Leader, held)
}

// leftBehind says how long the leases of a node that does not run still bind.
func leftBehind(cx *screen.Context, n *state.Node, held string) string {
	var free time.Time
	for _, name := range leaderLeases() {
		if l := cx.World.Kube.Leases["kube-system/"+name]; l != nil && holds(n, l) {
			if end := l.Renewed.Add(time.Duration(l.Seconds) * time.Second); end.After(free) {
				free = end
			}
		}
	}
	if left := free.Sub(cx.Now); left > 0 {
		return held + " lease free in " + widget.Seconds(left) + "?"
	}
	return held + " lease expired, not taken over yet"
}

// countdown draws a text, a gauge and what it counts down to in one line.
func countdown(s widget.Surface, y int, st *themes.Styles, style themes.Style, text, goal string, share float64) {
	w, _ := s.Size()
	room := w - widget.Width(text) - widget.Width(goal) - 2
	if room < 0 {
		s.Fit(0, y, w, style, goal)
		return
	}
	x := s.Fit(0, y, w, style, text) + 1
	widget.Gauge(s, x, y, room, style, st.Faint, share)
	s.Right(w, y, style, goal)
}

// heldBy are the leader leases a node's components hold, in short.
func heldBy(cx *screen.Context, n *state.Node) string {
	var held []string
	for _, name := range leaderLeases() {
		if l := cx.World.Kube.Leases["kube-system/"+name]; l != nil && holds(n, l) {
			held = append(held, pane.ShortName(name))
		}
	}
	return strings.Join(held, " ")
}

func leaderLeases() []string {
	return []string{"kube-controller-manager", "cloud-controller-manager", "kube-scheduler"}
}

func holds(n *state.Node, l *state.KubeLease) bool {
	return l.Holder == n.Name || strings.HasPrefix(l.Holder, n.Name+"_")
}
