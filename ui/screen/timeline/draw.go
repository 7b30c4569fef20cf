package timeline

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// headline is the axis and the cursors in one line.
func headline(s widget.Surface, cx *screen.Context, a axis) {
	st := cx.Styles
	w, _ := s.Size()
	x := 1
	put := func(label string, style themes.Style, text string) {
		if x+len(label)+widget.Width(text)+2 < w {
			x = s.Text(x, 0, st.Muted, label+" ")
			x = s.Text(x, 0, style, text) + 3
		}
	}
	put("span", st.Strong, spanWord(a.span))
	put("cursor", st.Accent, cx.Now.Local().Format("15:04:05.000"))
	put("event", st.Text, fmt.Sprint(cx.World.Seq))
	if m := cx.Clock.Mark; !m.IsZero() {
		put("mark", st.Warn, m.Local().Format("15:04:05.000"))
		put("Δ", st.Strong, widget.Delta(cx.Now.Sub(m)))
	}
	if cx.Filter != "" {
		put("filter", st.Accent, "“"+cx.Filter+"”")
	}
}

func spanWord(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// cell is what one column shows.
type cell struct {
	text  string
	style themes.Style
	rank  int
	n     int // changes in it
}

// draw draws a row: of states what holds, of changes what happened. What came
// after the cursor is faint: the other screens do not know it yet.
func (r row) draw(s widget.Surface, cx *screen.Context, a axis) {
	w, _ := s.Size()
	cells := make([]cell, w)
	changes := false
	for i, l := range r.lanes {
		kind, part := r.kind, i > 0 && !r.group
		if part {
			kind = state.LaneComponent
		}
		if !holds(kind) {
			changes = true
			changeCells(cells, cx, a, kind, l)
			continue
		}
		// A node's components matter where they are not as the node is.
		stateCells(cells, cx, a, kind, l, part)
	}
	now := a.column(cx.Now, w)
	for x, c := range cells {
		switch {
		case c.n == 0 || !changes || r.kind == state.LaneElections:
		case counts(r.kind) && c.rank >= 5: // what matters keeps its sign
		case counts(r.kind):
			c.text = string([]rune("▁▂▃▄▅▆▇█")[min(bits.Len(uint(c.n)), 8)-1])
		case c.n >= 10:
			c.text = "#"
		case c.n > 1:
			c.text = fmt.Sprint(c.n)
		}
		if x > now && now >= 0 && c.text != "" {
			c.style = cx.Styles.Faint
		}
		s.Text(x, 0, c.style, c.text)
	}
	if r.kind == state.LaneLease || r.kind == state.LaneLab {
		names(s, cx, a, r.lanes[0])
	}
}

// stateCells fills in what holds from each mark to the next. The newest state
// holds up to the newest that is known. A part adds what is worse than the whole.
func stateCells(cells []cell, cx *screen.Context, a axis, kind string, l *state.Lane, part bool) {
	w := len(cells)
	last := min(a.column(latestTime(cx), w), w-1)
	for i, m := range l.Marks {
		from, to := a.column(m.At, w), last+1
		if i+1 < len(l.Marks) {
			to = a.column(l.Marks[i+1].At, w)
		}
		look := lookOf(cx.Styles, kind, m.Class)
		if part && look.rank < 4 {
			continue
		}
		for x := max(from, 0); x < min(max(to, from+1), w); x++ {
			c := cell{look.hold, look.style, look.rank, 1}
			if x == from {
				c.text, c.rank = look.begin, look.rank+1
			}
			if c.rank >= cells[x].rank {
				cells[x] = c
			}
		}
	}
}

func changeCells(cells []cell, cx *screen.Context, a axis, kind string, l *state.Lane) {
	w := len(cells)
	for _, m := range l.Marks {
		look := lookOf(cx.Styles, kind, m.Class)
		from, to := a.column(m.At, w), a.column(m.End(), w)
		for x := max(from, 0); x <= min(to, w-1); x++ {
			n := cells[x].n + max(1, m.Count()/(to-from+1))
			if look.rank >= cells[x].rank {
				cells[x] = cell{look.begin, look.style, look.rank, n}
			}
			cells[x].n = n
		}
	}
}

// names writes the states of a lane into it, where there is room.
func names(s widget.Surface, cx *screen.Context, a axis, l *state.Lane) {
	w, _ := s.Size()
	for i, m := range l.Marks {
		from, to := max(a.column(m.At, w)+1, 1), w
		if i+1 < len(l.Marks) {
			to = a.column(l.Marks[i+1].At, w)
		}
		text := strings.TrimSpace(m.Class)
		if holder, _, found := strings.Cut(text, "_"); found {
			text = holder
		}
		if text != "" && to > 0 && to-from > widget.Width(text) {
			s.Text(from, 0, cx.Styles.Text, text)
		}
	}
}

// markers draws the key marks of all lanes in one line.
func markers(s widget.Surface, cx *screen.Context, a axis) {
	w, _ := s.Size()
	cells := make([]cell, w)
	for name, l := range lanes(cx) {
		kind, _, _ := strings.Cut(name, "/")
		for _, m := range l.Marks {
			x := a.column(m.At, w)
			if !m.Key || x < 0 || x >= w {
				continue
			}
			look := lookOf(cx.Styles, kind, m.Class)
			c := cell{text: look.mark(), style: look.style, rank: 2*look.rank + map[bool]int{true: 20}[kind == state.LaneYou]}
			if c.rank > cells[x].rank || c.rank == cells[x].rank && c.text > cells[x].text {
				cells[x] = c
			}
		}
	}
	now := a.column(cx.Now, w)
	for x, c := range cells {
		if x > now && now >= 0 {
			c.style = cx.Styles.Faint
		}
		s.Text(x, 0, c.style, c.text)
	}
}

// cursors draws the shared instant and the second cursor over the lanes.
func cursors(s widget.Surface, cx *screen.Context, a axis) {
	w, h := s.Size()
	draw := func(at time.Time, head string, style themes.Style) {
		x := a.column(at, w)
		if at.Equal(a.to()) {
			x = w - 1
		}
		if at.IsZero() || x < 0 || x >= w {
			return
		}
		s.Text(x, 0, style, head)
		for y := 1; y < h; y++ {
			s.Sub(x, y, 1, 1).Recolor(0, cx.Styles.Selection)
		}
	}
	draw(cx.Clock.Mark, "◇", cx.Styles.Warn)
	draw(cx.Now, "▼", cx.Styles.Accent)
}

// ticks writes times below the lanes.
func ticks(s widget.Surface, cx *screen.Context, a axis) {
	w, _ := s.Size()
	step := spans()[len(spans())-1]
	for _, d := range append([]time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond}, spans()...) {
		if float64(d)/float64(a.span)*float64(w) >= 14 {
			step = d
			break
		}
	}
	format := "15:04:05"
	if step < time.Second {
		format = "15:04:05.0"
	}
	s.Text(0, 0, cx.Styles.Faint, strings.Repeat("·", w))
	for at := a.from.Truncate(step); at.Before(a.to()); at = at.Add(step) {
		text := "╵" + at.Local().Format(format)
		if x := a.column(at, w); x >= 0 && x+len(format)+1 <= w {
			s.Text(x, 0, cx.Styles.Muted, text)
		}
	}
}
