package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// names is the width of the column of plugins in the tables of a decision.
func (d *decision) names() int {
	if d.page.width > 108 {
		return 38
	}
	return 26
}

// name is a plugin as the first column has it.
func (d *decision) name(name string, room int) string { return widget.Clip(name, d.names()-2-room) }

// drawDecision draws one attempt, or why there is none.
func (s *Schedule) drawDecision(surface widget.Surface, cx *screen.Context) {
	w, h := surface.Size()
	p := &page{width: w - 1}
	pod := s.pod(cx)
	if pod == "" {
		surface.Fit(1, 0, w-2, cx.Styles.Muted, "no pod was scheduled yet; make one, and its decision is here")
		return
	}
	c := s.cycle(cx)
	s.heading(p, cx, pod, c)
	s.why(p, cx, pod, c)
	if c != nil {
		s.history(p, cx, c)
		d := &decision{c: c, cx: cx, screen: s, page: p}
		d.order()
		d.preFilter()
		d.filter()
		d.score()
		d.preemption()
		d.binding()
	}
	p.draw(surface.Sub(0, 0, w, h), cx.Styles, s.scroll)
}

// heading is the attempt in one line.
func (s *Schedule) heading(p *page, cx *screen.Context, pod string, c *state.Cycle) {
	st := cx.Styles
	l := line{{1, st.Muted, "pod "}, {-1, st.Strong, pod}}
	pair := func(label, value string) {
		l = append(l, span{-1, st.Muted, "  " + label + " "}, span{-1, st.Text, value})
	}
	if c == nil {
		p.add(append(l, span{-1, st.Muted, "  no attempt known"})...)
		return
	}
	all := s.attempts(cx)
	pair("attempt", fmt.Sprint(c.Attempt))
	if n, back := len(all), s.behind(cx); back > 0 {
		l = append(l, span{-1, st.Warn, fmt.Sprintf(" (%d of %d, not the newest)", n-back, n)})
	}
	pair("queued", widget.Short(c.Queued))
	pair("cycle", widget.Short(c.Took))
	if c.Node != "" {
		l = append(l, span{-1, st.Muted, "  → "}, span{-1, st.OK, c.Node})
	} else {
		l = append(l, span{-1, st.Bad, "  " + string(c.Outcome)})
	}
	pair("at", c.Start.Local().Format("15:04:05.000"))
	pair("profile", c.Profile)
	pair("on", c.Instance)
	if c.Pod.Priority != 0 {
		pair("priority", fmt.Sprint(c.Pod.Priority))
	}
	p.add(l...)
}

// shown is how many attempts before this one are told in a line each.
const shown = 3

// history tells of the attempts before this one, and what woke the pod.
func (s *Schedule) history(p *page, cx *screen.Context, c *state.Cycle) {
	st := cx.Styles
	var before []*state.Cycle
	for _, one := range s.attempts(cx) {
		if one == c {
			break
		}
		before = append(before, one)
	}
	if n := len(before) - shown; n > 0 {
		p.add(span{2, st.Muted, fmt.Sprintf("%s before those", widget.Plural(n, "attempt"))})
		before = before[n:]
	}
	for _, one := range before {
		p.add(span{2, st.Muted, fmt.Sprintf("attempt %d %s: %s", one.Attempt, one.Start.Local().Format("15:04:05"), short(one))})
	}
	if c.Attempt > 1 || c.Woken.InFlight {
		p.add(span{2, st.Muted, "woken by "}, span{-1, st.Text, woken(c.Woken, c.Start)})
	}
}

// short is the outcome of an attempt in a few words.
func short(c *state.Cycle) string {
	switch {
	case c.Bind.Outcome != "" && c.Bind.Outcome != event.SchedBound:
		return fmt.Sprintf("→ %s, binding failed: %s", c.Node, c.Bind.Message)
	case c.Node != "":
		return "→ " + c.Node
	case c.Message != "":
		return widget.Clean(c.Message)
	}
	return string(c.Outcome)
}

// woken is what brought a pod back, in words.
func woken(w event.SchedWake, start time.Time) string {
	at := ""
	if !w.At.IsZero() {
		at = ", " + widget.Short(start.Sub(w.At)) + " before this attempt"
	}
	switch {
	case w.InFlight:
		return "an event that came while it was being tried; which one the scheduler does not tell"
	case w.Event == "" && w.Object == "":
		return "something that was not seen"
	case w.Event == "":
		return w.Object + at
	case w.Object == "":
		return w.Event + at
	}
	return w.Event + "  " + w.Object + at
}

// decision draws the parts of one cycle.
type decision struct {
	c      *state.Cycle
	cx     *screen.Context
	screen *Schedule
	page   *page
	rows   []event.SchedRow // in the order drawn
}

func (d *decision) node(row event.SchedRow) string { return d.c.Nodes[row.Node] }
func (d *decision) styles() *themes.Styles         { return d.cx.Styles }

