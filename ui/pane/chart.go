package pane

import (
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Charts draws the processor and memory use of a node side by side, as high as
// the surface.
func Charts(s widget.Surface, cx *screen.Context, n *state.Node) {
	w, h := s.Size()
	if h < 3 || w < 30 {
		return
	}
	cores, memory := Usage(n)
	half := (w - 2) / 2
	chart(s.Sub(0, 0, half, h), cx, "CPU", cx.Styles.Info, cores, widget.Cores)
	chart(s.Sub(half+2, 0, w-half-2, h), cx, "Memory", cx.Styles.Learner, memory, func(v float64) string { return widget.Bytes(int64(v)) })
}

func chart(s widget.Surface, cx *screen.Context, title string, style themes.Style, values []float64, show func(float64) string) {
	w, h := s.Size()
	s.Rule(0, cx.Styles, title)
	if len(values) == 0 {
		s.Fit(1, 1, w-2, cx.Styles.Muted, "no sample yet")
		return
	}
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	s.Right(w-1, 0, cx.Styles.Strong, " "+show(values[len(values)-1])+" ")
	s.Text(0, 1, cx.Styles.Muted, show(top))
	widget.Bars(s.Sub(8, 1, w-9, h-1), style, values, top)
}
