package watch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// panes are what stands below the list.
func panes() []string { return []string{"diff", "cause", "watchers", "requests"} }

func (s *Watch) panel(surface widget.Surface, cx *screen.Context, rows []row, at, pane int) {
	if w, h := surface.Size(); w < 10 || h < 2 {
		return
	}
	if at < 0 {
		surface.Rule(0, cx.Styles, strings.ToUpper(panes()[pane]))
		return
	}
	r := &rows[at]
	switch panes()[pane] {
	case "diff":
		s.diff(surface, cx, r)
	case "cause":
		s.cause(surface, cx, r)
	case "watchers":
		watchers(surface, cx, r)
	case "requests":
		requests(surface, cx)
	}
}

// diff draws what is different: of the selected change, or from the marked
// revision of the same object to the selected one.
func (s *Watch) diff(surface widget.Surface, cx *screen.Context, r *row) {
	st := cx.Styles
	w, h := surface.Size()
	if l := r.lookup; l != nil {
		surface.Rule(0, st, "LOOKUP "+widget.Clean(l.Name))
		surface.Fit(1, 1, w-2, st.Text, r.words())
		surface.Fit(1, 2, w-2, st.Muted, fmt.Sprintf("%s in a second, %s together", widget.Plural(int(l.Count), "time"), l.Took.Round(10*time.Microsecond)))
		return
	}
	if r.change == nil {
		surface.Rule(0, st, "REQUEST "+r.object())
		surface.Fit(1, 1, w-2, st.Text, r.words())
		surface.Fit(1, 2, w-2, st.Muted, asked(r.writer()))
		return
	}
	c := r.change
	from, to := c.Base, c.Revision
	d := state.Difference{Fields: c.Fields, Steps: 1, Omitted: c.Omitted}
	if s.marked.uid == c.UID && s.marked.revision != 0 && s.marked.revision != c.Revision {
		from, to = min(s.marked.revision, c.Revision), max(s.marked.revision, c.Revision)
		d = cx.World.Changes.Between(c.UID, from, to)
	}
	title := fmt.Sprintf("DIFF %s  %d > %d", r.object(), from, to)
	if d.Steps > 1 {
		title += fmt.Sprintf("  %d changes", d.Steps)
	} else if c.Manager != "" {
		title += "  manager " + c.Manager
	}
	if c.Folded > 0 && d.Steps == 1 {
		title += fmt.Sprintf("  (%s between)", widget.Plural(c.Folded, "heartbeat"))
	}
	surface.Rule(0, st, title)
	lines := fieldLines(d, c)
	if c.By != nil {
		surface.Fit(1, 1, w-2, st.Muted, asked(c.By))
	} else {
		surface.Fit(1, 1, w-2, st.Warn, "who asked is not known: no audit record names this revision")
	}
	for i, l := range lines {
		y := i + 2
		if y >= h {
			break
		}
		if y == h-1 && i < len(lines)-1 {
			surface.Fit(1, y, w-2, st.Muted, fmt.Sprintf("… %d more: enter shows them", len(lines)-i))
			break
		}
		l.draw(surface.Sub(0, y, w, 1), st, c.Manager)
	}
}

// line is one line of a diff.
type line struct {
	field event.FieldChange
	note  string // instead of a field
	quiet bool
}

func fieldLines(d state.Difference, c *state.ObjectChange) []line {
	var loud, low []line
	for _, f := range d.Fields {
		if quiet(f.Path) {
			low = append(low, line{field: f, quiet: true})
		} else {
			loud = append(loud, line{field: f})
		}
	}
	out := append(loud, low...)
	switch {
	case deleted(c) && d.Steps == 1:
		out = append(out, line{note: "the object is gone; [ shows what it was"})
	case len(out) == 0 && d.Omitted == 0:
		out = append(out, line{note: "nothing but managedFields is different"})
	}
	if d.Omitted > 0 {
		out = append(out, line{note: widget.Plural(d.Omitted, "more field") + " left out for size"})
	}
	if d.Missing {
		out = append(out, line{note: "changes between the two are not kept: this is what the kept ones did"})
	}
	return out
}

func (l line) draw(s widget.Surface, st *themes.Styles, writer string) {
	w, _ := s.Size()
	if l.note != "" {
		s.Fit(3, 0, w-4, st.Muted, l.note)
		return
	}
	f := l.field
	sign, style := " ", st.Text
	switch {
	case f.Old == "":
		sign, style = "+", st.OK
	case f.New == "":
		sign, style = "-", st.Bad
	}
	name := st.Strong
	if l.quiet {
		name, style = st.Muted, st.Muted
	}
	s.Text(1, 0, style, sign)
	end := w - 1
	if f.Manager != "" && f.Manager != writer && w > 60 {
		end = s.Right(end, 0, st.Muted, widget.Clip("by "+f.Manager, 24)) - 1
	}
	width := min(max(24, w*4/10), end-12)
	x := max(s.Fit(3, 0, width, name, widget.ClipMiddle(widget.Clean(shortPath(f.Path)), width))+1, min(28, w/2))
	if f.Old != "" {
		room := end - x
		if f.New != "" {
			room = min(room/2, widget.Width(f.Old))
		}
		x = s.Fit(x, 0, room, st.Muted, widget.Clean(f.Old)) + 1
	}
	switch {
	case f.New != "" && f.Old != "":
		x = s.Text(x, 0, st.Muted, "> ")
		s.Fit(x, 0, end-x, style, widget.Clean(f.New))
	case f.New != "":
		s.Fit(x, 0, end-x, style, widget.Clean(f.New))
	}
}

// requests draws who reads what, the busiest first.
func requests(surface widget.Surface, cx *screen.Context) {
	st, c := cx.Styles, &cx.World.Changes
	w, h := surface.Size()
	title := fmt.Sprintf("REQUESTS that read, since their API server started  %d refused or idle writes", len(c.Aside))
	if c.Dropped > 0 {
		title += fmt.Sprintf("  %d not recorded", c.Dropped)
	}
	surface.Rule(0, st, title)
	reads := slices.SortedFunc(maps.Values(c.Reads), func(a, b *state.ReadCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.User, b.User), cmp.Compare(a.Agent, b.Agent),
			cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Resource, b.Resource))
	})
	for i, r := range reads {
		y := i + 1
		if y >= h {
			break
		}
		surface.Right(8, y, st.Strong, fmt.Sprint(r.Count))
		x := surface.Fit(10, y, w-11, st.Text, fmt.Sprintf("%-5s %-24s", r.Verb, r.Resource))
		text := r.User + " " + agent(r.Agent)
		if r.Verb != "watch" && r.Count > 0 {
			text += "  mean " + widget.Short(r.Latency/time.Duration(r.Count))
		}
		if r.Failed > 0 {
			text += fmt.Sprintf("  %d failed", r.Failed)
		}
		surface.Fit(x+1, y, w-x-2, st.Muted, text)
	}
}
