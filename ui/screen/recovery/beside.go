package recovery

import (
	"fmt"
	"strings"

	"workbench/cluster/recovery"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// beside is what users felt, the comparison, and the fault itself.
func beside(s widget.Surface, cx *screen.Context, one *recovery.Report) {
	w, h := s.Size()
	st := cx.Styles
	for y := range h {
		s.Text(0, y, st.Border, "│")
	}
	s = s.Sub(2, 0, w-2, h)
	w -= 2
	kinds := one.Kinds()
	s.Text(0, 0, st.Title, "WHAT USERS FELT")
	table := widget.Table{Selected: -1, Columns: []widget.Column{
		{Title: "users of", Grow: true}, {Title: "failed", Right: true}, {Title: "outage", Right: true}, {Title: "against", Right: true, Drop: 2}, {Title: "slowest", Right: true, Drop: 1},
	}}
	for _, k := range kinds {
		style := st.OK
		if k.Failed > 0 {
			style = st.Bad
		}
		table.Rows = append(table.Rows, []widget.Cell{
			{Text: recovery.Who(k.Target), Style: st.Text}, {Text: fmt.Sprintf("%d/%d", k.Failed, k.Requests), Style: style}, {Text: recovery.Span(k.Outage), Style: style},
			{Text: one.OutageAgainst(k), Style: st.Muted}, {Text: recovery.Span(k.Slowest), Style: st.Muted},
		})
	}
	table.Draw(s.Sub(0, 1, w, len(kinds)+1), st)
	y := len(kinds) + 3
	for _, k := range kinds {
		if k.Error != "" && y < h {
			s.Fit(0, y, w, st.Faint, recovery.Who(k.Target)+": "+widget.Clean(k.Error))
			y++
		}
	}
	for _, block := range facts(one) {
		if y++; y < h {
			s.Text(0, y, st.Title, block.title)
		}
		for _, line := range block.lines {
			for _, part := range widget.Wrap(widget.Clean(line), w) {
				if y++; y < h {
					s.Text(0, y, st.Muted, part)
				}
			}
		}
		y++
	}
}

type block struct {
	title string
	lines []string
}

func facts(one *recovery.Report) []block {
	out := []block{{"COMPARED", []string{one.Versus()}}}
	if total, ok := one.Total(); ok && one.Before != nil && one.Before.Total > 0 {
		out[0].lines = append(out[0].lines, fmt.Sprintf("Recovery %s, %s then: %s.", recovery.Span(total), recovery.Span(one.Before.Total), recovery.Change(total-one.Before.Total)))
	}
	proof := append([]string{}, one.Evidence...)
	if one.Verdict != "" {
		proof = append([]string{string(one.Verdict)}, proof...)
	}
	if len(proof) > 0 {
		out = append(out, block{"EVIDENCE OF THE FAULT", proof})
	}
	var moot []string
	for _, h := range append(append([]recovery.Hop{}, one.Hops...), one.Return...) {
		if h.Moot != "" {
			moot = append(moot, h.What+": "+h.Moot)
		}
	}
	if len(moot) > 0 {
		out = append(out, block{"NOT AWAITED ANY MORE", moot})
	}
	return out
}

// felt is what users felt in one line.
func felt(s widget.Surface, cx *screen.Context, one *recovery.Report) {
	w, _ := s.Size()
	var parts []string
	for _, k := range one.Kinds() {
		if k.Failed > 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%d/%d)", recovery.Who(k.Target), recovery.Span(k.Outage), k.Failed, k.Requests))
		}
	}
	x := s.Text(1, 0, cx.Styles.Muted, "felt: ")
	if len(parts) == 0 {
		s.Fit(x, 0, w-x, cx.Styles.OK, "no probe failed")
		return
	}
	s.Fit(x, 0, w-x, cx.Styles.Bad, strings.Join(parts, "  "))
}
