package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/widget"
)

// pulseLines is how many lines the pulse takes: one per target where there is
// room, else one in all.
func (m *app) pulseLines() int {
	switch {
	case m.h < 8:
		return 0
	case m.h >= 45:
		return min(max(len(m.world.Probes), 1), 3)
	default:
		return 1
	}
}

// pulse draws availability as a user feels it: one sign per probe, | for an
// answer and x for none, then the transport.
func (m *app) pulse(s widget.Surface) {
	_, h := s.Size()
	s.Fill(m.styles.Bar)
	end := m.transport(s)
	targets := slices.Sorted(maps.Keys(m.world.Probes))
	if len(targets) == 0 {
		s.Fit(1, 0, end-2, m.styles.Muted, "pulse: no probe yet")
		return
	}
	if h >= len(targets) {
		label := 0
		for _, target := range targets {
			label = max(label, len(target))
		}
		tail := 7
		for _, target := range targets {
			text, _ := m.verdict(m.world.Probes[target])
			tail = max(tail, widget.Width(text))
		}
		for y, target := range targets {
			m.strip(s.Sub(1, y, end-3, 1), target, label, tail)
		}
		return
	}
	share := (end - 1) / len(targets)
	if share < 24 {
		targets, share = m.worst(targets), end-1
	}
	for i, target := range targets {
		m.strip(s.Sub(1+i*share, 0, share-2, 1), target, len(target), 0)
	}
}

// worst is the one target to show where there is room for one.
func (m *app) worst(targets []string) []string {
	for _, target := range targets {
		if !m.world.Probes[target].Failing.IsZero() {
			return []string{target}
		}
	}
	return targets[:1]
}

// strip is the pulse of one target: name, samples, and in words how it is now.
func (m *app) strip(s widget.Surface, target string, label, tail int) {
	w, _ := s.Size()
	st, p := &m.styles, m.world.Probes[target]
	text, style := m.verdict(p)
	x := s.Fit(0, 0, w, st.Muted, target)
	x = max(x, label) + 1
	tail = max(widget.Width(text), 7, tail)
	if w-x-tail-1 >= 4 {
		m.cells(s.Sub(x, 0, w-x-tail-1, 1), p)
		s.Text(w-tail, 0, style, text)
		return
	}
	s.Fit(x, 0, w-x, style, text)
}

func (m *app) verdict(p *state.ProbeSeries) (string, themes.Style) {
	st := &m.styles
	switch {
	case len(p.Samples) == 0:
		return "", st.Muted
	case !p.Failing.IsZero():
		return "FAILS " + widget.Seconds(m.now.Sub(p.Failing)), st.Bad
	}
	text := widget.Short(p.Samples[len(p.Samples)-1].Latency)
	if p.LastOutage > 0 && m.now.Sub(p.LastOutageAt).Minutes() < 10 {
		return fmt.Sprintf("%s out %s", text, widget.Short(p.LastOutage)), st.Warn
	}
	return text, st.OK
}

func (m *app) cells(s widget.Surface, p *state.ProbeSeries) {
	w, _ := s.Size()
	samples := p.Samples[max(0, len(p.Samples)-w):]
	for i, sample := range samples {
		x := w - len(samples) + i
		if sample.OK {
			s.Text(x, 0, m.styles.OK, "|")
		} else {
			s.Text(x, 0, m.styles.Bad, "x")
		}
	}
}

// transport says which instant is shown and how far it is from the mark, and
// returns where it begins.
func (m *app) transport(s widget.Surface) int {
	w, _ := s.Size()
	text, style := m.transportText(), m.styles.WarnBadge
	end := w
	switch {
	case w <= 30 && text != "":
		return s.Right(w, 0, style, " "+text[:strings.IndexByte(text, ' ')]+" ")
	case text != "":
		end = s.Right(w-1, 0, style, " "+text+" ")
	case m.lost.err != nil:
		end = s.Right(w-1, 0, m.styles.BadBadge, " ✗ STALE ")
	default:
		end = s.Right(w-1, 0, m.styles.OK, "● LIVE")
	}
	if delta := m.delta(); delta != "" && end > 40 {
		end = s.Right(end-1, 0, m.styles.Accent, delta)
	}
	return end
}
