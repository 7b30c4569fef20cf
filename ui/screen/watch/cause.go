package watch

import (
	"fmt"
	"slices"
	"time"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// cause draws what led to the selected change, and what followed from it.
func (s *Watch) cause(surface widget.Surface, cx *screen.Context, r *row) {
	st := cx.Styles
	w, h := surface.Size()
	surface.Rule(0, st, "CAUSE  ├ by ownerReference, UID or audit   ? inferred by time")
	changes := &cx.World.Changes
	if r.change == nil {
		surface.Fit(1, 1, w-2, st.Muted, "it changed nothing, so nothing follows from it")
		return
	}
	i := changes.At(r.change.Revision, r.change.UID)
	if i < 0 {
		return
	}
	up := changes.Causes(i)
	down := changes.Effects(i, 64)
	list := append(append(slices.Clone(up), i), down...)
	from := changes.List[list[0]].At
	silent := changes.List[list[0]].Silent
	if silent != nil && !changes.List[list[0]].Willed() {
		from = silent.At
	} else {
		silent = nil
	}
	lines := make([]func(widget.Surface), 0, len(list)+1)
	if silent != nil {
		lines = append(lines, func(s widget.Surface) { silence(s, st, silent, changes.List[list[0]].At.Sub(silent.At)) })
	}
	chosen := len(up) + len(lines)
	for _, n := range list {
		lines = append(lines, func(s widget.Surface) { link(s, cx, n, n == i, n == list[0] && silent == nil, from) })
	}
	if first := &changes.List[list[0]]; silent == nil && first.Cause != 0 && !first.Willed() {
		lines = append([]func(widget.Surface){func(s widget.Surface) {
			s.Fit(9, 0, w-10, st.Muted, fmt.Sprintf("what came before, revision %d, is no longer kept", first.Cause))
		}}, lines...)
		chosen++
	}
	// The selected change stays in view.
	first := min(max(0, chosen-(h-2)/2), max(0, len(lines)-(h-1)))
	for y := 1; y < h && first+y-1 < len(lines); y++ {
		lines[first+y-1](surface.Sub(0, y, w, 1))
	}
}

// silence draws the lease whose lack of renewal began a chain.
func silence(s widget.Surface, st *themes.Styles, one *state.Silence, by time.Duration) {
	w, _ := s.Size()
	s.Right(7, 0, st.Muted, delta(0))
	x := s.Text(9, 0, st.Warn, "● ")
	x = s.Fit(x, 0, w-x-2, st.Strong, "lease/"+widget.Clean(one.Lease))
	s.Fit(x+1, 0, w-x-2, st.Text, fmt.Sprintf("last renewed, rv %d; then silent for %s", one.Revision, widget.Short(by)))
}

// link draws one change of a chain, and what ties it to the one it answers to.
func link(s widget.Surface, cx *screen.Context, n int, chosen, begins bool, from time.Time) {
	st := cx.Styles
	w, _ := s.Size()
	c := &cx.World.Changes.List[n]
	one := row{change: c, at: c.At}
	tie, style := "├ ", st.Muted
	switch {
	case c.Cause == 0 || begins || c.Willed():
		tie = "● "
	case c.Link == state.LinkTime:
		tie, style = "? ", st.Warn
	}
	if chosen {
		s.Fill(st.Selection)
		s.Text(0, 0, st.SelectionText, "▸")
	}
	s.Right(7, 0, st.Muted, delta(c.At.Sub(from)))
	x := s.Text(9, 0, style, tie)
	a := c.Actor()
	who := laneTitle(a.Lane)
	if a.Name != "" && (a.Lane == "kubelet" || a.Lane == "user") {
		who += " " + a.Name
	}
	if !a.Sure && a.Lane != "" {
		who += "?"
	}
	x = s.Fit(x, 0, min(16, w-x), st.Accent, widget.Clip(who, 16))
	x = s.Fit(x+1, 0, w-x-2, st.Strong, one.object())
	s.Fit(x+1, 0, w-x-2, st.Text, one.words())
}
