// Package timeline is the screen of time: what every actor of the lab did when,
// in lanes on one axis. Its cursor is the instant that all screens show.
package timeline

import (
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/history"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Timeline is the screen.
type Timeline struct {
	list                   screen.ListKeys
	left, right            key.Binding
	earlier, later         key.Binding
	in, out                key.Binding
	nextMark, previousMark key.Binding
	open, trace            key.Binding
	fall                   waterfall
	zoom                   int
	end                    time.Time // of the axis while in the past; zero is near the cursor
	lane                   string    // the selected row
	opened                 map[string]bool
}

// spans are the zoom levels.
func spans() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
		10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 12 * time.Hour, 24 * time.Hour}
}

// New is the screen at its start.
func New() *Timeline {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return &Timeline{
		list: screen.NewListKeys(), zoom: 6, opened: map[string]bool{},
		left: bind("←/h", "cursor back", "left", "h"), right: bind("→/l", "cursor on", "right", "l"),
		earlier: bind("(", "pan back", "(", "shift+left"), later: bind(")", "pan on", ")", "shift+right"),
		out: bind("[", "zoom out", "["), in: bind("]", "zoom in", "]"),
		previousMark: bind("N", "mark of the lane back", "N"), nextMark: bind("n", "mark of the lane on", "n"),
		open:  bind("enter", "open or close a group, a node", "enter", "tab"),
		trace: bind("w", "waterfall of a traced command", "w"),
	}
}

// About implements screen.Screen.
func (t *Timeline) About() screen.About {
	return screen.About{Number: 8, ID: "timeline", Title: "Timeline", Short: "Time", Filters: true,
		Text: "what every actor did when, on one axis, and the clock of all screens"}
}

// Keys implements screen.Screen.
func (t *Timeline) Keys() []key.Binding {
	return []key.Binding{t.left, t.right, t.out, t.in, t.earlier, t.later, t.previousMark, t.nextMark, t.open, t.trace, t.list.Up, t.list.Down}
}

// axis is the stretch of time that is drawn.
type axis struct {
	from time.Time
	span time.Duration
}

func (a axis) to() time.Time { return a.from.Add(a.span) }

// column is where an instant is on w columns; it may lie outside.
func (a axis) column(at time.Time, w int) int {
	d := at.Sub(a.from)
	if d < 0 {
		return -1
	}
	return int(float64(d) / float64(a.span) * float64(w))
}

// instant is the middle of a column.
func (a axis) instant(x, w int) time.Time {
	return a.from.Add(time.Duration((float64(x) + 0.5) / float64(w) * float64(a.span)))
}

// axis ends with the present while live, once the run is old enough. In the past it stays where it is while
// the cursor is on it.
func (t *Timeline) axis(cx *screen.Context) axis {
	span := spans()[t.zoom]
	end := cx.Now
	if !cx.Clock.Live {
		end = t.end
		if end.IsZero() || cx.Now.After(end) || cx.Now.Before(end.Add(-span)) {
			end = cx.Now.Truncate(span / 2).Add(span / 2) // it moves on by halves
		}
	}
	from := end.Add(-span)
	if began := cx.World.Started; began.After(from) && began.Before(end) {
		from = began // nothing was before
	}
	return axis{from: from, span: span}
}

// latestTime is the time of the newest that is known, but not before the cursor.
func latestTime(cx *screen.Context) time.Time {
	if l := cx.Clock.Latest; l != nil && l.Now.After(cx.Now) {
		return l.Now
	}
	return cx.Now
}

// Handle implements screen.Screen.
func (t *Timeline) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	if t.fall.open {
		return t.inside(msg, cx)
	}
	rows := t.rows(cx)
	a := t.axis(cx)
	if click, ok := msg.(screen.Click); ok {
		return t.click(click.Zone, rows, a)
	}
	if to, ok := t.list.Move(msg, selected(rows, t.lane), len(rows)); ok && len(rows) > 0 {
		t.lane = rows[to].name
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	step := a.span / 80
	switch {
	case key.Matches(press, t.trace):
		t.fall.open, t.fall.id, t.fall.at = true, "", 0
	case key.Matches(press, t.left):
		return t.seek(cx, a, cx.Now.Add(-step))
	case key.Matches(press, t.right):
		return t.seek(cx, a, cx.Now.Add(step))
	case key.Matches(press, t.earlier):
		t.end = a.to().Add(-a.span / 2)
		return t.seek(cx, axis{t.end.Add(-a.span), a.span}, cx.Now.Add(-a.span/2))
	case key.Matches(press, t.later):
		t.end = a.to().Add(a.span / 2)
		return t.seek(cx, axis{t.end.Add(-a.span), a.span}, cx.Now.Add(a.span/2))
	case key.Matches(press, t.in):
		t.scale(cx, a, -1)
	case key.Matches(press, t.out):
		t.scale(cx, a, 1)
	case key.Matches(press, t.nextMark):
		return t.jump(cx, rows, 1)
	case key.Matches(press, t.previousMark):
		return t.jump(cx, rows, -1)
	case key.Matches(press, t.open) && len(rows) > 0:
		if opens := rows[selected(rows, t.lane)].opens; opens != "" {
			t.opened[opens] = !t.opened[opens]
			t.lane = opens
		}
	}
	return nil
}

