package raft

import (
	"fmt"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// swimlane draws the role of every member over time: a leader as a heavy line,
// a follower as a thin one, candidates as diamonds, nothing while its process is
// down. A column stands for many milliseconds; the rarest role in it wins, so an
// election that took one millisecond is seen.
func (r *Raft) swimlane(s widget.Surface, cx *screen.Context, names []string) {
	w, h := s.Size()
	if h < 2 {
		return
	}
	st, span := cx.Styles, spans()[r.zoom]
	s.Rule(0, st, "Election  last "+span.String())
	legend(s, st)
	const left = 6
	width := w - left - 2
	if width < 10 {
		return
	}
	step := 1
	if h >= 2*len(names)+2 {
		step = 2
	}
	start := cx.Now.Add(-span)
	for i, name := range names {
		y := 1 + i*step
		s.Text(1, y, st.Strong, widget.Clip(name, left-2))
		lane(s.Sub(left, y, width, step), cx, cx.World.Raft.Members[name], start, span)
	}
	axis(s.Sub(left, h-1, width, 1), st, span)
}

func legend(s widget.Surface, st *themes.Styles) {
	w, _ := s.Size()
	items := []struct {
		text  string
		style themes.Style
	}{
		{"━ leader", st.Leader}, {"◆ candidate", st.Candidate}, {"◇ pre-candidate", st.PreCandidate},
		{"─ follower", st.Follower}, {"× lost", st.Bad},
	}
	need := 0
	for _, item := range items {
		need += widget.Width(item.text) + 2
	}
	x := w - need - 2
	if x < 24 {
		return
	}
	s.Text(x, 0, st.Border, " ")
	for _, item := range items {
		x = s.Text(x+1, 0, item.style, item.text)
		x = s.Text(x, 0, item.style, " ")
	}
}

// mark is what one column of a lane shows.
type mark struct {
	rank  int
	glyph string
	style themes.Style
}

func lane(s widget.Surface, cx *screen.Context, m *state.Member, start time.Time, span time.Duration) {
	w, h := s.Size()
	column := func(at time.Time) int { return int(float64(at.Sub(start)) / float64(span) * float64(w)) }
	marks := make([]mark, w)
	for i, swim := range m.Swim {
		from, to := column(swim.At), w
		if i+1 < len(m.Swim) {
			to = column(m.Swim[i+1].At)
		}
		if to < 0 || from >= w {
			continue
		}
		k := markOf(cx.Styles, swim.Role)
		for x := max(from, 0); x < min(max(to, from+1), w); x++ {
			if k.rank >= marks[x].rank {
				marks[x] = k
			}
		}
		if swim.Role == "" && from >= 0 && marks[from].rank < 6 {
			marks[from] = mark{4, "×", cx.Styles.Bad}
		}
	}
	for x, k := range marks {
		s.Text(x, 0, k.style, k.glyph)
	}
	terms(s.Sub(0, h-1, w, 1), cx, m, column, h > 1)
}

func markOf(st *themes.Styles, role event.RaftRoleName) mark {
	switch role {
	case event.RaftLeader:
		return mark{3, "━", st.Leader}
	case event.RaftCandidate:
		return mark{6, "◆", st.Candidate}
	case event.RaftPreCandidate:
		return mark{5, "◇", st.PreCandidate}
	case event.RaftLearner:
		return mark{2, "╌", st.Learner}
	case event.RaftFollower:
		return mark{2, "─", st.Follower}
	default:
		return mark{1, " ", st.Faint}
	}
}

// terms writes the term in force at the left edge and then where it changed:
// below the lane, or in it where lanes have one line, unless that would hide an
// election.
func terms(s widget.Surface, cx *screen.Context, m *state.Member, column func(time.Time) int, below bool) {
	w, _ := s.Size()
	var labels []termLabel
	term := uint64(0)
	write := func(x int, term uint64) {
		text := fmt.Sprintf("t%d", term)
		if below {
			text = fmt.Sprintf("term %d", term)
		} else {
			x += 3
		}
		// Of terms too close to each other the last one is told: it goes on.
		for n := len(labels); n > 0 && labels[n-1].x+len(labels[n-1].text) >= x; n = len(labels) {
			labels = labels[:n-1]
		}
		if x+len(text) <= w {
			labels = append(labels, termLabel{x, text})
		}
	}
	edge := true
	for _, swim := range m.Swim {
		if swim.Term == term || swim.Role == event.RaftPreCandidate || swim.Role == "" {
			continue
		}
		x := column(swim.At)
		if x >= 0 && edge {
			if edge = false; term != 0 && x > len("term 10") {
				write(0, term)
			}
		}
		if term = swim.Term; x >= 0 {
			write(x, term)
		}
	}
	if edge && term != 0 {
		write(0, term)
	}
	for _, l := range labels {
		s.Text(l.x, 0, cx.Styles.Muted, l.text)
	}
}

// termLabel is a term at a column.
type termLabel struct {
	x    int
	text string
}

// axis writes how long ago each part of the lanes was.
func axis(s widget.Surface, st *themes.Styles, span time.Duration) {
	w, _ := s.Size()
	s.Text(0, 0, st.Faint, strings.Repeat("·", max(w-4, 0)))
	parts := 6
	if w < 70 {
		parts = 3
	}
	for i := range parts {
		ago := span - span*time.Duration(i)/time.Duration(parts)
		s.Text(w*i/parts, 0, st.Muted, "-"+widget.Short(ago)+" ")
	}
	s.Right(w, 0, st.Muted, " now")
}
