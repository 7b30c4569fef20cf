package pane

import (
	"time"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Chart is a history to be drawn, oldest first.
type Chart struct {
	Title  string
	Values []float64
	// Span is how far back the values reach.
	Span  time.Duration
	Style themes.Style
	// Show writes a value.
	Show func(float64) string
}

// UsageCharts are the histories of something that uses processor, memory and, if
// it has one, a network.
func UsageCharts(cx *screen.Context, u *state.UsageSeries) []Chart {
	span := u.Span()
	show := func(v float64) string { return widget.Bytes(int64(v)) }
	charts := []Chart{
		{"CPU", u.Cores(), span, cx.Styles.Info, widget.Cores},
		{"Memory", u.Memory(), span, cx.Styles.Learner, show},
	}
	if received, sent := u.Traffic(); len(received) > 0 {
		charts = append(charts, Chart{"Received/s", received, span, cx.Styles.OK, show}, Chart{"Sent/s", sent, span, cx.Styles.Busy, show})
	}
	return charts
}

// leastChart is the narrowest chart.
const leastChart = 24

// Charts draws as many charts side by side as there is room for, as high as the
// surface.
func Charts(s widget.Surface, cx *screen.Context, charts []Chart) {
	w, h := s.Size()
	n := min(len(charts), (w+2)/(leastChart+2))
	if h < 3 || n < 1 {
		return
	}
	each := (w+2)/n - 2
	for i, c := range charts[:n] {
		c.draw(s.Sub(i*(each+2), 0, each, h), cx)
	}
}

func (c Chart) draw(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	title := c.Title
	if c.Span > 0 {
		title += " " + widget.Age(c.Span)
	}
	s.Rule(0, cx.Styles, title)
	if len(c.Values) == 0 {
		s.Fit(1, 1, w-2, cx.Styles.Muted, "no sample yet")
		return
	}
	top := 0.0
	for _, v := range c.Values {
		top = max(top, v)
	}
	now := "-"
	if last := c.Values[len(c.Values)-1]; last >= 0 {
		now = c.Show(last)
	}
	s.Right(w-1, 0, cx.Styles.Strong, " "+now+" ")
	s.Text(0, 1, cx.Styles.Muted, c.Show(top))
	widget.Bars(s.Sub(8, 1, w-9, h-1), c.Style, widget.Squeeze(c.Values, w-9), top)
}
