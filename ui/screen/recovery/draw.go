package recovery

import (
	"fmt"
	"strconv"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/recovery"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Draw implements screen.Screen.
func (r *Recovery) Draw(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	st := cx.Styles
	all := r.reports(cx)
	if len(all) == 0 {
		nothing(s, cx)
		return
	}
	at := r.at(all)
	rows := min(len(all), max(h/6, 2))
	top, rest := s.Top(rows + 1)
	r.table(all, at).Draw(top, st)
	head, body := rest.Top(2)
	heading(head, cx, all[at])
	if cx.Filter != "" {
		text := " filter “" + cx.Filter + "” "
		head.Fit(w-widget.Width(text)-2, 0, w, st.Accent, text)
	}
	switch cx.Room {
	case screen.Two, screen.Three:
		side := min(max(w/3, 38), 64)
		left, right := body.Left(w - side)
		r.hops(left, cx, all[at])
		beside(right, cx, all[at])
	case screen.One, screen.Tiny:
		hops, line := body.Bottom(1)
		r.hops(hops, cx, all[at])
		felt(line, cx, all[at])
	}
}

func nothing(s widget.Surface, cx *screen.Context) {
	w, _ := s.Size()
	lines := []string{"No fault yet in this run of the lab.", "",
		"Break something: on the Lab screen choose a node and press K (kill), P (pause) or C (cut),", "or type : and fault cut c1 c2. Every fault gets a report here."}
	if cx.Filter != "" && len(cx.World.Recovery.List) > 0 {
		lines = []string{"No fault matches “" + cx.Filter + "”."}
	} else if n := len(cx.World.Recovery.Past); n > 0 {
		lines = append(lines, "", fmt.Sprintf("Faults of %d classes in earlier runs are known, to compare with:", n))
		for _, p := range cx.World.Recovery.Past {
			lines = append(lines, fmt.Sprintf("  %s   recovered after %s", p.Class, recovery.Span(p.Total)))
		}
	}
	for i, text := range lines {
		s.Fit(2, 1+i, w-4, cx.Styles.Muted, text)
	}
}

// table lists the faults, the newest first.
func (r *Recovery) table(all []*recovery.Report, at int) widget.Table {
	t := widget.Table{Selected: at, Focused: true, Zone: "fault/", Columns: []widget.Column{
		{Title: "ID"}, {Title: "FAULT", Grow: true, Min: 12}, {Title: "LANDED"}, {Title: "STATUS"}, {Title: "RECOVERED AFTER", Right: true},
		{Title: "AGAINST", Right: true, Drop: 2}, {Title: "LONGEST OUTAGE", Drop: 1},
	}}
	for _, one := range all {
		sum := one.Summary()
		t.Rows = append(t.Rows, []widget.Cell{
			{Text: one.ID}, {Text: widget.Clean(one.Text)}, {Text: one.Start().Local().Format("15:04:05")}, {Text: one.Status()}, {Text: sum.Total},
			{Text: sum.Against}, {Text: sum.Outage},
		})
	}
	return t
}

// heading names the fault and says how far the recovery is.
func heading(s widget.Surface, cx *screen.Context, one *recovery.Report) {
	st := cx.Styles
	w, _ := s.Size()
	s.Rule(0, st, one.ID+" "+widget.Clean(one.Text))
	style, sign, text := st.OK, "✓", one.Outcome()
	if one.Recovered.IsZero() {
		style, sign = st.Bad, "✗"
		if !one.Closed && !one.Landed.IsZero() {
			style, sign = st.Busy, "▸"
			text = "Recovering for " + widget.Short(cx.Now.Sub(one.Start())) + "."
		}
	}
	x := s.Fit(1, 1, w-2, style, sign+" "+text)
	if verdict := string(one.Verdict); verdict != "" {
		badge := st.OK
		if one.Verdict != event.FaultLanded {
			badge = st.Warn
		}
		x = s.Fit(x+2, 1, w-x-3, badge, verdict)
	}
	if one.Before == nil {
		s.Fit(x+2, 1, w-x-3, st.Faint, "no earlier "+one.Class)
	} else {
		s.Fit(x+2, 1, w-x-3, st.Faint, "against "+one.Before.ID+" "+one.Before.At.Local().Format("2 Jan 15:04:05"))
	}
}

// columns of a hop's line.
type columns struct{ since, delta, against, bar, what, proof int }

// layout gives the columns their room in w cells; 0 for one left out.
func layout(w int, compared bool) columns {
	c := columns{since: 9, delta: 10}
	if compared {
		c.against = 10
	}
	rest := w - c.since - c.delta - c.against - 5
	switch {
	case rest >= 100:
		c.bar, c.what = 24, 46
	case rest >= 64:
		c.bar, c.what = 16, 0
	case rest >= 52:
		c.bar = 10
	}
	if c.what > 0 {
		c.proof = rest - c.bar - c.what - 3
	} else {
		c.what = rest - max(c.bar+1, 0)
	}
	return c
}

// hops draws the axis; the evidence of the hop under the cursor stands below.
func (r *Recovery) hops(s widget.Surface, cx *screen.Context, one *recovery.Report) {
	w, h := s.Size()
	if h < 3 {
		return
	}
	st := cx.Styles
	lines := steps(one)
	there := len(lines) - len(one.Lines(one.Return, one.Undone)) // where the way back begins
	c := layout(w, one.Before != nil)
	axis, proof := s.Bottom(1)
	if r.hop >= 0 && r.hop < len(lines) && c.proof == 0 {
		proof.Fit(1, 0, w-2, st.Info, widget.Clean(lines[r.hop].Proof()))
	} else {
		axis = s
	}
	n := len(lines)
	if there < n {
		n++ // the title of the way back
	}
	row := func(i int) int { // of a line
		if i >= there {
			i++
		}
		return i
	}
	_, room := axis.Size()
	first := widget.Scroll(row(max(min(r.hop, len(lines)-1), 0)), n, room)
	for i, l := range lines {
		y := row(i) - first
		if y < 0 || y >= room {
			continue
		}
		line := axis.Sub(0, y, w, 1)
		line.Zone("hop/" + strconv.Itoa(i))
		if i == r.hop {
			line.Fill(st.Selection)
			line.Text(0, 0, st.SelectionText, "▸")
		}
		part := lines[:there]
		if i >= there {
			part = lines[there:]
		}
		drawHop(line, st, c, l, span(part))
	}
	if y := there - first; there < len(lines) && y >= 0 && y < room {
		axis.Fit(1, y, w-2, st.Title, "WAY BACK  "+back(one))
	}
	widget.Scrollbar(axis.Sub(w-1, 0, 1, room), st, first, n)
}

func back(one *recovery.Report) string {
	cause := one.Cause
	if cause == "" {
		cause = "undone"
	}
	return cause + " " + recovery.Span(one.Undone.Sub(one.Start())) + " after it landed"
}

// span is how long a part of the axis is: until its last hop that was seen.
func span(part []recovery.Line) time.Duration {
	var last time.Duration
	for _, l := range part {
		last = max(last, l.Since)
	}
	return last
}

// drawHop draws one hop: when, how much later than the one before and than in the
// run before, where that is on the axis, what, and its evidence.
func drawHop(s widget.Surface, st *themes.Styles, c columns, l recovery.Line, whole time.Duration) {
	style, sign := st.OK, "●"
	switch {
	case l.Pending():
		style, sign = st.Busy, "◌"
	case l.Inferred:
		style, sign = st.Warn, "○"
	case l.Name == recovery.Landed || l.Name == recovery.Symptom:
		style, sign = st.Bad, "✗"
	}
	x := 1 + c.since
	if l.Pending() {
		s.Right(x, 0, st.Muted, "pending")
	} else {
		s.Right(x, 0, st.Strong, recovery.Span(l.Since))
		s.Right(x+c.delta, 0, st.Muted, recovery.Change(l.Delta))
		if l.Compared && c.against > 0 {
			s.Right(x+c.delta+c.against, 0, against(st, l.Against), recovery.Change(l.Against))
		}
	}
	x += c.delta + c.against + 1
	s.Text(x, 0, style, sign)
	x += 2
	switch {
	case l.Pending() && c.bar > 0: // it has no place yet
		c.what += c.bar + 1
	case c.bar > 0:
		bar(s.Sub(x, 0, c.bar, 1), st, style, l, whole)
		x += c.bar + 1
	}
	what := l.Title()
	if l.Pending() && c.proof == 0 && l.Proof() != "" {
		what += ": " + l.Proof()
	}
	ink := st.Text
	if l.Pending() {
		ink = st.Muted
	}
	s.Fit(x, 0, c.what, ink, widget.Clean(what))
	if c.proof > 0 {
		s.Fit(x+c.what+1, 0, c.proof, st.Faint, widget.Clean(l.Proof()))
	}
}

// against is the style of a difference: what matters is a tenth of a second.
func against(st *themes.Styles, d time.Duration) themes.Style {
	switch {
	case d > 100*time.Millisecond:
		return st.Warn
	case d < -100*time.Millisecond:
		return st.OK
	}
	return st.Muted
}

// bar is the hop's place on the axis: thin until the hop before, thick from there
// to it.
func bar(s widget.Surface, st *themes.Styles, style themes.Style, l recovery.Line, whole time.Duration) {
	w, _ := s.Size()
	if l.Pending() || whole <= 0 {
		return
	}
	column := func(d time.Duration) int { return min(int(float64(max(d, 0))/float64(whole)*float64(w)), w-1) }
	from, to := column(l.Since-l.Delta), column(l.Since)
	for x := range to + 1 {
		switch {
		case x < from:
			s.Text(x, 0, st.Faint, "╌")
		default:
			s.Text(x, 0, style, "━")
		}
	}
}