// order puts few nodes in the order of their names, w2 before w10, and many
// with the chosen one and the best first.
func (d *decision) order() {
	d.rows = slices.Clone(d.c.Rows)
	natural := func(a, b event.SchedRow) int {
		return cmp.Or(cmp.Compare(len(d.node(a)), len(d.node(b))), strings.Compare(d.node(a), d.node(b)))
	}
	slices.SortStableFunc(d.rows, natural)
	if len(d.rows) <= 8 {
		return
	}
	slices.SortStableFunc(d.rows, func(a, b event.SchedRow) int {
		if d.node(a) == d.c.Node || d.node(b) == d.c.Node {
			return map[bool]int{true: -1, false: 1}[d.node(a) == d.c.Node]
		}
		return cmp.Compare(b.Total, a.Total)
	})
}

// columns is the window of nodes that fits, each of width cells.
func (d *decision) columns(rows []event.SchedRow, width, room int) []event.SchedRow {
	n := max(room/width, 1)
	first := max(0, min(d.screen.shift, len(rows)-n))
	return rows[first:min(first+n, len(rows))]
}

// widest is the width of the column of a node.
func (d *decision) widest(rows []event.SchedRow, least int) int {
	for _, row := range rows {
		least = max(least, min(widget.Width(d.node(row)), 16)+2)
	}
	return least
}

// binding tells of the phases after the decision.
func (d *decision) binding() {
	st := d.styles()
	l := line{{1, st.Title, "PHASES"}}
	total := time.Duration(0)
	for _, phase := range append(slices.Clone(d.c.Phases), d.c.Bind.Phases...) {
		style := st.Text
		if phase.Code != event.SchedOK && phase.Code != event.SchedSkip {
			style = st.Bad
		}
		l = append(l, span{-1, st.Muted, "  " + phase.Point + " "}, span{-1, style, widget.Short(phase.Took)})
		total += phase.Took
	}
	d.page.add(l...)
	for _, phase := range append(slices.Clone(d.c.Phases), d.c.Bind.Phases...) {
		if phase.Reason != "" && phase.Point != "PreFilter" && phase.Point != "PostFilter" {
			d.page.words(3, span{1, st.Bad, "!"}, st.Bad, strings.TrimSpace(phase.Point+" "+phase.Plugin)+": "+phase.Reason)
		}
	}
	switch b := d.c.Bind; {
	case d.c.Node == "" || d.c.Outcome == event.SchedUnschedulable || d.c.Outcome == event.SchedError:
	case b.Outcome == event.SchedBound:
		d.page.add(span{1, st.Title, "BIND"}, span{-1, st.OK, "  ok"}, span{-1, st.Muted, fmt.Sprintf("  +%s after it was taken from the queue", widget.Short(b.Took))})
	case b.Outcome != "":
		d.page.words(7, span{1, st.Title, "BIND"}, st.Bad, string(b.Outcome)+": "+b.Message)
	default:
		d.page.add(span{1, st.Title, "BIND"}, span{-1, st.Busy, "  not done yet"})
	}
}

// preemption tells whom PostFilter would evict, and who was.
func (d *decision) preemption() {
	st, pre := d.styles(), d.c.Preemption
	if !pre.Ran {
		if d.c.Node != "" && d.c.Nominated == "" {
			d.page.add(span{1, st.Title, "PREEMPTION"}, span{-1, st.Muted, "  none needed"})
		}
		if d.c.Nominated != "" {
			d.page.add(span{1, st.Title, "PREEMPTION"}, span{-1, st.Muted, "  " + d.c.Nominated + " was nominated by an earlier attempt, and tried first"})
		}
		return
	}
	verdict := "no node would fit even without its less important pods"
	if pre.Nominated != "" {
		verdict = "nominates " + pre.Nominated
	}
	d.page.add(span{1, st.Title, "PREEMPTION"}, span{-1, st.Text, "  " + verdict})
	for _, candidate := range pre.Candidates {
		text := candidate.Reason
		if text == "" {
			text = "without " + strings.Join(candidate.Victims, ", ")
			if candidate.Violations > 0 {
				text += fmt.Sprintf(", against %s", widget.Plural(candidate.Violations, "PodDisruptionBudget"))
			}
		}
		style := st.Muted
		if candidate.Node == pre.Nominated {
			style = st.Text
		}
		d.page.words(14, span{3, st.Strong, widget.Clip(candidate.Node, 10)}, style, text)
	}
	if pre.More > 0 {
		d.page.add(span{3, st.Muted, fmt.Sprintf("and %d more candidates", pre.More)})
	}
	if len(pre.Candidates) == 0 && pre.Message != "" {
		d.page.words(3, span{3, st.Muted, ""}, st.Muted, pre.Message)
	}
	for _, e := range d.cx.World.Sched.Victims(d.c.Pod.UID, d.c.Start) {
		how := "evicted"
		if e.InMemory {
			how = "sent back before it was bound"
		}
		if e.Error != "" {
			how = "not evicted: " + e.Error
		}
		d.page.add(span{3, st.Warn, "victim " + e.Victim.Key()}, span{-1, st.Muted, fmt.Sprintf("  on %s  %s at %s", e.Node, how, e.At.Local().Format("15:04:05.000"))})
	}
}
