package raft

import (
	"cmp"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// letter is how a kind of message is drawn. The highest rank wins a column.
type letter struct {
	rank  int
	glyph string
	style func(*themes.Styles) themes.Style
}

var letters = map[event.RaftKind]letter{
	event.RaftHeartbeat:      {1, "·", muted},
	event.RaftHeartbeatAck:   {1, "·", muted},
	event.RaftReadIndex:      {2, "r", muted},
	event.RaftReadIndexResp:  {2, "r", muted},
	event.RaftPropose:        {3, "w", text},
	event.RaftAck:            {4, "a", text},
	event.RaftAppend:         {5, "A", strong},
	event.RaftAckRefused:     {6, "n", warn},
	event.RaftSnapshot:       {7, "S", warn},
	event.RaftTimeoutNow:     {8, "T", warn},
	event.RaftPreVoteGranted: {9, "p", preCandidate},
	event.RaftPreVoteRefused: {9, "n", warn},
	event.RaftPreVote:        {10, "P", preCandidate},
	event.RaftVoteGranted:    {11, "v", candidate},
	event.RaftVoteRefused:    {11, "n", warn},
	event.RaftVote:           {12, "V", candidate},
	event.RaftOther:          {1, "?", muted},
	state.RaftDropped:        {13, "x", bad},
}

func muted(st *themes.Styles) themes.Style        { return st.Muted }
func text(st *themes.Styles) themes.Style         { return st.Text }
func strong(st *themes.Styles) themes.Style       { return st.Strong }
func warn(st *themes.Styles) themes.Style         { return st.Warn }
func bad(st *themes.Styles) themes.Style          { return st.Bad }
func preCandidate(st *themes.Styles) themes.Style { return st.PreCandidate }
func candidate(st *themes.Styles) themes.Style    { return st.Candidate }

// messageSpans are the zoom levels of the message lanes.
func messageSpans() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second}
}

