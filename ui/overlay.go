package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// overlay lies on top of the screen and gets every key.
type overlay interface {
	handle(msg tea.Msg, m *app) tea.Cmd
	draw(s widget.Surface, m *app)
}

// dialog is a frame of lines in the middle of the surface; it returns the
// surface inside.
func dialog(s widget.Surface, m *app, title string, w, h int, box widget.Box) widget.Surface {
	sw, sh := s.Size()
	w, h = min(w+4, sw), min(h+2, sh)
	at := s.Sub((sw-w)/2, max((sh-h)/3, 0), w, h)
	at.Fill(m.styles.Bar)
	box.Title, box.TitleStyle, box.Heavy = title, m.styles.Title, true
	if box.Border == (themes.Style{}) {
		box.Border = m.styles.Focus
	}
	return box.Draw(at).Inset(1, 0)
}

// choice is one answer to a question.
type choice struct {
	keys []string
	help string
	text string
	do   func(m *app) tea.Cmd
}

// question asks the user to choose; esc is no.
type question struct {
	title   string
	lines   []string // what it is about
	echo    []string // the commands that do the same
	danger  bool
	choices []choice
	at      int
}

func (q *question) handle(msg tea.Msg, m *app) tea.Cmd {
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	name := press.String()
	switch name {
	case "esc", "n":
		m.overlay = nil
		return nil
	case "left", "up", "shift+tab":
		q.at = max(q.at-1, 0)
	case "right", "down", "tab":
		q.at = min(q.at+1, len(q.choices)-1)
	case "enter":
		return q.choose(m, q.at)
	}
	for i, c := range q.choices {
		for _, k := range c.keys {
			if k == name {
				return q.choose(m, i)
			}
		}
	}
	return nil
}

func (q *question) choose(m *app, i int) tea.Cmd {
	m.overlay = nil
	if q.choices[i].do == nil {
		return nil
	}
	return q.choices[i].do(m)
}

func (q *question) draw(s widget.Surface, m *app) {
	st := &m.styles
	sw, _ := s.Size()
	w := min(70, sw-4)
	var lines []string
	for _, l := range q.lines {
		lines = append(lines, widget.Wrap(l, w)...)
	}
	h := len(lines) + len(q.echo) + len(q.choices) + 1
	if len(q.echo) > 0 {
		h++
	}
	box := widget.Box{}
	if q.danger {
		box.Border = st.Bad
	}
	in := dialog(s, m, q.title, w, h, box)
	iw, _ := in.Size()
	y := 0
	for _, l := range lines {
		in.Fit(0, y, iw, st.Text, l)
		y++
	}
	y++
	for _, l := range q.echo {
		in.Fit(0, y, iw, st.Muted, l)
		y++
	}
	if len(q.echo) > 0 {
		y++
	}
	for i, c := range q.choices {
		if i == q.at {
			in.Sub(0, y, iw, 1).Fill(st.Selection)
			in.Text(0, y, st.SelectionText, "▸")
		}
		x := in.Text(2, y, st.Key, c.help)
		in.Fit(max(x+1, 12), y, iw-max(x+1, 12), st.Text, c.text)
		y++
	}
}

// confirmFault asks before something is broken.
func confirmFault(m *app, f screen.Fault) overlay {
	if f.Verb == "fault" {
		return confirmText(m, f.Target)
	}
	_, what, _ := strings.Cut(f.Verb, ".")
	word := strings.ToUpper(what[:1]) + what[1:]
	same, meaning := screen.Equivalent(m.world, f.Verb, f.Target)
	echo := []string{"$ " + same}
	if meaning != "" {
		echo = append(echo, "$ "+meaning)
	}
	lines := []string{f.Target + ": " + screen.Consequence(f.Verb, f.Target) + "."}
	if screen.Inverse(f.Verb) != "" {
		lines = append(lines, "u takes it back.")
	}
	return &question{title: word + " " + f.Target + "?", lines: lines, echo: echo, danger: true, choices: []choice{
		{[]string{"y"}, "y/enter", "yes, " + what + " " + f.Target, func(m *app) tea.Cmd { m.act(f.Verb, f.Target); return nil }},
		{[]string{"n"}, "n/esc", "no", nil},
	}}
}

// confirmCommand asks before a command changes something.
func confirmCommand(c screen.Command) *question {
	return &question{title: c.Question, lines: []string{c.Detail + "."}, echo: []string{"$ " + command(c.Args)}, danger: true, choices: []choice{
		{[]string{"y"}, "y/enter", "yes", func(m *app) tea.Cmd {
			m.say(command(c.Args), false)
			m.outside.Run(c.Args)
			return nil
		}},
		{[]string{"n"}, "n/esc", "no", nil},
	}}
}

// newQuit asks what becomes of the lab.
func newQuit(m *app) *question {
	leave := func(q Quit) func(*app) tea.Cmd {
		return func(m *app) tea.Cmd {
			if q == Down && m.refuseLocked() {
				return nil
			}
			m.quit = q
			return tea.Quit
		}
	}
	lab := name(m.world.Topology.Name)
	if m.cfg.Replay != nil {
		return &question{title: "Quit", lines: []string{"Close the recording of " + lab + "?"}, choices: []choice{
			{[]string{"y", "q", "ctrl+c"}, "y/q", "close it", leave(Keep)},
			{[]string{"n"}, "esc", "stay here", nil},
		}}
	}
	return &question{title: "Quit", lines: []string{"What becomes of " + lab + "?"}, choices: []choice{
		{[]string{"k", "q", "ctrl+c"}, "k/q", "keep it running; workbench attach shows it again", leave(Keep)},
		{[]string{"d"}, "d", "shut it down; workbench up goes on from its data", leave(Down)},
		{[]string{"n"}, "esc", "stay here", nil},
	}}
}
