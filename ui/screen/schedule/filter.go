package schedule

import (
	"fmt"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/themes"
	"workbench/ui/widget"
)

// preFilter tells only of PreFilter plugins that decided something.
func (d *decision) preFilter() {
	st := d.styles()
	for _, v := range d.c.PreFilter {
		if v.Code == event.SchedNo || v.Code == event.SchedNever || v.Code == event.SchedFailed || v.Code == event.SchedPending {
			d.page.words(d.names()+2, span{1, st.Title, "PREFILTER " + d.c.Plugins[v.Plugin]}, st.Bad, "NO for all nodes: "+d.reasons(v.Reason))
		}
	}
	if d.c.Allowed > 0 || len(d.c.Allowing) > 0 {
		d.page.add(span{1, st.Title, "PREFILTER "}, span{-1, st.Text, fmt.Sprintf("%s left %d of %s", strings.Join(d.c.Allowing, ", "), d.c.Allowed, widget.Plural(d.c.AllNodes, "node"))})
	}
}

func (d *decision) reasons(indexes []int) string {
	var out []string
	for _, i := range indexes {
		out = append(out, d.c.Reasons[i])
	}
	return widget.Clean(strings.Join(out, "; "))
}

// filter is the matrix of Filter plugins and nodes.
func (d *decision) filter() {
	st := d.styles()
	if len(d.c.Filters) == 0 || len(d.rows) == 0 {
		return
	}
	width := d.widest(d.rows, 6)
	why := min(max(d.page.width/3, 20), 60)
	columns := d.columns(d.rows, width, d.page.width-d.names()-why)
	head := line{{1, st.Title, "FILTER"}}
	for i, row := range columns {
		style := st.Muted
		if d.node(row) == d.c.Node {
			style = st.OK
		}
		head = append(head, span{d.names() + i*width, style, widget.ClipMiddle(d.node(row), width-1)})
	}
	head = append(head, span{d.names() + len(columns)*width, st.Muted, d.rest(columns)})
	d.page.add(head...)
	for place, plugin := range d.c.Filters {
		if slices.Contains(d.c.Skipped, plugin) {
			continue
		}
		name := d.c.Plugins[plugin]
		style, dropped := st.Text, d.screen.ask.on && d.screen.ask.change.Without[name]
		if dropped {
			style = st.Off
		}
		l := line{{2, style, d.name(d.screen.ask.mark(d, filterPlugin, name, dropped), 1)}}
		for i, row := range columns {
			text, style := d.verdict(row, place+1)
			l = append(l, span{d.names() + i*width, style, text})
		}
		d.page.add(append(l, span{d.names() + len(columns)*width, st.Muted, d.because(place + 1)})...)
	}
	d.legend()
}

// rest says which nodes are not in the window.
func (d *decision) rest(columns []event.SchedRow) string {
	n := len(d.rows) - len(columns)
	switch {
	case d.c.Unlisted > 0:
		return fmt.Sprintf("← → %d more; %d of %d nodes only counted", n, d.c.Unlisted, d.c.AllNodes)
	case n > 0:
		return fmt.Sprintf("← → %d more", n)
	}
	return ""
}

// verdict is the cell of a node and the plugin at a place, from 1.
func (d *decision) verdict(row event.SchedRow, place int) (string, themes.Style) {
	st := d.styles()
	switch {
	case row.Code == event.SchedNotReached:
		return "·", st.Faint
	case row.Code == event.SchedOK, row.Failed > place, row.Failed == 0:
		return "ok", st.OK
	case row.Failed < place:
		return "·", st.Faint
	case row.Code == event.SchedFailed:
		return "ERR", st.Bad
	}
	return "NO", st.Bad
}

// because are the reasons of the plugin at a place, and the nodes they hold for.
func (d *decision) because(place int) string {
	var order []string
	nodes := map[string][]string{}
	for _, row := range d.rows {
		if row.Failed != place {
			continue
		}
		reason := d.reasons(row.Reason)
		if nodes[reason] == nil {
			order = append(order, reason)
		}
		nodes[reason] = append(nodes[reason], d.node(row))
	}
	var parts []string
	for _, reason := range order {
		who := strings.Join(nodes[reason], ",")
		if len(nodes[reason]) > 3 {
			who = widget.Plural(len(nodes[reason]), "node")
		}
		parts = append(parts, who+": "+reason)
	}
	return strings.Join(parts, "; ")
}

// legend explains the dots, and names the plugins that had nothing to check.
func (d *decision) legend() {
	st := d.styles()
	var skipped []string
	for _, plugin := range d.c.Skipped {
		skipped = append(skipped, d.c.Plugins[plugin])
	}
	text := "· never ran"
	if slices.ContainsFunc(d.c.Rows, func(r event.SchedRow) bool { return r.Code == event.SchedNotReached }) {
		text += d.unreached()
	}
	if len(skipped) > 0 {
		text += "   nothing to check: " + strings.Join(skipped, ", ")
	}
	d.page.words(2, span{2, st.Muted, ""}, st.Muted, text)
	for _, row := range d.c.Rows {
		if row.Failed == 0 && row.Code != event.SchedOK && row.Code != event.SchedNotReached {
			d.page.words(4, span{2, st.Bad, "!"}, st.Bad, d.node(row)+" rejected outside the plugins: "+d.reasons(row.Reason))
		}
	}
	if len(d.c.Tallies) > 0 && d.c.Unlisted > 0 {
		for _, t := range d.c.Tallies {
			d.page.add(span{3, st.Text, widget.Plural(t.Nodes, "node")}, span{14, st.Muted, d.tally(t)})
		}
	}
}

func (d *decision) tally(t event.SchedTally) string {
	text := "an extender"
	if t.Plugin >= 0 {
		text = d.c.Plugins[t.Plugin]
	}
	if t.Reason >= 0 {
		text += ": " + d.c.Reasons[t.Reason]
	}
	return widget.Clean(text)
}

// unreached says why whole nodes were not looked at.
func (d *decision) unreached() string {
	switch {
	case d.c.Nominated != "" && d.c.Node == d.c.Nominated:
		return " (only the nominated node was tried)"
	case d.c.Hint != "" && d.c.Node == d.c.Hint:
		return " (only " + d.c.Hint + " was tried: an equal pod was scored just before)"
	case len(d.c.Allowing) > 0:
		return " (ruled out by PreFilter)"
	case d.c.Feasible > 0:
		return " (enough nodes fitted)"
	}
	return ""
}