// pairs are the pairs of members in the order of their lanes: first those of the
// leader, or all where there is none; then others that sent something lately.
func pairs(cx *screen.Context, names []string, since time.Time) []*state.RaftPair {
	leader := cx.World.Raft.Leader()
	place := func(p *state.RaftPair) int {
		switch leader {
		case p.From:
			return 0
		case p.To:
			return 1
		default:
			return 2
		}
	}
	var out []*state.RaftPair
	for _, from := range names {
		for _, to := range names {
			p := cx.World.Raft.Pair(from, to)
			if p == nil || from == to {
				continue
			}
			if n := len(p.Marks); place(p) < 2 || n > 0 && p.Marks[n-1].At >= since.UnixMicro() {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *state.RaftPair) int { return cmp.Compare(place(a), place(b)) })
	return out
}

// laneWidth is what a lane's name and its sum take on the left and right.
const (
	laneName = 8
	laneSum  = 12
)

// messages draws one lane per pair of members: what was sent when.
func (r *Raft) messages(s widget.Surface, cx *screen.Context, names []string) {
	w, h := s.Size()
	st, span := cx.Styles, messageSpans()[r.messageZoom]
	title := "Messages  last " + span.String()
	s.Rule(0, st, title)
	right := 0
	if w >= 70 {
		right = laneSum
	}
	width := w - laneName - right - 2
	if width < 10 {
		return
	}
	start := cx.Now.Add(-span)
	lanes := pairs(cx, names, start)
	letterKey(s, st, widget.Width(title)+6, lanes, start)
	if len(lanes) == 0 {
		s.Fit(1, 1, w-2, st.Muted, "no message seen: a single member has no peers, or the relay is off")
		return
	}
	rows := h - 2
	for i, p := range lanes {
		if i == rows-1 && len(lanes) > rows {
			s.Fit(1, 1+i, w-2, st.Muted, "and "+widget.Plural(len(lanes)-i, "more pair"))
			break
		}
		if i >= rows {
			break
		}
		s.Text(1, 1+i, st.Strong, widget.Clip(p.From+">"+p.To, laneName-1))
		messageLane(s.Sub(laneName, 1+i, width, 1), cx, p, start, span)
		if right > 0 {
			sum, style := laneText(cx, p)
			s.Fit(laneName+width+1, 1+i, right, style, sum)
		}
	}
	axis(s.Sub(laneName, h-1, width, 1), st, span)
}

// messageLane draws the messages of a pair; a column stands for many milliseconds.
func messageLane(s widget.Surface, cx *screen.Context, p *state.RaftPair, start time.Time, span time.Duration) {
	w, _ := s.Size()
	from := start.UnixMicro()
	best := make([]letter, w)
	for _, m := range p.Marks {
		x := int((m.At - from) * int64(w) / span.Microseconds())
		if m.At < from || x < 0 || x >= w {
			continue
		}
		l := letters[m.Kind]
		if m.Lost {
			l = letters[state.RaftDropped]
		}
		if l.rank > best[x].rank {
			best[x] = l
		}
	}
	for x, l := range best {
		if l.glyph != "" {
			s.Text(x, 0, l.style(cx.Styles), l.glyph)
		}
	}
}

// laneText says how the lane is: silent, waiting, or fine.
func laneText(cx *screen.Context, p *state.RaftPair) (string, themes.Style) {
	st := cx.Styles
	switch age := cx.Now.Sub(p.Heard); {
	case p.Waiting > 0:
		return widget.Plural(p.Waiting, "unacked"), st.Bad
	case p.Heard.IsZero():
		return "silent", st.Muted
	case age > 2*time.Second:
		return "silent " + widget.Seconds(age), st.Warn
	default:
		return "", st.Muted
	}
}

// keyed are the letters in the order of the key, with what they say.
var keyed = []struct {
	kinds []event.RaftKind
	text  string
}{
	{[]event.RaftKind{event.RaftAppend}, "A append"},
	{[]event.RaftKind{event.RaftAck}, "a ack"},
	{[]event.RaftKind{event.RaftHeartbeat, event.RaftHeartbeatAck}, "· heartbeat"},
	{[]event.RaftKind{event.RaftPreVote}, "P pre-vote"},
	{[]event.RaftKind{event.RaftVote}, "V vote"},
	{[]event.RaftKind{state.RaftDropped}, "x lost"},
	{[]event.RaftKind{event.RaftVoteGranted, event.RaftPreVoteGranted}, "p v granted"},
	{[]event.RaftKind{event.RaftAckRefused, event.RaftVoteRefused, event.RaftPreVoteRefused}, "n refused"},
	{[]event.RaftKind{event.RaftSnapshot}, "S snapshot"},
	{[]event.RaftKind{event.RaftTimeoutNow}, "T take over"},
	{[]event.RaftKind{event.RaftPropose}, "w passed on"},
	{[]event.RaftKind{event.RaftReadIndex, event.RaftReadIndexResp}, "r read"},
	{[]event.RaftKind{event.RaftOther}, "? other"},
}

// letterKey explains the letters right of a title: all where there is room,
// otherwise those in view first, and of the others as many as fit.
func letterKey(s widget.Surface, st *themes.Styles, title int, lanes []*state.RaftPair, since time.Time) {
	w, _ := s.Size()
	seen := map[event.RaftKind]bool{}
	for _, p := range lanes {
		for _, m := range p.Marks {
			if m.At < since.UnixMicro() {
				continue
			}
			seen[m.Kind] = seen[m.Kind] || !m.Lost
			seen[state.RaftDropped] = seen[state.RaftDropped] || m.Lost
		}
	}
	shown := make([]bool, len(keyed))
	room := w - title - 2
	for _, inView := range []bool{true, false} {
		for i, item := range keyed {
			need := widget.Width(item.text) + 2
			if !shown[i] && need <= room && (!inView || slices.ContainsFunc(item.kinds, func(k event.RaftKind) bool { return seen[k] })) {
				shown[i] = true
				room -= need
			}
		}
	}
	x := w - 2
	for i, item := range slices.Backward(keyed) {
		if shown[i] {
			x = s.Right(x, 0, letters[item.kinds[0]].style(st), item.text+" ")
			x = s.Right(x, 0, st.Border, " ")
		}
	}
}
