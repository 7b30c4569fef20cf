package components

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// drawDetail draws what a component says of itself and how it did lately.
func drawDetail(s widget.Surface, cx *screen.Context, c *state.Component) {
	st := cx.Styles
	lamp := widget.ComponentLamp(st, c)
	in := widget.Box{Title: c.Node + "/" + c.Component, TitleStyle: st.Title, Badge: lamp.Glyph + " " + lamp.Word, BadgeStyle: lamp.Style,
		Border: st.Border}.Draw(s)
	w, h := in.Size()
	if h < 2 || w < 20 {
		return
	}
	m := c.Metrics
	if m == nil {
		in.Fit(1, 0, w-2, st.Muted, silent(c))
		pane.Charts(in.Sub(1, 1, w-2, min(h-1, 8)), cx, pane.UsageCharts(cx, &c.Usage))
		return
	}
	x := in.Fit(1, 0, w-2, st.Muted, fmt.Sprintf("its own /metrics, %s ago", widget.Age(cx.Now.Sub(m.At))))
	for _, fact := range process(cx, m) {
		if x+3+widget.Width(fact) < w {
			x = in.Text(x+2, 0, st.Text, fact)
		}
	}
	height := 0
	if h >= 12 {
		height = min(max(h/3, 5), 9)
	}
	drawTables(in.Sub(0, 1, w, h-1-height), cx, tables(c))
	pane.Charts(in.Sub(1, h-height, w-2, height), cx, charts(cx, c))
}

// silent says why there is nothing to say.
func silent(c *state.Component) string {
	if c.PID == 0 {
		return "it does not run"
	}
	if state.Readings(c.Component) == nil {
		return "it has no metrics of its own; this is what it uses"
	}
	return "it has not answered /metrics since it started; this is what it uses"
}

// process are what every component says of its process.
func process(cx *screen.Context, m *state.Metrics) []string {
	f := func(name string) float64 { return m.Figures[name][""] }
	started := time.Unix(0, int64(f("process_start_time_seconds")*float64(time.Second)))
	facts := []string{
		fmt.Sprintf("up %s", widget.Age(cx.Now.Sub(started))),
		fmt.Sprintf("%.0f goroutines", f("go_goroutines")),
		fmt.Sprintf("%.0f files", f("process_open_fds")),
		"cpu " + widget.Short(time.Duration(f("process_cpu_seconds_total")*float64(time.Second))),
		"resident " + widget.Bytes(int64(f("process_resident_memory_bytes"))),
	}
	return facts
}

// drawTables draws tables side by side, as wide as they need, as many as there is
// room for.
func drawTables(s widget.Surface, cx *screen.Context, list []table) {
	w, h := s.Size()
	x := 0
	for i, t := range list {
		draw := widget.Table{Selected: -1, Empty: "nothing yet"}
		need := 2
		for column, title := range t.columns {
			draw.Columns = append(draw.Columns, widget.Column{Title: title, Right: column > 0, Drop: column / 2})
			widest := widget.Width(title)
			for _, row := range t.rows {
				widest = max(widest, widget.Width(row[column]))
			}
			need += widest + 2
		}
		need = max(need, widget.Width(t.title)+5)
		if i > 0 && need > w-x {
			return
		}
		for _, row := range t.rows {
			var cells []widget.Cell
			for column, text := range row {
				style := cx.Styles.Text
				if text == "0" || text == "-" {
					style = cx.Styles.Faint
				}
				if column == 0 {
					style = cx.Styles.Strong
				}
				cells = append(cells, widget.Cell{Text: text, Style: style})
			}
			draw.Rows = append(draw.Rows, cells)
		}
		room := min(need, w-x)
		part := s.Sub(x, 0, room, h)
		title := t.title
		if more := len(t.rows) - (h - 2); more > 0 {
			title += fmt.Sprintf(", busiest %d of %d", max(h-2, 0), len(t.rows))
			draw.Rows = draw.Rows[:max(h-2, 0)]
		}
		part.Rule(0, cx.Styles, title)
		draw.Draw(part.Sub(0, 1, room, h-1), cx.Styles)
		x += room + 1
	}
}

// drawLeases says who leads, by the leases that the leaders hold.
func drawLeases(s widget.Surface, cx *screen.Context) {
	w, _ := s.Size()
	st := cx.Styles
	x := s.Text(1, 0, st.Muted, "leases ")
	for _, name := range []string{"kube-controller-manager", "cloud-controller-manager", "kube-scheduler"} {
		l := cx.World.Kube.Leases["kube-system/"+name]
		if l == nil {
			continue
		}
		holder, _, _ := strings.Cut(l.Holder, "_")
		age := cx.Now.Sub(l.Renewed)
		text, style := holder+" "+widget.Seconds(age), st.Leader
		switch {
		case holder == "":
			text, style = "nobody", st.Warn
		case age > time.Duration(l.Seconds)*time.Second:
			text, style = holder+" expired "+widget.Seconds(age), st.Bad
		}
		if x+widget.Width(pane.ShortName(name)+text)+3 > w {
			return
		}
		x = s.Text(x+1, 0, st.Text, pane.ShortName(name)+" ")
		x = s.Text(x, 0, style, text) + 1
	}
	if leader := cx.World.Raft.Leader(); leader != "" && x+len(leader)+7 < w {
		x = s.Text(x+1, 0, st.Text, "etcd ")
		s.Text(x, 0, st.Leader, leader)
	}
}

// withHeadlines gives the table a column of what the components say.
func withHeadlines(cx *screen.Context, t widget.Table, rows []*state.Component) widget.Table {
	at := len(t.Columns) - 1
	t.Columns = slices.Insert(t.Columns, at, widget.Column{Title: "SAYS", Drop: 3})
	for i := range t.Rows {
		text := headline(cx, rows[i])
		cell := widget.Cell{Text: text, Style: cx.Styles.Text}
		if text == "" {
			cell = widget.Cell{Text: "-", Style: cx.Styles.Muted}
		}
		t.Rows[i] = slices.Insert(t.Rows[i], at, cell)
	}
	return t
}
