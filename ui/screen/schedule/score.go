package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/widget"
)

// score is the table of Score plugins and the nodes that fitted.
func (d *decision) score() {
	st := d.styles()
	rows := d.scored()
	if len(rows) == 0 {
		if d.c.Node != "" {
			d.page.add(span{1, st.Title, "SCORE"}, span{-1, st.Muted, "  none: " + d.unscored()})
		}
		return
	}
	change := state.Change{}
	if d.screen.ask.on {
		change = d.screen.ask.change
	}
	room := d.page.width - d.names() - 16
	width := d.widest(rows, max(14, min(room/len(rows), 24)))
	if d.screen.raw {
		width = max(width, 28)
	}
	columns := d.columns(rows, width, room)
	head := line{{1, st.Title, d.scoreTitle()}}
	for i, row := range columns {
		style := st.Muted
		if d.node(row) == d.c.Node {
			style = st.OK
		}
		head = append(head, span{d.names() + i*width, style, widget.ClipMiddle(d.node(row), width-1)})
	}
	if n := len(rows) - len(columns); n > 0 {
		head = append(head, span{d.names() + len(columns)*width, st.Muted, fmt.Sprintf("← → %d more", n)})
	}
	d.page.add(head...)
	d.points(columns, width, change)
	d.totals(rows, columns, width, change)
}

// scoreTitle says what the numbers are, in what the first column has room for.
func (d *decision) scoreTitle() string {
	long, short := "SCORE (normalised x weight)", "SCORE (norm. x weight)"
	if widget.Width(long) < d.names()-1 {
		return long
	}
	return short
}

// scored are the rows with scores, best first.
func (d *decision) scored() []event.SchedRow {
	var out []event.SchedRow
	for _, row := range d.rows {
		if len(row.Score) > 0 {
			out = append(out, row)
		}
	}
	slices.SortStableFunc(out, func(a, b event.SchedRow) int {
		if a.Total == b.Total && (d.node(a) == d.c.Node) != (d.node(b) == d.c.Node) {
			return map[bool]int{true: -1, false: 1}[d.node(a) == d.c.Node]
		}
		return cmp.Compare(b.Total, a.Total)
	})
	return out
}

// unscored says why there are no scores.
func (d *decision) unscored() string {
	switch {
	case d.c.Hint != "" && d.c.Node == d.c.Hint:
		return "taken over from an equal pod scored just before (OpportunisticBatching)"
	case d.c.Nominated != "" && d.c.Node == d.c.Nominated:
		return "the nominated node fits"
	case d.c.Feasible == 1:
		return "one node is left, so there is nothing to choose"
	}
	return "no plugin scored"
}

// points are the lines of the plugins. Those that gave no node a point are
// named in one line, unless a what-if can change them.
func (d *decision) points(columns []event.SchedRow, width int, change state.Change) {
	st := d.styles()
	decider := d.decider()
	var skipped, none []string
	top := int64(1)
	for _, row := range columns {
		for i, scorer := range d.c.Scorers {
			top = max(top, row.Score[i]*max(scorer.Weight, state.Weight(&d.c.SchedCycle, scorer, change)))
		}
	}
	for i, scorer := range d.c.Scorers {
		name := d.c.Plugins[scorer.Plugin]
		if scorer.Skipped {
			skipped = append(skipped, name)
			continue
		}
		if !d.screen.ask.on && !d.gave(i) {
			none = append(none, name)
			continue
		}
		weight := state.Weight(&d.c.SchedCycle, scorer, change)
		style := st.Text
		if weight != scorer.Weight {
			style = st.Warn
		}
		l := line{{2, style, d.name(d.screen.ask.mark(d, scorePlugin, name, weight == 0), 4)}, {d.names() - 4, style, fmt.Sprintf("x%d", weight)}}
		for at, row := range columns {
			l = append(l, d.bar(row, i, weight, d.names()+at*width, width, top)...)
		}
		if i == decider && change.Empty() {
			l = append(l, span{-1, st.Accent, "  ← decided here"})
		}
		d.page.add(l...)
	}
	text := ""
	if len(none) > 0 {
		text = "no points for any node: " + strings.Join(none, ", ") + "   "
	}
	if len(skipped) > 0 {
		text += "nothing to score: " + strings.Join(skipped, ", ")
	}
	if text != "" {
		d.page.words(2, span{2, st.Muted, ""}, st.Muted, text)
	}
}

// gave says whether a Score plugin gave any node a point.
func (d *decision) gave(i int) bool {
	return slices.ContainsFunc(d.c.Rows, func(r event.SchedRow) bool { return i < len(r.Score) && r.Score[i] != 0 })
}

func (d *decision) bar(row event.SchedRow, i int, weight int64, x, width int, top int64) line {
	st := d.styles()
	points := row.Score[i] * weight
	if d.screen.raw {
		return line{{x, st.Text, fmt.Sprintf("%4d", points)}, {-1, st.Muted, fmt.Sprintf(" = %d x %d  raw %d", row.Score[i], weight, row.Raw[i])}}
	}
	style := st.Info
	if d.node(row) == d.c.Node {
		style = st.OK
	}
	n := int(points * int64(width-7) / top)
	return line{{x, st.Text, fmt.Sprintf("%4d ", points)}, {-1, style, strings.Repeat("━", max(n, 0))}, {x + width - 1, themes.Style{}, ""}}
}

// totals is the line of sums, what the margin is and what a what-if would give.
func (d *decision) totals(rows, columns []event.SchedRow, width int, change state.Change) {
	st := d.styles()
	ranking := state.WhatIf(&d.c.SchedCycle, change)
	totals := map[string]int64{}
	for _, n := range ranking.Nodes {
		totals[n.Node] = n.Total
	}
	l := line{{2, st.Strong, "TOTAL"}}
	for i, row := range columns {
		style := st.Text
		if d.node(row) == ranking.Best {
			style = st.Strong
		}
		l = append(l, span{d.names() + i*width, style, fmt.Sprintf("%4d", totals[d.node(row)])})
	}
	if change.Empty() {
		l = append(l, span{-1, st.Accent, "  " + margin(d.c, rows)})
	}
	d.page.add(l...)
	if len(d.c.Extenders) > 0 {
		d.page.add(span{2, st.Warn, "extenders can add points that are not seen here: " + strings.Join(d.c.Extenders, ", ")})
	}
	d.screen.ask.tell(d, ranking)
}

// margin is by how much the chosen node won, or who it tied with.
func margin(c *state.Cycle, rows []event.SchedRow) string {
	if len(c.Ties) > 0 {
		return "tie with " + strings.Join(c.Ties[:min(len(c.Ties), 4)], ", ") + more(len(c.Ties)-4) + "; chance decided"
	}
	if len(rows) < 2 {
		return ""
	}
	return fmt.Sprintf("margin %d", rows[0].Total-rows[1].Total)
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// decider is the Score plugin that set the chosen node apart from the next one
// most; -1 when none did.
func (d *decision) decider() int {
	rows := d.scored()
	if len(rows) < 2 || len(d.c.Ties) > 0 {
		return -1
	}
	best, most := -1, int64(0)
	for i, scorer := range d.c.Scorers {
		if gain := (rows[0].Score[i] - rows[1].Score[i]) * scorer.Weight; gain > most {
			best, most = i, gain
		}
	}
	return best
}