// scale zooms with the cursor staying in its place on the screen.
func (t *Timeline) scale(cx *screen.Context, a axis, by int) {
	t.zoom = max(0, min(t.zoom+by, len(spans())-1))
	share := float64(a.to().Sub(cx.Now)) / float64(a.span)
	t.end = cx.Now.Add(time.Duration(share * float64(spans()[t.zoom])))
}

func (t *Timeline) seek(cx *screen.Context, a axis, to time.Time) screen.Intent {
	if latest := latestTime(cx); to.After(latest) {
		to = latest
	}
	if began := cx.World.Started; to.Before(began) {
		to = began // nothing was before
	}
	t.end = a.to()
	return screen.Seek{At: history.Instant{Time: to}}
}

// jump goes to the next mark of the selected lane, or the one before.
func (t *Timeline) jump(cx *screen.Context, rows []row, by int) screen.Intent {
	if len(rows) == 0 {
		return nil
	}
	r := rows[selected(rows, t.lane)]
	var best state.Mark
	for _, l := range r.lanes {
		for _, m := range l.Marks {
			if by > 0 && m.Seq > cx.World.Seq && (best.Seq == 0 || m.Seq < best.Seq) || by < 0 && m.Seq < cx.World.Seq && m.Seq > best.Seq {
				best = m
			}
		}
	}
	if best.Seq == 0 {
		return screen.Note{Text: r.label + " has no mark " + map[int]string{1: "after", -1: "before"}[by] + " this"}
	}
	return screen.Seek{At: history.Instant{Seq: best.Seq}}
}

func (t *Timeline) click(zone string, rows []row, a axis) screen.Intent {
	if at, ok := strings.CutPrefix(zone, "at/"); ok {
		if nanos, err := strconv.ParseInt(at, 10, 64); err == nil {
			t.end = a.to()
			return screen.Seek{At: history.Instant{Time: time.Unix(0, nanos)}}
		}
	}
	if at, ok := strings.CutPrefix(zone, "lane/"); ok {
		if i, err := strconv.Atoi(at); err == nil && i < len(rows) {
			t.lane = rows[i].name
		}
	}
	return nil
}

// selected is the index of the selected row.
func selected(rows []row, lane string) int {
	for i, r := range rows {
		if r.name == lane {
			return i
		}
	}
	return 0
}

// Draw implements screen.Screen.
func (t *Timeline) Draw(s widget.Surface, cx *screen.Context) {
	if t.fall.open {
		t.fall.draw(s, cx)
		return
	}
	w, h := s.Size()
	rows := t.rows(cx)
	if len(rows) == 0 {
		text := "nothing has happened yet"
		if cx.Filter != "" {
			text = "no lane matches “" + cx.Filter + "”"
		}
		s.Fit(1, 0, w-2, cx.Styles.Muted, text)
		return
	}
	a := t.axis(cx)
	headline(s, cx, a)
	left := 18
	if w >= 120 {
		left = 22
	}
	width := w - left - 2
	if width < 8 || h < 6 {
		return
	}
	below := max(min(h/4, h-6-len(rows)), 2)
	if h >= 28 {
		below = max(below, 6)
	}
	lanes := min(len(rows), h-4-below)
	at := selected(rows, t.lane)
	first := widget.Scroll(at, len(rows), lanes)
	field := s.Sub(left, 1, width, lanes+2)
	markers(s.Sub(left, 2, width, 1), cx, a)
	s.Text(1, 2, cx.Styles.Muted, "markers")
	for i, r := range rows[first:min(first+lanes, len(rows))] {
		y := 3 + i
		line := s.Sub(0, y, left, 1)
		style := cx.Styles.Text
		if first+i == at {
			style = cx.Styles.SelectionText
			s.Text(0, y, style, "▸")
		}
		s.Fit(1+r.indent, y, left-2-r.indent, style, r.title(left-2-r.indent))
		line.Zone("lane/" + strconv.Itoa(first+i))
		r.draw(s.Sub(left, y, width, 1), cx, a)
	}
	cursors(field, cx, a)
	ticks(s.Sub(left, 3+lanes, width, 1), cx, a)
	widget.Scrollbar(s.Sub(w-1, 3, 1, lanes), cx.Styles, first, len(rows))
	for x := range width {
		s.Sub(left+x, 1, 1, lanes+3).Zone("at/" + strconv.FormatInt(a.instant(x, width).UnixNano(), 10))
	}
	detail(s.Sub(0, 4+lanes, w, h-4-lanes), cx, a, rows[at])
}
