package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// told is a mark of a lane.
type told struct {
	state.Mark
	lane string
}

// detail says what the selected lane was at the cursor, and lists the markers
// nearest to it.
func detail(s widget.Surface, cx *screen.Context, a axis, r row) {
	w, h := s.Size()
	if h < 1 {
		return
	}
	st := cx.Styles
	x := s.Text(1, 0, st.Strong, r.label)
	s.Fit(x+2, 0, w-x-3, st.Text, r.told(cx))
	if h < 3 {
		return
	}
	list := nearest(cx, h-2)
	title := "Markers"
	if m := cx.Clock.Mark; !m.IsZero() {
		title += "  by the mark at " + m.Local().Format("15:04:05.000")
	}
	s.Rule(1, st, title)
	from := cx.Now
	if !cx.Clock.Mark.IsZero() {
		from = cx.Clock.Mark
	}
	for i, k := range list {
		y := 2 + i
		kind, _, _ := strings.Cut(k.lane, "/")
		look := lookOf(st, kind, k.Class)
		style := look.style
		if k.At.After(cx.Now) {
			style = st.Faint
		}
		s.Text(1, y, st.Muted, k.At.Local().Format("15:04:05.000"))
		s.Right(25, y, st.Muted, widget.Delta(k.At.Sub(from)))
		s.Text(27, y, style, look.mark())
		s.Fit(29, y, 20, st.Text, label(k.lane))
		s.Fit(50, y, w-51, dim(st, style, k.At.After(cx.Now)), say(k.Mark))
	}
}

func dim(st *themes.Styles, style themes.Style, later bool) themes.Style {
	if later {
		return st.Faint
	}
	return style
}

// say is a mark in words.
func say(m state.Mark) string {
	text := m.Class
	if m.Text != "" {
		text += ": " + widget.Clean(m.Text)
	}
	if m.Count() > 1 {
		text += fmt.Sprintf(" (and %d more)", m.Count()-1)
	}
	return text
}

// told says what a row was at the cursor, and what it does next.
func (r row) told(cx *screen.Context) string {
	if r.group && holds(r.kind) {
		return r.standing(cx)
	}
	var now, next told
	for i, l := range r.lanes {
		if i > 0 && !r.group {
			break // parts of it
		}
		was, will := around(cx, l)
		name := ""
		if r.group {
			name = strings.TrimPrefix(r.names[i], r.name+"/") + " "
		}
		if was.Seq > now.Seq {
			now = told{was, name}
		}
		if will.Seq > 0 && (next.Seq == 0 || will.Seq < next.Seq) {
			next = told{will, name}
		}
	}
	text := "nothing yet"
	if now.Seq > 0 {
		text = now.lane + say(now.Mark) + "  " + widget.Short(cx.Now.Sub(now.At)) + " ago"
	}
	if next.Seq > 0 {
		text += "   then " + next.lane + say(next.Mark) + " " + widget.Delta(next.At.Sub(cx.Now))
	}
	return text
}

// standing says how many of a group are in which state at the cursor, the worst
// ones by name.
func (r row) standing(cx *screen.Context) string {
	count := map[string][]string{}
	for i, l := range r.lanes {
		class := "not known yet"
		if now, _ := around(cx, l); now.Seq > 0 {
			class = now.Class
		}
		count[class] = append(count[class], strings.TrimPrefix(r.names[i], r.name+"/"))
	}
	classes := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(lookOf(cx.Styles, r.kind, b).rank, lookOf(cx.Styles, r.kind, a).rank), strings.Compare(a, b))
	})
	var parts []string
	for _, class := range classes {
		part := fmt.Sprintf("%d of %d %s", len(count[class]), len(r.lanes), class)
		if len(classes) > 1 && len(count[class]) <= 4 {
			part += " (" + strings.Join(count[class], " ") + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// around are the last mark of a lane up to the cursor and the first one after it.
func around(cx *screen.Context, l *state.Lane) (now, next state.Mark) {
	for _, m := range l.Marks {
		if !m.At.After(cx.Now) {
			now = m
		} else if next.Seq == 0 {
			next = m
		}
	}
	return now, next
}

// nearest are the n markers nearest to the cursor, in order.
func nearest(cx *screen.Context, n int) []told {
	var all []told
	for name, l := range lanes(cx) {
		for _, m := range l.Marks {
			if m.Key {
				all = append(all, told{m, name})
			}
		}
	}
	slices.SortFunc(all, func(a, b told) int {
		if c := cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)); c != 0 {
			return c
		}
		return strings.Compare(a.lane, b.lane)
	})
	at := len(all)
	for i, k := range all {
		if k.At.After(cx.Now) {
			at = i
			break
		}
	}
	first := max(0, min(at-(n+1)/2, len(all)-n))
	if at == len(all) {
		first = max(0, len(all)-n)
	}
	return all[first:min(first+n, len(all))]
}
