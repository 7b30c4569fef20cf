package watch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/state"
	"workbench/ui/filter"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Draw implements screen.Screen.
func (s *Watch) Draw(surface widget.Surface, cx *screen.Context) {
	w, h := surface.Size()
	rows, folded := s.rows(cx)
	at := s.selected(rows)
	s.headline(surface, cx, folded)
	if cx.World.Changes.Total == 0 {
		surface.Fit(1, 2, w-2, cx.Styles.Muted, "no change has been seen yet: etcd is watched from its first answer on")
		return
	}
	body := surface.Sub(0, 1, w, h-1)
	_, bh := body.Size()
	if s.large || bh < 8 {
		if s.large {
			s.panel(body, cx, rows, at, s.pane)
		} else {
			s.list(body, cx, rows, at)
		}
		return
	}
	list, below := body.Bottom(s.share(cx, bh))
	s.list(list, cx, rows, at)
	switch cx.Room {
	case screen.Three:
		left, rest := below.Left(w * 2 / 5)
		middle, right := rest.Left(w * 3 / 10)
		s.panel(left, cx, rows, at, 0)
		s.panel(inset(middle), cx, rows, at, 1)
		s.panel(inset(right), cx, rows, at, max(2, s.pane))
	case screen.Two:
		left, right := below.Left(w / 2)
		s.panel(left, cx, rows, at, 0)
		s.panel(inset(right), cx, rows, at, max(1, s.pane))
	default:
		s.panel(below, cx, rows, at, s.pane)
	}
}

func inset(s widget.Surface) widget.Surface {
	w, h := s.Size()
	return s.Sub(1, 0, w-1, h)
}

// share is how many lines the panes below the list take.
func (s *Watch) share(cx *screen.Context, h int) int {
	if cx.Room <= screen.One {
		return h * 2 / 5
	}
	return max(10, h*2/5)
}

// headline is the state of the stream in one line, the active filter first.
func (s *Watch) headline(surface widget.Surface, cx *screen.Context, folded int) {
	st, c := cx.Styles, &cx.World.Changes
	w, _ := surface.Size()
	x := 1
	if cx.Filter != "" {
		x = surface.Fit(x, 0, w/2, st.Accent, "filter “"+cx.Filter+"”") + 2
		if _, err := filter.Parse(cx.Filter, keys()); err != nil {
			surface.Fit(x, 0, w-x-1, st.Bad, err.Error())
			return
		}
	}
	put := func(label, value string) {
		if x+len(label)+widget.Width(value) < w-1 {
			x = surface.Text(x, 0, st.Muted, label)
			x = surface.Text(x, 0, st.Strong, value) + 2
		}
	}
	put("rv ", strconv.FormatInt(c.Revision, 10))
	put("", fmt.Sprintf("%d/min", c.PerMinute(cx.Now)))
	text := widget.Plural(int(c.Heartbeats), "heartbeat")
	if folded > 0 && !s.unfolded {
		text += fmt.Sprintf(", %d Events and idle writes", folded)
	}
	put("folded ", text)
	if s.marked != (id{}) {
		put("mark ", s.marked.words())
	}
	if n := len(c.Gaps); n > 0 {
		g := c.Gaps[n-1]
		x = surface.Fit(x, 0, w-x-1, st.Bad, fmt.Sprintf("GAP %d..%d %s", g.From, g.To, g.Reason)) + 2
	}
	if lost, ok := cx.World.Lost["changes"]; ok {
		surface.Fit(x, 0, w-x-1, st.Bad, "STALE since "+lost.Since.Local().Format("15:04:05")+": "+widget.Clean(lost.Detail))
	}
}

func (i id) words() string {
	if i.revision != 0 {
		return strconv.FormatInt(i.revision, 10)
	}
	return "a refused write"
}

// origin is when the times of the list count from: the mark, or where the
// chain of the selected change began.
func (s *Watch) origin(cx *screen.Context, rows []row, at int) time.Time {
	for i := range rows {
		if rows[i].id() == s.marked {
			return rows[i].at
		}
	}
	if at < 0 || rows[at].change == nil {
		return time.Time{}
	}
	changes := &cx.World.Changes
	i := changes.At(rows[at].change.Revision, rows[at].change.UID)
	if i < 0 {
		return time.Time{}
	}
	if chain := changes.Causes(i); len(chain) > 0 {
		return changes.List[chain[0]].At
	}
	return rows[at].at
}

// chain are the revisions that the selected change is tied to, by causes.
func chain(changes *state.Changes, r *row) map[int64]bool {
	out := map[int64]bool{}
	if r.change == nil {
		return out
	}
	i := changes.At(r.change.Revision, r.change.UID)
	if i < 0 {
		return out
	}
	for _, j := range append(changes.Causes(i), changes.Effects(i, 64)...) {
		out[changes.List[j].Revision] = true
	}
	return out
}

// list draws the swimlanes.
func (s *Watch) list(surface widget.Surface, cx *screen.Context, rows []row, at int) {
	w, h := surface.Size()
	st := cx.Styles
	if len(rows) == 0 {
		surface.Fit(1, 1, w-2, st.Muted, "no change passes the filter; esc clears it")
		return
	}
	width, spaces := 4, 0
	switch {
	case w >= 160:
		width, spaces = 8, 18
	case w >= 110:
		width, spaces = 5, 12
	}
	room := min((w-16-spaces)/2+1, 14*width)
	all := lanes(rows, room, width)
	rv := 9 + len(all)*width
	text := rv + 8 + spaces
	surface.Right(8, 0, st.Muted, "+ms")
	for i, l := range all {
		surface.Text(9+i*width, 0, st.Muted, l.brief(width))
	}
	surface.Right(rv+6, 0, st.Muted, "rv")
	if spaces > 0 {
		surface.Text(rv+8, 0, st.Muted, "namespace")
	}
	surface.Text(text, 0, st.Muted, "change")
	from := s.origin(cx, rows, at)
	tied := chain(&cx.World.Changes, &rows[at])
	first := widget.Scroll(at, len(rows), h-1)
	for y := 1; y < h && first+y-1 < len(rows); y++ {
		n := first + y - 1
		r := &rows[n]
		line := surface.Sub(0, y, w, 1)
		if n == at {
			line.Fill(st.Selection)
			line.Text(0, 0, st.SelectionText, "▸")
		}
		line.Zone("change/" + strconv.Itoa(n))
		name := st.Text
		switch {
		case r.id() == s.marked:
			line.Text(0, 0, st.Warn, "◆")
		case r.change != nil && tied[r.change.Revision]:
			line.Text(0, 0, st.Accent, "│")
			name = st.Strong
		}
		if !from.IsZero() {
			line.Right(8, 0, st.Muted, delta(r.at.Sub(from)))
		}
		swim(line, 9, 0, width, all, r, cx)
		if r.change != nil {
			line.Right(rv+6, 0, st.Muted, strconv.FormatInt(r.change.Revision, 10))
		}
		if spaces > 0 {
			line.Fit(rv+8, 0, spaces-2, st.Muted, r.namespace())
		}
		object := r.object()
		if w < 160 {
			object = widget.ClipMiddle(object, max(18, (w-text)/3))
		}
		x := line.Fit(text, 0, w-text-2, name, object)
		line.Fit(x+1, 0, w-x-3, st.Text, strings.ReplaceAll(r.words(), "\n", " "))
	}
	widget.Scrollbar(surface.Sub(w-1, 1, 1, h-1), st, first, len(rows))
}
