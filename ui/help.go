package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/ui/screen"
	"workbench/ui/widget"
)

// help lists all keys, from the key maps that the keys themselves are matched by.
type help struct {
	keys   screen.ListKeys
	scroll int
}

func newHelp(*app) *help { return &help{keys: screen.NewListKeys()} }

// section is the keys of one part of the app.
type section struct {
	title string
	keys  []key.Binding
}

func (h *help) sections(m *app) []section {
	out := []section{{m.screen().About().Title, m.screen().Keys()}}
	out = append(out, section{"Screens", numbers(m.screens)}, section{"Everywhere", m.keys.bindings()})
	listed := map[key.Help]bool{}
	for _, sec := range out {
		for _, b := range sec.keys {
			listed[b.Help()] = true
		}
	}
	for i, s := range m.screens {
		var own []key.Binding
		for _, b := range s.Keys() {
			if i != m.current && !listed[b.Help()] {
				own, listed[b.Help()] = append(own, b), true
			}
		}
		if len(own) > 0 {
			out = append(out, section{"on " + s.About().Title, own})
		}
	}
	return append(out, section{"In pages", pagerKeys().bindings()}, section{"Typed after :", palettes()},
		section{"Lamps", lamps()})
}

// palettes are the first words of what the palette takes.
func palettes() []key.Binding {
	return described([][2]string{{"cut …", "a fault, in the grammar of workbench fault"}, {"run …", "a scenario; abort … stops it"},
		{"scene …", "save, load, list, rm: the lab as of now"}, {"etcd …", "snapshot save, restore, status, members"}, {"node …", "add, remove"},
		{"report …", "how the lab recovered from a fault"}})
}

// lamps explains the shapes of states.
func lamps() []key.Binding {
	return described([][2]string{{"●", "ready, running"}, {"◐", "starting, pending"}, {"◒", "degraded"}, {"○", "waiting, stopped"},
		{"‖", "frozen"}, {"✗", "down, failed"}, {"↻", "restarts soon"}, {"◌", "being deleted"}, {"★", "Raft leader"}, {"?", "inferred, not observed"}})
}

// described are keys or words with what they mean.
func described(lines [][2]string) []key.Binding {
	var out []key.Binding
	for _, l := range lines {
		out = append(out, key.NewBinding(key.WithKeys(l[0]), key.WithHelp(l[0], l[1])))
	}
	return out
}

func (h *help) handle(msg tea.Msg, m *app) tea.Cmd {
	if to, ok := h.keys.Move(msg, h.scroll, 200); ok {
		h.scroll = to
		return nil
	}
	if _, ok := msg.(tea.KeyPressMsg); ok {
		m.overlay = nil
	}
	return nil
}

func (h *help) draw(s widget.Surface, m *app) {
	st := &m.styles
	sw, sh := s.Size()
	type line struct{ key, text string }
	var lines []line
	for i, sec := range h.sections(m) {
		if i > 0 {
			lines = append(lines, line{})
		}
		lines = append(lines, line{"", sec.title})
		for _, b := range sec.keys {
			lines = append(lines, line{b.Help().Key, b.Help().Desc})
		}
	}
	columns := max(1, min(3, (sw-4)/44))
	each := (len(lines) + columns - 1) / columns
	in := dialog(s, m, "Keys", min(columns*46, sw-6), max(min(each, sh-2), 1), widget.Box{Badge: "any other key closes", BadgeStyle: st.Muted})
	iw, ih := in.Size()
	if each > ih {
		columns, each = max(1, columns), ih
	}
	first := max(0, min(h.scroll, len(lines)-columns*each))
	for i, l := range lines[min(first, len(lines)):] {
		if i >= columns*each {
			break
		}
		x, y, cw := i/max(each, 1)*(iw/columns), i%max(each, 1), iw/columns-2
		if l.key == "" {
			in.Fit(x, y, cw, st.Title, l.text)
			continue
		}
		in.Fit(x, y, 9, st.Key, l.key)
		in.Fit(x+10, y, cw-10, st.Text, l.text)
	}
	widget.Scrollbar(in.Sub(iw-1, 0, 1, ih), st, first/max(columns, 1), (len(lines)+columns-1)/columns)
}
