package lab

import (
	"maps"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// lane is a line between the two rows of boxes: a link that is not whole, or all
// links of a node that are not in the same way.
type lane struct {
	a, b    string // b is "" for all nodes
	text    string
	cut     bool
	dropped uint64
}

// mostLanes bounds the lines that links take of the screen.
const mostLanes = 6

// lanes are the links that are not whole, in a fixed order: those of a node to
// all others in one where they are alike.
func lanes(cx *screen.Context) []lane {
	links := maps.Clone(cx.World.Faults.Links)
	var names []string
	for _, n := range cx.Order() {
		names = append(names, n.Name)
	}
	var out []lane
	for _, hub := range names {
		if len(names) < 4 {
			break // one by one they say more
		}
		if l, ok := star(links, hub, names); ok {
			out = append(out, l)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(links)) {
		c := links[key]
		if c == nil {
			continue // told with its other direction
		}
		back := links[c.To+">"+c.From]
		l := lane{a: c.From, b: c.To, cut: c.Cut, text: fault.LinkText(*c), dropped: c.Dropped}
		switch {
		case back == nil:
			l.text = c.From + "→" + c.To + " " + l.text
		case alike(c, back):
			l.dropped += back.Dropped
		default:
			l.text = c.From + "→" + c.To + " " + l.text + "  " + c.To + "→" + c.From + " " + fault.LinkText(*back)
			l.dropped, l.cut = l.dropped+back.Dropped, l.cut && back.Cut
		}
		links[c.To+">"+c.From] = nil
		if l.b == event.AnyNode {
			l.b = ""
		}
		if l.a == event.AnyNode {
			l.a, l.b = l.b, ""
		}
		out = append(out, l)
	}
	return out
}

func alike(a, b *event.LinkCondition) bool {
	return a.Cut == b.Cut && a.Loss == b.Loss && a.Delay == b.Delay && a.Jitter == b.Jitter && a.Rate == b.Rate
}

// star takes out the links of a node to all others if they are all alike.
func star(links map[string]*event.LinkCondition, hub string, names []string) (lane, bool) {
	var first *event.LinkCondition
	l := lane{a: hub}
	for _, name := range names {
		if name == hub {
			continue
		}
		for _, key := range []string{hub + ">" + name, name + ">" + hub} {
			c := links[key]
			if c == nil || first != nil && !alike(c, first) {
				return lane{}, false
			}
			first = c
			l.dropped += c.Dropped
		}
	}
	if first == nil {
		return lane{}, false
	}
	l.cut, l.text = first.Cut, hub+" to all "+fault.LinkText(*first)
	for _, name := range names {
		delete(links, hub+">"+name)
		delete(links, name+">"+hub)
	}
	return l, true
}

// laneCount is how many lines of h the links take.
func laneCount(cx *screen.Context, h int) int {
	return min(len(lanes(cx)), mostLanes, h/5)
}

// place is where a node's box is: the middle of its edge towards the lanes.
type place struct {
	x    int
	down bool // the box is above the lanes
}

// drawLanes draws each link as a line from box to box, in the lines between the
// rows of boxes, with its condition and what it dropped: first the lines, then
// what leads to the boxes, then the words, which nothing may cross.
func drawLanes(s widget.Surface, cx *screen.Context, at map[string]place) {
	_, h := s.Size()
	all := lanes(cx)
	used := map[string]int{}
	var drawn []track
	for i, l := range all[:min(len(all), h)] {
		t := l.track(s, i, at, used)
		t.style = cx.Styles.Warn
		if l.cut {
			t.style = cx.Styles.Bad
		}
		if i == h-1 && len(all) > h {
			t.text += " and " + widget.Count(len(all)-h) + " more (F)"
		}
		drawn = append(drawn, t)
	}
	for _, part := range []func(track, widget.Surface){track.line, track.corners, track.label} {
		for _, t := range drawn {
			part(t, s)
		}
	}
}

// track is where a lane runs.
type track struct {
	y, from, to int
	ends        []place
	cut         bool
	text        string
	style       themes.Style
}

// track finds the way of a lane in line y.
func (l lane) track(s widget.Surface, y int, at map[string]place, used map[string]int) track {
	w, _ := s.Size()
	t := track{y: y, from: 1, to: w - 2, cut: l.cut, text: l.label()}
	for _, name := range []string{l.a, l.b} {
		if p, ok := at[name]; ok {
			p.x = min(p.x+2*used[name], w-1) // several links leave a box side by side
			used[name]++
			t.ends = append(t.ends, p)
		}
	}
	switch {
	case len(t.ends) == 2:
		t.from, t.to = min(t.ends[0].x, t.ends[1].x), max(t.ends[0].x, t.ends[1].x)
	case len(t.ends) == 1 && l.b != "": // to the outside
		t.to = t.ends[0].x
	}
	return t
}

// label is what the lane says.
func (l lane) label() string {
	text := l.text
	if l.cut {
		text = "╳ " + text
	}
	switch event.Outside {
	case l.a, l.b:
		text = "outside " + text
	}
	if l.dropped > 0 {
		text += "  " + widget.Count(int(l.dropped)) + " dropped"
	}
	return text
}

func (t track) line(s widget.Surface) {
	line := "─"
	if t.cut {
		line = "╌"
	}
	s.Text(t.from, t.y, t.style, strings.Repeat(line, max(t.to-t.from+1, 1)))
}

// corners lead the lane to its boxes.
func (t track) corners(s widget.Surface) {
	_, h := s.Size()
	for _, p := range t.ends {
		left, right := p.x == t.from && t.to > t.from, p.x == t.to && t.to > t.from
		glyph, from, to := "┬", t.y+1, h
		switch {
		case p.down && left:
			glyph = "╰"
		case p.down && right:
			glyph = "╯"
		case p.down:
			glyph = "┴"
		case left:
			glyph = "╭"
		case right:
			glyph = "╮"
		}
		if p.down {
			from, to = 0, t.y
		}
		s.Text(p.x, t.y, t.style, glyph)
		for y := from; y < to; y++ {
			s.Text(p.x, y, t.style, "│")
		}
	}
}

func (t track) label(s widget.Surface) {
	w, _ := s.Size()
	text := " " + t.text + " "
	x := t.from + (t.to-t.from-widget.Width(text))/2
	if widget.Width(text) > t.to-t.from-2 {
		x = t.to + 1 // beside it
	}
	x = max(min(x, w-widget.Width(text)), 0)
	s.Fit(x, t.y, w-x, t.style, text)
}
