package ui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/themes"
	"workbench/ui/widget"
)

// pageLimit is how many lines a pager keeps; older ones go.
const pageLimit = 20000

// pager shows what a command prints while it runs.
type pager struct {
	id      int
	title   string
	command string
	lines   []string
	dropped int
	top     int // the first line shown
	follow  bool
	tail    bool // stays at the end
	running bool
	err     error
	filter  string
	typing  bool
	stop    func()
}

type pageKeys struct {
	up, down, pageUp, pageDown, home, end, filter, follow, close key.Binding
}

func pagerKeys() pageKeys {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return pageKeys{
		up:       bind("↑/k", "line up", "up", "k"),
		down:     bind("↓/j", "line down", "down", "j", "enter"),
		pageUp:   bind("pgup/b", "page up", "pgup", "b", "ctrl+b"),
		pageDown: bind("space", "page down", "pgdown", "space", "ctrl+f"),
		home:     bind("g", "first line", "home", "g"),
		end:      bind("G", "last line", "end", "G"),
		filter:   bind("/", "show matching lines only", "/"),
		follow:   bind("f", "follow", "f"),
		close:    bind("esc/q", "close", "esc", "q", "ctrl+c"),
	}
}

func (k pageKeys) bindings() []key.Binding {
	return []key.Binding{k.up, k.down, k.pageUp, k.pageDown, k.home, k.end, k.filter, k.follow, k.close}
}

// add takes what the command printed.
func (p *pager) add(msg pageMsg) {
	p.lines = append(p.lines, msg.lines...)
	if extra := len(p.lines) - pageLimit; extra > pageLimit/4 {
		p.lines, p.dropped, p.top = append([]string(nil), p.lines[extra:]...), p.dropped+extra, max(p.top-extra, 0)
	}
	if msg.done {
		p.running, p.err = false, msg.err
	}
}

// shown are the lines that pass the filter.
func (p *pager) shown() []string {
	if p.filter == "" {
		return p.lines
	}
	var out []string
	for _, l := range p.lines {
		if strings.Contains(strings.ToLower(l), strings.ToLower(p.filter)) {
			out = append(out, l)
		}
	}
	return out
}

// first is the first line to show in h lines.
func (p *pager) first(n, h int) int {
	if p.tail {
		return max(n-h, 0)
	}
	return max(0, min(p.top, n-h))
}

func (p *pager) handle(msg tea.Msg, m *app) tea.Cmd {
	above, below := m.chrome()
	page := max(m.h-above-below-2, 1)
	n := len(p.shown())
	move := func(by int) {
		p.top = max(0, min(p.first(n, page)+by, n-page))
		p.tail = p.follow && p.top >= n-page
	}
	switch msg := msg.(type) {
	case tea.MouseWheelMsg:
		if msg.Button == tea.MouseWheelUp {
			move(-3)
		} else {
			move(3)
		}
	case tea.KeyPressMsg:
		if p.typing {
			p.edit(msg)
			return nil
		}
		switch k := pagerKeys(); {
		case key.Matches(msg, k.close):
			p.stop()
			m.overlay = nil
		case key.Matches(msg, k.up):
			move(-1)
		case key.Matches(msg, k.down):
			move(1)
		case key.Matches(msg, k.pageUp):
			move(-page)
		case key.Matches(msg, k.pageDown):
			move(page)
		case key.Matches(msg, k.home):
			move(-n)
		case key.Matches(msg, k.end):
			move(n)
		case key.Matches(msg, k.filter):
			p.typing = true
		case key.Matches(msg, k.follow):
			p.follow, p.tail = !p.follow, !p.follow
		}
	}
	return nil
}

func (p *pager) edit(msg tea.KeyPressMsg) {
	switch msg.String() {
	case "enter":
		p.typing = false
	case "esc", "ctrl+c":
		p.typing, p.filter = false, ""
	default:
		p.filter = edit(p.filter, msg)
	}
}

func (p *pager) draw(s widget.Surface, m *app) {
	st := &m.styles
	s.Fill(st.Base)
	lines := p.shown()
	box := widget.Box{Title: p.title, TitleStyle: st.Title, Border: st.Focus, Heavy: true, BadgeStyle: st.Muted, Footer: "$ " + p.command, FooterStyle: st.Muted}
	_, sh := s.Size()
	h := max(sh-2, 1)
	first := p.first(len(lines), h)
	box.Badge = p.state(first, h, len(lines))
	in := box.Draw(s)
	w, h := in.Size()
	for y := 0; y < h && first+y < len(lines); y++ {
		in.Fit(1, y, w-2, lineStyle(st, lines[first+y]), lines[first+y])
	}
	if len(lines) == 0 {
		text := "nothing printed"
		if p.running {
			text = "waiting for output"
		}
		in.Fit(1, 0, w-2, st.Muted, text)
	}
	widget.Scrollbar(in.Sub(w-1, 0, 1, h), st, first, len(lines))
}

// state is how far the page is and whether more comes.
func (p *pager) state(first, h, n int) string {
	text := fmt.Sprintf("%d-%d of %d", min(first+1, n), min(first+h, n), n)
	switch {
	case p.typing:
		return "/" + p.filter + "▌"
	case p.filter != "":
		text = "filter “" + p.filter + "”  " + text
	}
	switch {
	case p.err != nil:
		return text + "  " + p.err.Error()
	case p.running && p.tail:
		return text + "  ● following"
	case p.running:
		return text + "  ● running"
	}
	return text
}

// lineStyle gives what commands print a little shape: keys, errors, warnings.
func lineStyle(st *themes.Styles, line string) themes.Style {
	switch {
	case strings.Contains(line, "Warning") || strings.Contains(line, "WARN"):
		return st.Warn
	case strings.HasPrefix(line, "Error") || strings.HasPrefix(line, "error") || strings.Contains(line, " ERROR"):
		return st.Bad
	case len(line) > 0 && line[0] >= 'A' && line[0] <= 'Z' && strings.HasSuffix(strings.TrimSpace(line), ":"):
		return st.Accent
	}
	return st.Text
}
