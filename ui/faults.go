package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// faultList is the overlay of what is broken on purpose.
type faultList struct {
	list screen.ListKeys
	at   int
}

func newFaultList(*app) *faultList { return &faultList{list: screen.NewListKeys()} }

// rows are the faults that are on, then the last that ended, newest first.
func (l *faultList) rows(m *app) []*state.Fault {
	f := &m.world.Faults
	rows := append([]*state.Fault{}, f.Active...)
	const ended = 8
	for i := len(f.Ended) - 1; i >= max(len(f.Ended)-ended, 0); i-- {
		rows = append(rows, f.Ended[i])
	}
	return rows
}

func (l *faultList) handle(msg tea.Msg, m *app) tea.Cmd {
	rows := l.rows(m)
	if to, ok := l.list.Move(msg, min(l.at, max(len(rows)-1, 0)), len(rows)); ok {
		l.at = to
		return nil
	}
	if click, ok := msg.(screen.Click); ok {
		if _, err := fmt.Sscanf(click.Zone, "fault/%d", &l.at); err != nil {
			m.overlay = nil
		}
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch press.String() {
	case "esc", "q", "F":
		m.overlay = nil
	case "h", "u":
		if l.at < len(rows) && rows[l.at].EndedAt.IsZero() {
			return m.do(screen.Act{Verb: "heal", Target: rows[l.at].ID})
		}
	case "H":
		return m.healAll()
	case ":", "n":
		m.overlay = newPalette(m)
	}
	return nil
}

func (l *faultList) draw(s widget.Surface, m *app) {
	st := &m.styles
	rows := l.rows(m)
	sw, sh := s.Size()
	w, h := min(sw-4, 116), min(sh-2, max(len(rows), 1)+10)
	badge := widget.Plural(len(m.world.Faults.Active), "fault") + " on"
	in := dialog(s, m, "Faults", w, h, widget.Box{Badge: badge, BadgeStyle: st.Muted, Footer: "h heal  H heal all  n new  esc close", FooterStyle: st.Muted})
	w, h = in.Size()
	if len(rows) == 0 {
		in.Fit(0, 1, w, st.Muted, "nothing is broken; n or : begins a fault, such as: cut c1 c2")
		return
	}
	at := min(l.at, len(rows)-1)
	detail := min(7, h/2)
	t := widget.Table{Focused: true, Selected: at, Zone: "fault/", Columns: []widget.Column{
		{Title: "ID"}, {Title: "FAULT", Grow: true}, {Title: "VERDICT"}, {Title: "LEFT", Right: true}, {Title: "DROPPED", Right: true, Drop: 1}, {Title: "BY", Drop: 2},
	}}
	for _, f := range rows {
		word, style := faultWord(st, f)
		text := st.Text
		if !f.EndedAt.IsZero() {
			text = st.Faint
		}
		t.Rows = append(t.Rows, []widget.Cell{
			{Text: f.ID, Style: st.Muted}, {Text: f.Text, Style: text}, {Text: word, Style: style}, {Text: m.leftOf(f), Style: text},
			{Text: dropped(m.world, f), Style: text}, {Text: widget.Clean(f.Owner), Style: st.Muted},
		})
	}
	t.Draw(in.Sub(0, 0, w, h-detail-1), st)
	evidence(in.Sub(0, h-detail-1, w, detail+1), m, rows[at])
}

// evidence draws what is known of one fault.
func evidence(s widget.Surface, m *app, f *state.Fault) {
	st := &m.styles
	w, h := s.Size()
	s.Rule(0, st, f.ID+" "+f.Text)
	var lines []string
	if f.EndedAt.IsZero() {
		lines = append(lines, fault.Consequence(f.FaultInjected)+".")
	} else {
		lines = append(lines, "ended "+widget.Since(m.now, f.EndedAt)+" ago: "+f.Cause)
	}
	if f.Error != "" {
		lines = append(lines, f.Error)
	}
	lines = append(lines, f.Evidence...)
	y := 1
	for i, line := range lines {
		style := st.Text
		if i > 0 {
			style = st.Muted
		}
		for _, part := range widget.Wrap(widget.Clean(line), w-1) {
			if y >= h {
				return
			}
			s.Fit(0, y, w, style, part)
			y++
		}
	}
}

// faultWord is the verdict on a fault, with a shape of its own.
func faultWord(st *themes.Styles, f *state.Fault) (string, themes.Style) {
	switch {
	case !f.EndedAt.IsZero() && f.Error != "":
		return "✗ " + f.Cause, st.Bad
	case !f.EndedAt.IsZero():
		return "○ " + f.Cause, st.Off
	}
	switch f.Verdict {
	case event.FaultLanded:
		return "● landed", st.Warn
	case event.FaultMismatch:
		return "✗ mismatch", st.Bad
	case event.FaultInconclusive:
		return "? inconclusive", st.Warn
	}
	return "◐ verifying", st.Busy
}

func (m *app) leftOf(f *state.Fault) string {
	left, limited := f.Left(m.now)
	switch {
	case !f.EndedAt.IsZero():
		return "-"
	case !limited:
		return "no limit"
	}
	return widget.Age(left)
}

func dropped(w *state.World, f *state.Fault) string {
	var n uint64
	for _, l := range f.Links {
		if c := w.Link(l.From, l.To); c != nil {
			n += c.Dropped
		}
	}
	if n == 0 || !f.EndedAt.IsZero() {
		return "-"
	}
	return widget.Count(int(n))
}

// heal ends the fault on the selection that began last, or the last of all.
func (m *app) heal() tea.Cmd {
	if m.refusePast() {
		return nil
	}
	on := m.world.Faults.On(m.context().Target())
	if len(on) == 0 {
		on = m.world.Faults.Active
	}
	if len(on) == 0 {
		m.say("no fault is on", false)
		return nil
	}
	return m.do(screen.Act{Verb: "heal", Target: on[len(on)-1].ID})
}

func (m *app) healAll() tea.Cmd {
	if len(m.world.Faults.Active) == 0 {
		m.say("no fault is on", false)
		return nil
	}
	return m.do(screen.Act{Verb: "heal", Target: "--all"})
}

// faultLab is what faults can name now.
func (m *app) faultLab() fault.Lab {
	lab := fault.Lab{Nodes: m.world.Topology.Nodes, Runs: fault.RunsOf(m.world)}
	for _, n := range lab.Nodes {
		lab.Pods = append(lab.Pods, m.world.Kube.PodsOn(n.Name)...)
	}
	return lab
}

// resolve reads a fault that was typed.
func (m *app) resolve(text string) (event.FaultInjected, error) {
	r, err := fault.Parse(text)
	if err != nil {
		return event.FaultInjected{}, err
	}
	return fault.Resolve(r, m.faultLab())
}

// confirmText asks before a fault of the grammar begins, and says what it would
// cost.
func confirmText(m *app, text string) overlay {
	f, err := m.resolve(text)
	if err != nil {
		m.say(err.Error(), true)
		return nil
	}
	lines := []string{fault.Consequence(f) + "."}
	for _, d := range fault.Dangers(m.world, f) {
		lines = append(lines, "▴ "+strings.ToUpper(d[:1])+d[1:]+".")
	}
	if f.Lease > 0 {
		lines = append(lines, fmt.Sprintf("It heals by itself after %v; h takes it back before.", f.Lease))
	} else if k, _ := fault.KindOf(f.Kind); !k.Once {
		lines = append(lines, "It stays until it is healed; h takes it back.")
	}
	return &question{title: f.Text + "?", lines: lines, echo: []string{"$ workbench fault " + f.Text}, danger: true, choices: []choice{
		{[]string{"y"}, "y/enter", "yes", func(m *app) tea.Cmd { m.act("fault", f.Text); return nil }},
		{[]string{"n"}, "n/esc", "no", nil},
	}}
}

// grammar are the palette's entries for a fault that is being typed: to begin
// it, and what its last word can become.
func (m *app) grammar(query string) []entry {
	word, _, typing := strings.Cut(query, " ")
	if _, ok := fault.KindOf(word); !ok || !typing {
		return nil
	}
	var out []entry
	f, err := m.resolve(query)
	if err == nil {
		out = append(out, entry{text: f.Text, detail: fault.Consequence(f), do: func(m *app) tea.Cmd {
			return m.do(screen.Fault{Verb: "fault", Target: f.Text})
		}})
	}
	for _, text := range fault.Complete(query, m.faultLab()) {
		if text != query {
			out = append(out, entry{text: text, detail: "…", complete: text + " "})
		}
	}
	if len(out) == 0 {
		out = append(out, entry{text: query, detail: err.Error(), do: func(m *app) tea.Cmd { m.say(err.Error(), true); return nil }})
	}
	return out
}

// kindEntries begin a fault in the palette.
func kindEntries() []entry {
	var out []entry
	for _, k := range fault.Kinds() {
		out = append(out, entry{text: k.Word + " …", detail: k.Usage + "  " + k.Text, complete: k.Word + " "})
	}
	return out
}
