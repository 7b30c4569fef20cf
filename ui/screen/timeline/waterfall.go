package timeline

import (
	"fmt"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/plain"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// waterfall is the view of a traced command: where its time went.
type waterfall struct {
	open bool
	id   string // of the trace; "" is the newest
	at   int    // the selected bar
	all  bool   // the shortest spans too
}

// Inside implements screen.Deep.
func (t *Timeline) Inside() bool { return t.fall.open }

// traceIn is the index of the trace to show; -1 when there is none.
func (f *waterfall) traceIn(w *state.World) int {
	for i := range w.Traces {
		if w.Traces[i].ID == f.id {
			return i
		}
	}
	return len(w.Traces) - 1
}

// bars are those that are listed, and how many are not.
func (f *waterfall) bars(w *state.World, i int) (bars []state.Bar, hidden int) {
	bars = w.Waterfall(&w.Traces[i])
	if f.all {
		return bars, 0
	}
	from, to := plain.Extent(bars)
	return plain.Hide(bars, max(time.Millisecond, to.Sub(from)/500))
}

// inside reacts to a key while the view is open.
func (t *Timeline) inside(msg tea.Msg, cx *screen.Context) screen.Intent {
	f := &t.fall
	press, isKey := msg.(tea.KeyPressMsg)
	if isKey && (key.Matches(press, t.trace) || press.String() == "esc") {
		f.open = false
		return nil
	}
	i := f.traceIn(cx.World)
	if i < 0 {
		return nil
	}
	bars, _ := f.bars(cx.World, i)
	if to, ok := t.list.Move(msg, min(f.at, max(len(bars)-1, 0)), len(bars)); ok {
		f.at = to
		return nil
	}
	choose := func(n int) {
		if n >= 0 && n < len(cx.World.Traces) {
			f.id, f.at = cx.World.Traces[n].ID, 0
		}
	}
	switch {
	case !isKey:
	case key.Matches(press, t.out):
		choose(i - 1)
	case key.Matches(press, t.in):
		choose(i + 1)
	case key.Matches(press, t.open):
		f.all = !f.all
	}
	return nil
}

func (f *waterfall) draw(s widget.Surface, cx *screen.Context) {
	st := cx.Styles
	w, h := s.Size()
	i := f.traceIn(cx.World)
	if i < 0 {
		s.Fit(1, 0, w-2, st.Muted, "no command was traced yet; run one with: workbench trace -- kubectl apply -f x.yaml")
		return
	}
	trace := &cx.World.Traces[i]
	bars, hidden := f.bars(cx.World, i)
	f.headline(s, cx, trace, i, hidden)
	if len(bars) == 0 || h < 5 {
		return
	}
	from, to := plain.Extent(bars)
	at := min(f.at, len(bars)-1)
	room := h - 4
	first := widget.Scroll(at, len(bars), room)
	whoAt, whatAt := 20, 36
	field := max((w-whatAt-2)*2/5, 12)
	s.Right(9, 1, st.Muted, "START")
	s.Right(18, 1, st.Muted, "TOOK")
	s.Text(whoAt, 1, st.Muted, "WHO")
	s.Text(whatAt, 1, st.Muted, "WHAT")
	s.Text(w-field-1, 1, st.Muted, "0")
	s.Right(w-2, 1, st.Muted, plain.Span(to.Sub(from)))
	for n, b := range bars[first:min(first+room, len(bars))] {
		y := 2 + n
		text := st.Text
		if first+n == at {
			text = st.SelectionText
			s.Text(0, y, text, "▸")
		}
		s.Right(9, y, st.Muted, "+"+plain.Span(b.Start.Sub(from)))
		if b.Took > 0 {
			s.Right(18, y, st.Muted, plain.Span(b.Took))
		}
		s.Fit(whoAt, y, whatAt-whoAt-1, st.Muted, widget.Clean(b.Who))
		s.Fit(whatAt, y, w-field-whatAt-2, text, widget.Clean(plain.What(b)))
		s.Fit(w-field-1, y, field, barStyle(st, b), plain.Strip(b, from, to, field))
	}
	widget.Scrollbar(s.Sub(w-1, 2, 1, room), st, first, len(bars))
	b := bars[at]
	s.Fit(1, h-2, w-2, st.Text, fmt.Sprintf("%s  %s  seen by: %s", widget.Clean(b.Who), widget.Clean(b.Text), b.Source))
	if b.Error != "" {
		s.Fit(1, h-1, w-2, st.Bad, widget.Clean(b.Error))
		return
	}
	s.Fit(1, h-1, w-2, st.Muted, plain.Legend)
}

// barStyle is the style of a bar: by what it says, and its glyph by who saw it.
func barStyle(st *themes.Styles, b state.Bar) themes.Style {
	switch {
	case b.Error != "":
		return st.Bad
	case b.Inferred:
		return st.Muted
	case b.Source == state.BarOTLP:
		return st.Accent
	case b.Source == state.BarContainerd || b.Source == state.BarEtcd:
		return st.OK
	}
	return st.Text
}

func (f *waterfall) headline(s widget.Surface, cx *screen.Context, trace *state.CommandTrace, i, hidden int) {
	st := cx.Styles
	w, _ := s.Size()
	end := "running"
	if !trace.Open() {
		end = fmt.Sprintf("exit %d after %s  %s", trace.End.Exit, plain.Span(trace.End.Ran), trace.End.Cause)
	}
	x := s.Fit(1, 0, w*3/5, st.Strong, widget.Clean(trace.Command)) + 2
	text := fmt.Sprintf("%s  trace %d of %d", end, i+1, len(cx.World.Traces))
	if hidden > 0 {
		text += fmt.Sprintf("  %d short spans hidden", hidden)
	}
	if trace.Dropped > 0 {
		text += fmt.Sprintf("  %d lost", trace.Dropped)
	}
	s.Fit(x, 0, w-x-1, st.Muted, text)
}
