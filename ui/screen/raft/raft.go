// Package raft is the screen of the etcd members: who leads, what each has in
// its log, how the last elections went, and what that means for writes.
package raft

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Raft is the screen.
type Raft struct {
	list          screen.ListKeys
	in, out, next key.Binding
	zoom          int // of the election
	messageZoom   int
	chosen        int // the section that gets room first
}

// spans are the zoom levels of the swimlane.
func spans() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
}

// New is the screen at its start.
func New() *Raft {
	return &Raft{
		list: screen.NewListKeys(),
		in:   key.NewBinding(key.WithKeys("]"), key.WithHelp("]", "zoom in")),
		out:  key.NewBinding(key.WithKeys("["), key.WithHelp("[", "zoom out")),
		next: key.NewBinding(key.WithKeys("tab"), key.WithHelp("tab", "next part")),
		zoom: 1, messageZoom: 1, chosen: sectionMessages,
	}
}

// About implements screen.Screen.
func (r *Raft) About() screen.About {
	return screen.About{Number: 2, ID: "raft", Title: "Raft", Filters: true,
		Text: "etcd's members, their logs and elections, and who can commit"}
}

// Keys implements screen.Screen.
func (r *Raft) Keys() []key.Binding {
	keys := append([]key.Binding{r.next, r.out, r.in}, screen.FaultKeys()...)
	for _, o := range operations() {
		keys = append(keys, o.binding)
	}
	return append(keys, r.list.Up, r.list.Down)
}

// Handle implements screen.Screen.
func (r *Raft) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	names := members(cx)
	if click, ok := msg.(screen.Click); ok {
		for i, name := range names {
			if click.Zone == fmt.Sprint("member/", i) {
				cx.Selection.Node = name
			}
		}
		return nil
	}
	at := slices.Index(names, r.selected(cx))
	if to, ok := r.list.Move(msg, max(at, 0), len(names)); ok && len(names) > 0 {
		cx.Selection.Node = names[to]
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	switch {
	case !ok:
	case key.Matches(press, r.in):
		r.zoom, r.messageZoom = max(r.zoom-1, 0), max(r.messageZoom-1, 0)
	case key.Matches(press, r.out):
		r.zoom, r.messageZoom = min(r.zoom+1, len(spans())-1), min(r.messageZoom+1, len(messageSpans())-1)
	case key.Matches(press, r.next):
		r.chosen = (r.chosen + 1) % sectionCount
	case r.selected(cx) != "":
		if intent := operate(press, cx.World, r.selected(cx)); intent != nil {
			return intent
		}
		return screen.HandleFault(press, cx.World, r.selected(cx)+"/etcd")
	}
	return nil
}

// selected is the node of the selected member.
func (r *Raft) selected(cx *screen.Context) string {
	names := members(cx)
	if slices.Contains(names, cx.Selection.Node) {
		return cx.Selection.Node
	}
	if len(names) > 0 {
		return names[0]
	}
	return ""
}

// members are the nodes with an etcd member, in the order of the topology.
func members(cx *screen.Context) []string {
	var names []string
	for _, n := range cx.Order() {
		if cx.World.Raft.Members[n.Name] != nil {
			names = append(names, n.Name)
		}
	}
	return names
}

// Draw implements screen.Screen.
func (r *Raft) Draw(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	names := members(cx)
	if len(names) == 0 {
		s.Fit(1, 0, w-2, cx.Styles.Muted, "no etcd member has reported yet")
		return
	}
	headline(s, cx, len(names)+len(cx.World.Raft.Strangers()))
	y := 2
	t := r.table(cx, names)
	t.Draw(s.Sub(0, y, w, min(len(names)+1, h-y)), cx.Styles)
	y += min(len(names)+1, h-y)
	why := explain(cx, w-8)
	parts := r.sections(cx, names)
	lines := share(parts, r.chosen, h-y-len(why)-1)
	draw := func(i int) {
		if lines[i] > 0 {
			parts[i].draw(s.Sub(0, y, w, lines[i]), cx)
			y += lines[i]
		}
	}
	draw(sectionLog)
	draw(sectionMessages)
	draw(sectionElection)
	for i, line := range why {
		if i == 0 {
			s.Text(1, y, cx.Styles.Title, "WHY")
		}
		s.Fit(6, y, w-7, line.style, line.text)
		y++
	}
	draw(sectionLines)
}

