package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"workbench/ui/screen"
	"workbench/ui/widget"
)

// entry is something the palette can do.
type entry struct {
	text, detail string
	// complete, where it is set, is what the query becomes: the entry is the
	// beginning of something.
	complete string
	do       func(m *app) tea.Cmd
}

// palette finds what can be done by a few letters of its name.
type palette struct {
	query   string
	entries []entry
	found   []entry
	at      int
}

func newPalette(m *app) *palette {
	p := &palette{entries: m.entries()}
	p.typed("", m)
	return p
}

// entries are all that can be done now.
func (m *app) entries() []entry {
	var out []entry
	for i, s := range m.screens {
		out = append(out, entry{text: "go to " + s.About().Title, detail: s.About().Text, do: func(m *app) tea.Cmd { m.show(i); return nil }})
	}
	cx := m.context()
	var targets []string
	for _, n := range cx.Order() {
		targets = append(targets, n.Name)
	}
	if n := cx.Node(); n != nil {
		for _, c := range n.TopologyNode.Components {
			targets = append(targets, n.Name+"/"+c)
		}
	}
	for _, target := range targets {
		for _, verb := range []string{"kill", "pause", "start", "stop", "restart"} {
			intent := screen.FaultOn(m.world, verb, target)
			var full string
			switch i := intent.(type) {
			case screen.Fault:
				full = i.Verb
			case screen.Act:
				full = i.Verb
			default:
				continue
			}
			same, _ := screen.Equivalent(m.world, full, target)
			_, word, _ := strings.Cut(full, ".")
			out = append(out, entry{text: word + " " + target, detail: same, do: func(m *app) tea.Cmd { return m.do(intent) }})
		}
	}
	if undo, ok := screen.Undo(m.world).(screen.Act); ok {
		out = append(out, entry{text: "undo the last fault", detail: undo.Verb + " " + undo.Target, do: func(m *app) tea.Cmd { return m.do(undo) }})
	}
	operations := screen.Operations(m.world)
	for _, text := range slices.Sorted(maps.Keys(operations)) {
		intent := operations[text]
		out = append(out, entry{text: strings.TrimSuffix(text, " --yes"), detail: "workbench " + text, do: func(m *app) tea.Cmd { return m.do(intent) }})
	}
	out = append(append(out, m.commandEntries()...), kindEntries()...)
	if len(m.world.Faults.Active) > 0 {
		out = append(out, entry{text: "heal all faults", detail: "H", do: func(m *app) tea.Cmd { return m.healAll() }})
	}
	out = append(out, entry{text: "list of faults", detail: "F", do: func(m *app) tea.Cmd { m.overlay = newFaultList(m); return nil }})
	out = append(out, scenarioEntries()...)
	for i, t := range m.themes {
		out = append(out, entry{text: "theme " + t.Name, detail: t.Title, do: func(m *app) tea.Cmd { m.setTheme(i); return nil }})
	}
	return append(out,
		entry{text: "pause or play", detail: "space", do: func(m *app) tea.Cmd { m.space(); return nil }},
		entry{text: "live again", detail: "end", do: func(m *app) tea.Cmd { m.live(); return nil }},
		entry{text: "marker on", detail: ">", do: func(m *app) tea.Cmd { m.jump(1); return nil }},
		entry{text: "marker back", detail: "<", do: func(m *app) tea.Cmd { m.jump(-1); return nil }},
		entry{text: "lock or unlock the session", detail: "L", do: func(m *app) tea.Cmd { m.lock(); return nil }},
		entry{text: "keys", detail: "?", do: func(m *app) tea.Cmd { m.overlay = newHelp(m); return nil }},
		entry{text: "quit", detail: "q", do: func(m *app) tea.Cmd { m.overlay = newQuit(m); return nil }})
}

func (p *palette) typed(query string, m *app) {
	p.query, p.at, p.found = query, 0, append(m.typedCommand(query), m.grammar(query)...)
	type scored struct {
		entry
		score int
	}
	var hits []scored
	for _, e := range p.entries {
		if score, ok := fuzzy(query, e.text); ok {
			hits = append(hits, scored{e, score})
		}
	}
	slices.SortStableFunc(hits, func(a, b scored) int { return a.score - b.score })
	for _, h := range hits {
		if h.text == query {
			p.found = append([]entry{h.entry}, p.found...)
		} else {
			p.found = append(p.found, h.entry)
		}
	}
}

// fuzzy says whether the letters of query are in text in this order, and how far
// apart: less is better.
func fuzzy(query, text string) (score int, ok bool) {
	query, text = strings.ToLower(strings.ReplaceAll(query, " ", "")), strings.ToLower(text)
	last := -1
	for _, r := range query {
		i := strings.IndexRune(text[last+1:], r)
		if i < 0 {
			return 0, false
		}
		if starts := last+1+i == 0 || text[last+i] == ' ' || text[last+i] == '/'; i > 0 && !starts {
			score += i
		}
		last += 1 + i
	}
	return score, true
}

func (p *palette) handle(msg tea.Msg, m *app) tea.Cmd {
	if click, ok := msg.(screen.Click); ok {
		var i int
		if n, _ := fmt.Sscanf(click.Zone, "palette/%d", &i); n == 1 && i < len(p.found) {
			return p.choose(i, m)
		}
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch press.String() {
	case "esc", "ctrl+c":
		m.overlay = nil
	case "up", "ctrl+p", "shift+tab":
		p.at = max(p.at-1, 0)
	case "down", "ctrl+n", "tab":
		p.at = max(min(p.at+1, len(p.found)-1), 0)
	case "enter":
		if p.at < len(p.found) {
			return p.choose(p.at, m)
		}
		m.overlay = nil
	default:
		p.typed(edit(p.query, press), m)
	}
	return nil
}

// choose does an entry, or goes on with what it begins.
func (p *palette) choose(i int, m *app) tea.Cmd {
	if next := p.found[i].complete; next != "" {
		p.typed(next, m)
		return nil
	}
	m.overlay = nil
	return p.found[i].do(m)
}

func (p *palette) draw(s widget.Surface, m *app) {
	st := &m.styles
	sw, sh := s.Size()
	rows := max(min(len(p.entries), sh-5, 16), 1)
	in := dialog(s, m, "Do", min(76, sw-4), rows+2, widget.Box{Badge: fmt.Sprintf("%d of %d", len(p.found), len(p.entries)), BadgeStyle: st.Muted})
	w, h := in.Size()
	x := in.Text(0, 0, st.Key, ": ")
	x = in.Fit(x, 0, w-x-1, st.Text, p.query)
	in.Text(x, 0, st.Accent, "▌")
	if len(p.found) == 0 {
		in.Fit(0, 2, w, st.Muted, "nothing of that name")
	}
	first := widget.Scroll(p.at, len(p.found), h-2)
	for i, e := range p.found[min(first, len(p.found)):] {
		y := i + 2
		if y >= h {
			break
		}
		line := in.Sub(0, y, w, 1)
		if first+i == p.at {
			line.Fill(st.Selection)
			line.Text(0, 0, st.SelectionText, "▸")
		}
		line.Zone(fmt.Sprintf("palette/%d", first+i))
		from := max(line.Fit(2, 0, w-2, st.Text, e.text)+2, 38)
		line.Fit(from, 0, w-from-1, st.Muted, e.detail)
	}
	widget.Scrollbar(in.Sub(w-1, 2, 1, h-2), st, first, len(p.found))
}
