package ui

import (
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"

	"workbench/cluster/event"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// shell draws header, tabs, the screen, the pulse, the status line and what lies
// on top, as far as the height allows.
func (m *app) shell(s widget.Surface) {
	w, h := s.Size()
	if w == 0 || h == 0 {
		return
	}
	body := s
	above, below := m.chrome()
	var bar widget.Surface
	bar, body = body.Top(1)
	m.header(bar)
	if above > 1 {
		bar, body = body.Top(1)
		m.tabs(bar)
	}
	if below > 0 {
		body, bar = body.Bottom(1)
		m.status(bar)
	}
	if below > 1 {
		body, bar = body.Bottom(below - 1)
		m.pulse(bar)
	}
	cx := m.context()
	m.screen().Draw(body, cx)
	if m.filtering {
		m.filterHelp(body)
	}
	if m.overlay != nil {
		m.overlay.draw(body, m)
	}
}

// filterHelp says above the filter box what a screen's filter understands.
func (m *app) filterHelp(body widget.Surface) {
	helper, ok := m.screen().(screen.FilterHelper)
	if !ok {
		return
	}
	w, h := body.Size()
	var lines []string
	for _, l := range helper.FilterHelp() {
		lines = append(lines, widget.Wrap(l, w-4)...)
	}
	if len(lines) > h-2 {
		return
	}
	_, box := body.Bottom(len(lines))
	box.Fill(m.styles.Bar)
	for i, l := range lines {
		box.Fit(2, i, w-3, m.styles.Muted, l)
	}
}

// chrome is how many lines the app takes above and below the screen: header and
// tabs, pulse and status.
func (m *app) chrome() (above, below int) {
	above = 1
	if m.h >= 12 {
		above++
	}
	if m.h >= 4 {
		below = 1 + m.pulseLines()
	}
	return above, below
}

// header is the lab in one line: what runs, how well, who leads, what time it is.
func (m *app) header(s widget.Surface) {
	w, _ := s.Size()
	st := &m.styles
	s.Fill(st.Bar)
	end := w
	if !m.now.IsZero() {
		end = s.Right(w-1, 0, st.Text, m.now.Local().Format("15:04:05")) - 1
	}
	badge := func(style themes.Style, text string) {
		if end-len(text)-2 > 8 {
			end = s.Right(end, 0, style, " "+text+" ") - 1
		}
	}
	if m.lost.err != nil {
		badge(st.BadBadge, "connection to the supervisor lost since "+m.lost.at.Local().Format("15:04:05"))
	}
	if n := len(m.world.Faults.Active); n > 0 {
		badge(st.WarnBadge, strings.ToUpper(widget.Plural(n, "fault")))
	}
	if sc := m.world.Scenario; sc.Runs() {
		badge(st.WarnBadge, strings.ToUpper(sc.Name)+" RUNS")
	}
	if m.locked {
		badge(st.WarnBadge, "LOCKED")
	}
	x := s.Fit(1, 0, w-2, st.Title, name(m.world.Topology.Name))
	put := func(label string, style themes.Style, text string) {
		need := widget.Width(label) + widget.Width(text) + 3
		if text == "" || x+need > end {
			return
		}
		x = s.Text(x+3, 0, st.Muted, label)
		x = s.Text(x, 0, style, text)
	}
	phase, style := phaseWord(st, m.world.Phase)
	put("", style, phase)
	ready, workers := 0, 0
	for _, n := range m.world.Topology.Nodes {
		if n.Role == event.Worker {
			workers++
			if kn := m.world.Kube.Nodes[n.Name]; kn != nil && kn.Ready == "True" {
				ready++
			}
		}
	}
	if workers > 0 {
		put("workers ", good(st, ready == workers), fmt.Sprintf("%d/%d Ready", ready, workers))
	}
	if need, up, voters := m.world.Raft.Quorum(); len(m.world.Raft.Members) > 0 {
		if leader := m.world.Raft.Leader(); leader != "" {
			put("leader ", st.Leader, fmt.Sprintf("★ %s term %d", leader, m.world.Raft.Members[leader].Term))
		} else {
			put("", st.Bad, "no leader")
		}
		put("quorum ", good(st, up >= need), fmt.Sprintf("%d/%d", up, voters))
	}
	if v := m.world.Topology.KubernetesVersion; v != "" {
		put("Kubernetes ", st.Text, v)
	}
	put("API ", st.Text, m.world.Topology.APIAddress)
}

func name(lab string) string {
	if lab == "" {
		return "workbench"
	}
	return lab
}

func good(st *themes.Styles, ok bool) themes.Style {
	if ok {
		return st.OK
	}
	return st.Bad
}

func phaseWord(st *themes.Styles, p event.Phase) (string, themes.Style) {
	switch p {
	case event.Running:
		return "● running", st.OK
	case event.Booting:
		return "◐ booting", st.Busy
	case event.Stopping:
		return "◐ stopping", st.Warn
	case event.Stopped:
		return "○ stopped", st.Off
	case event.Failed:
		return "✗ failed", st.Bad
	default:
		return "○ waiting for the supervisor", st.Muted
	}
}

// fresh is how long a note or an action stays in the status line.
const fresh = 20 * time.Second

// status is the last action or refusal, or the keys of the screen.
func (m *app) status(s widget.Surface) {
	w, _ := s.Size()
	st := &m.styles
	s.Fill(st.Bar)
	end := w - 1
	end = s.Right(end, 0, st.Muted, "? help") - 2
	s.Text(end+2, 0, st.Key, "?")
	if m.filtering {
		x := s.Text(1, 0, st.Key, "/")
		x = s.Fit(x, 0, end-x-1, st.Text, m.filters[m.screen().About().ID])
		s.Text(x, 0, st.Accent, "▌")
		return
	}
	x := 1
	if text, bad := m.message(); text != "" {
		style := st.Text
		if bad {
			style = st.Bad
		}
		x = s.Fit(x, 0, end-x, style, text) + 2
	}
	for _, b := range m.hints() {
		h := b.Help()
		if x+widget.Width(h.Key)+widget.Width(h.Desc)+1 > end {
			continue
		}
		x = s.Text(x, 0, st.Key, h.Key)
		x = s.Text(x+1, 0, st.Muted, h.Desc) + 2
	}
}

// hints are the keys worth a place in the status line now; those that move a
// cursor need none.
func (m *app) hints() []key.Binding {
	var out []key.Binding
	for _, b := range m.screen().Keys() {
		if k := b.Help().Key; k != "esc" && !strings.ContainsAny(k, "↑↓←") && !strings.HasPrefix(k, "→") {
			out = append(out, b)
		}
	}
	k := m.keys
	out = append(out, k.palette)
	if m.screen().About().Filters {
		out = append(out, k.filter)
	}
	if m.clock.mode != live {
		out = append([]key.Binding{k.pause, k.back1, k.forth, k.before, k.next, k.live}, out...)
	} else {
		out = append(out, k.pause)
	}
	if m.clock.mode == live && len(m.world.Faults.Active) > 0 {
		out = append([]key.Binding{k.heal, k.faults}, out...)
	} else if m.clock.mode == live && screen.Undo(m.world) != nil {
		out = append([]key.Binding{k.undo}, out...)
	}
	return append(out, k.theme, k.quit)
}

// message is the newest of the app's note and the lab's last action.
func (m *app) message() (text string, bad bool) {
	last := note{}
	if n := len(m.world.Actions); n > 0 {
		a := m.world.Actions[n-1]
		last = note{at: a.At, bad: a.Error != ""}
		last.text, _ = screen.Equivalent(m.world, a.Verb, a.Target)
		if a.Equivalent != "" && a.Equivalent != last.text {
			last.text += "  =  " + a.Equivalent
		}
		if a.Error != "" {
			last.text = fmt.Sprintf("%s %s: %s", a.Verb, a.Target, widget.Clean(a.Error))
		}
	}
	if m.note.text != "" && !m.note.at.Before(last.at) {
		last = m.note
	}
	if last.text == "" || m.now.Sub(last.at) > fresh {
		return "", false
	}
	return last.text, last.bad
}