// sections are the parts of the screen between the table and the foot.
func (r *Raft) sections(cx *screen.Context, names []string) [sectionCount]section {
	var out [sectionCount]section
	if hasLogs(cx) {
		out[sectionLog] = section{least: len(names) + 2, most: len(names) + 2 + min(len(cx.World.Raft.Entries), 8),
			draw: func(s widget.Surface, cx *screen.Context) { r.grid(s, cx, names) }}
	}
	if len(cx.World.Raft.Pairs) > 0 {
		lanes := len(pairs(cx, names, cx.Now.Add(-messageSpans()[r.messageZoom])))
		out[sectionMessages] = section{least: min(max(lanes, 1), 2) + 2, most: max(lanes, 1) + 2,
			draw: func(s widget.Surface, cx *screen.Context) { r.messages(s, cx, names) }}
	}
	out[sectionElection] = section{least: len(names) + 2, most: 2*len(names) + 2, draw: func(s widget.Surface, cx *screen.Context) { r.swimlane(s, cx, names) }}
	out[sectionLines] = section{least: 3, most: 1000, draw: r.log}
	return out
}

// headline is the members, quorum, term and leader in one line.
func headline(s widget.Surface, cx *screen.Context, n int) {
	st := cx.Styles
	w, _ := s.Size()
	need, up, _ := cx.World.Raft.Quorum()
	x := 1
	pair := func(label, value string, ok bool) {
		style := st.Strong
		if !ok {
			style = st.Bad
		}
		if x+len(label)+widget.Width(value)+2 < w {
			x = s.Text(x, 0, st.Muted, label+" ")
			x = s.Text(x, 0, style, value) + 3
		}
	}
	leader := cx.World.Raft.Leader()
	term, commit := uint64(0), uint64(0)
	for _, m := range cx.World.Raft.Members {
		term, commit = max(term, m.Term), max(commit, m.Commit)
	}
	pair("members", fmt.Sprintf("%d of %d up", up, n), up == n)
	pair("quorum", fmt.Sprint(need), up >= need)
	pair("term", fmt.Sprint(term), true)
	if leader == "" {
		pair("leader", "none", false)
	} else {
		pair("leader", "★ "+leader, true)
	}
	pair("committed", fmt.Sprint(commit), true)
	pair("etcd", cx.World.Topology.EtcdVersion, true)
}

// memberLamp is the role of a member; one that never reported is not down.
func memberLamp(cx *screen.Context, m *state.Member) widget.Lamp {
	if m.Out {
		return widget.Lamp{Glyph: "∅", Style: cx.Styles.Off, Word: "removed"}
	}
	if m.Role == "" && len(m.Swim) == 0 {
		return widget.Lamp{Glyph: "·", Style: cx.Styles.Off, Word: "not heard of"}
	}
	return widget.RaftLamp(cx.Styles, m.Role)
}

// processLamp is the state of the member's process, or of its node where that is down or frozen.
func processLamp(cx *screen.Context, name string) widget.Lamp {
	n := cx.World.Nodes[name]
	if n == nil {
		return widget.Lamp{Glyph: "·", Style: cx.Styles.Off, Word: "unknown"}
	}
	if n.State != event.NodeRunning && n.State != event.NodeStarting {
		lamp := widget.NodeLamp(cx.Styles, n)
		lamp.Word = "node " + lamp.Word
		return lamp
	}
	if c := n.Components["etcd"]; c != nil {
		return widget.ComponentLamp(cx.Styles, c)
	}
	return widget.NodeLamp(cx.Styles, n)
}

// log draws the last lines of the members' Raft logs, the newest at the bottom.
func (r *Raft) log(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	if h < 2 {
		return
	}
	st := cx.Styles
	title := "Raft log"
	if cx.Filter != "" {
		title += " filtered by “" + cx.Filter + "”"
	}
	s.Rule(0, st, title)
	var lines []state.RaftLine
	for _, l := range cx.World.Raft.Log {
		if cx.Filter == "" || strings.Contains(strings.ToLower(l.Node+" "+l.Text), strings.ToLower(cx.Filter)) {
			lines = append(lines, l)
		}
	}
	// Members report in batches: their lines are merged by time.
	slices.SortStableFunc(lines, func(a, b state.RaftLine) int { return a.At.Compare(b.At) })
	lines = lines[max(0, len(lines)-(h-1)):]
	if len(lines) == 0 {
		s.Fit(1, 1, w-2, st.Muted, "no line yet")
	}
	for i, l := range lines {
		s.Text(1, i+1, st.Muted, l.At.Local().Format("15:04:05.000"))
		x := s.Text(15, i+1, st.Strong, l.Node)
		s.Fit(max(x+2, 20), i+1, w-max(x+2, 20)-1, lineStyle(cx, l.Text), widget.Clean(l.Text))
	}
}
