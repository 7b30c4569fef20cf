package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/widget"
)

// beat is what the pulse shows on one strip: the probes of one target, or of the
// same target on all workers.
type beat struct {
	name    string
	series  []*state.ProbeSeries
	targets []string
}

// beats are the strips, those that matter most to users first.
func (m *app) beats() []beat {
	var all []beat
	for _, target := range slices.Sorted(maps.Keys(m.world.Probes)) {
		name, _, _ := strings.Cut(target, "/")
		i := slices.IndexFunc(all, func(b beat) bool { return b.name == name })
		if i < 0 {
			i = len(all)
			all = append(all, beat{name: name})
		}
		all[i].series = append(all[i].series, m.world.Probes[target])
		all[i].targets = append(all[i].targets, target)
	}
	slices.SortStableFunc(all, func(a, b beat) int { return rank(a.name) - rank(b.name) })
	return all
}

func rank(name string) int {
	order := []string{"service", "api-read", "api-write", "dns", "etcd-write"}
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// failing is since when the first of the series fails, and on which worker.
func (b beat) failing() (since time.Time, where string) {
	for i, p := range b.series {
		if !p.Failing.IsZero() && (since.IsZero() || p.Failing.Before(since)) {
			since = p.Failing
			_, where, _ = strings.Cut(b.targets[i], "/")
		}
	}
	return since, where
}

// pulseLines is how many lines the pulse takes: one per strip where there is
// room, else one in all.
func (m *app) pulseLines() int {
	switch {
	case m.h < 8:
		return 0
	case m.h >= 45:
		return min(max(len(m.beats()), 1), 5)
	default:
		return 1
	}
}

// stripWidth is the least width of a strip beside others.
const stripWidth = 24

// pulse draws availability as a user feels it: one sign per probe, | for an
// answer and x for none, then the transport.
func (m *app) pulse(s widget.Surface) {
	_, h := s.Size()
	s.Fill(m.styles.Bar)
	end := m.transport(s)
	beats := m.beats()
	if len(beats) == 0 {
		text := "pulse: no probe yet"
		if m.world.PulseOff {
			text = "pulse: off; workbench pulse on"
		}
		s.Fit(1, 0, end-2, m.styles.Muted, text)
		return
	}
	if h >= len(beats) {
		label, tail := 0, 7
		for _, b := range beats {
			text, _ := m.verdict(b)
			label, tail = max(label, len(b.name)), max(tail, widget.Width(text))
		}
		for y, b := range beats {
			m.strip(s.Sub(1, y, end-3, 1), b, label, tail)
		}
		return
	}
	if room := max((end-1)/stripWidth, 1); room < len(beats) {
		// Those that fail come first where not all fit.
		slices.SortStableFunc(beats, func(a, b beat) int { return healthy(a) - healthy(b) })
		beats = beats[:room]
	}
	share := (end - 1) / len(beats)
	for i, b := range beats {
		m.strip(s.Sub(1+i*share, 0, share-2, 1), b, len(b.name), 0)
	}
}

func healthy(b beat) int {
	if since, _ := b.failing(); since.IsZero() {
		return 1
	}
	return 0
}

// strip is one strip: name, samples, and in words how it is now.
func (m *app) strip(s widget.Surface, b beat, label, tail int) {
	w, _ := s.Size()
	st := &m.styles
	text, style := m.verdict(b)
	x := s.Fit(0, 0, w, st.Muted, b.name)
	x = max(x, label) + 1
	tail = max(widget.Width(text), 7, tail)
	if w-x-tail-1 >= 4 {
		m.cells(s.Sub(x, 0, w-x-tail-1, 1), b)
		s.Text(w-tail, 0, style, text)
		return
	}
	s.Fit(x, 0, w-x, style, text)
}

// verdict is the slowest of the last answers, or since when there is none.
func (m *app) verdict(b beat) (string, themes.Style) {
	st := &m.styles
	if since, where := b.failing(); !since.IsZero() {
		return strings.TrimSpace("FAILS " + widget.Seconds(m.now.Sub(since)) + " " + where), st.Bad
	}
	var latency, outage time.Duration
	for _, p := range b.series {
		if len(p.Samples) > 0 {
			latency = max(latency, p.Samples[len(p.Samples)-1].Latency)
		}
		if m.now.Sub(p.LastOutageAt).Minutes() < 10 {
			outage = max(outage, p.LastOutage)
		}
	}
	switch {
	case latency == 0:
		return "", st.Muted
	case outage > 0:
		return fmt.Sprintf("%s out %s", widget.Short(latency), widget.Short(outage)), st.Warn
	}
	return widget.Short(latency), st.OK
}

// slot is how long one sign of a strip stands for where several series share it.
const slot = 250 * time.Millisecond

// cells are the last probes; where workers share a strip, one that failed on any
// of them counts.
func (m *app) cells(s widget.Surface, b beat) {
	w, _ := s.Size()
	var signs []bool
	if len(b.series) == 1 {
		for _, sample := range b.series[0].Samples {
			signs = append(signs, sample.OK)
		}
	} else {
		signs = merged(b.series)
	}
	signs = signs[max(0, len(signs)-w):]
	for i, ok := range signs {
		if x := w - len(signs) + i; ok {
			s.Text(x, 0, m.styles.OK, "|")
		} else {
			s.Text(x, 0, m.styles.Bad, "x")
		}
	}
}

func merged(series []*state.ProbeSeries) []bool {
	good := map[int64]bool{}
	for _, p := range series {
		for _, sample := range p.Samples {
			at := sample.At.UnixNano() / int64(slot)
			before, known := good[at]
			good[at] = sample.OK && (before || !known)
		}
	}
	var signs []bool
	for _, at := range slices.Sorted(maps.Keys(good)) {
		signs = append(signs, good[at])
	}
	return signs
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
