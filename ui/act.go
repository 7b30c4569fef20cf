package ui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/ui/screen"
	"workbench/ui/widget"
)

// say puts a sentence in the status line.
func (m *app) say(text string, bad bool) {
	m.note = note{text: widget.Clean(strings.ReplaceAll(text, "\n", " ")), bad: bad, at: m.now}
}

// global is a key no screen claims.
func (m *app) global(msg tea.KeyPressMsg) tea.Cmd {
	switch k := m.keys; {
	case key.Matches(msg, k.help):
		m.overlay = newHelp(m)
	case key.Matches(msg, k.palette):
		m.overlay = newPalette(m)
	case key.Matches(msg, k.filter):
		m.filtering = m.screen().About().Filters
	case key.Matches(msg, k.back):
		m.back()
	case key.Matches(msg, k.previous):
		m.show(m.previous)
	case key.Matches(msg, k.pause):
		m.space()
	case key.Matches(msg, k.forth):
		m.step(1)
	case key.Matches(msg, k.back1):
		m.step(-1)
	case key.Matches(msg, k.next):
		m.jump(1)
	case key.Matches(msg, k.before):
		m.jump(-1)
	case key.Matches(msg, k.slower):
		m.faster(-1)
	case key.Matches(msg, k.faster):
		m.faster(1)
	case key.Matches(msg, k.mark):
		m.setMark()
	case key.Matches(msg, k.live):
		m.live()
	case key.Matches(msg, k.undo):
		return m.undo()
	case key.Matches(msg, k.faults):
		m.overlay = newFaultList(m)
	case key.Matches(msg, k.heal):
		return m.heal()
	case key.Matches(msg, k.healAll):
		return m.healAll()
	case key.Matches(msg, k.lock):
		m.lock()
	case key.Matches(msg, k.theme):
		m.setTheme((m.theme + 1) % len(m.themes))
	}
	return nil
}

// back undoes the last of: a note, the filter, the change of screen.
func (m *app) back() {
	id := m.screen().About().ID
	switch {
	case m.filters[id] != "":
		delete(m.filters, id)
	case m.note.text != "":
		m.note = note{}
	default:
		m.show(m.previous)
	}
}

// number goes to the screen with that key.
func (m *app) number(n int) {
	i := slices.IndexFunc(m.screens, func(s screen.Screen) bool { return s.About().Number == n })
	if i < 0 {
		m.say(fmt.Sprintf("there is no screen %d", n), false)
		return
	}
	m.show(i)
}

func (m *app) show(i int) {
	m.chosen = true
	if i != m.current {
		m.previous, m.current = m.current, i
		m.selection.InComponents = false
	}
}

func (m *app) setTheme(i int) {
	m.theme, m.styles = i, m.themes[i].Styles()
	m.say("theme "+m.themes[i].Name+": "+m.themes[i].Title, false)
}

func (m *app) lock() {
	if m.locked = !m.locked; m.locked {
		m.say("locked: this session breaks nothing until L unlocks it", false)
	} else {
		m.say("unlocked", false)
	}
}

func (m *app) undo() tea.Cmd {
	if m.refusePast() {
		return nil
	}
	intent := screen.Undo(m.world)
	if intent == nil {
		m.say("there is no fault of yours to undo", false)
	}
	return m.do(intent)
}

// do carries out an intent of a screen or an overlay.
func (m *app) do(intent screen.Intent) tea.Cmd {
	switch i := intent.(type) {
	case screen.Note:
		m.say(i.Text, false)
	case screen.Open:
		if n, err := findScreen(m.screens, i.ID); err == nil {
			m.show(n)
		}
	case screen.Seek:
		m.seek(i.At)
	case screen.Mark:
		m.setMark()
	case screen.Act:
		if !m.refusePast() {
			m.act(i.Verb, i.Target)
		}
	case screen.Fault:
		if m.refusePast() || m.refuseLocked() {
			return nil
		}
		m.overlay = confirmFault(m, i)
	case screen.Ask:
		if !m.refusePast() && !m.refuseLocked() {
			p := newPalette(m)
			p.typed(i.Text, m)
			m.overlay = p
		}
	case screen.Command:
		if m.refusePast() || m.refuseLocked() {
			return nil
		}
		m.overlay = confirmCommand(i)
	case screen.Page:
		if m.cfg.Replay != nil && m.refusePast() {
			return nil
		}
		m.pages++
		p := &pager{id: m.pages, title: i.Title + m.asItIs(), command: command(i.Args), follow: i.Follow, tail: i.Follow, running: true}
		p.stop = m.outside.Page(p.id, i.Args)
		m.overlay = p
	case screen.Shell:
		if m.refusePast() {
			return nil
		}
		m.say(command(i.Args), false)
		return m.outside.Shell(i.Args)
	}
	return nil
}

// asItIs says that what a command prints is of the present, not of what is shown.
func (m *app) asItIs() string {
	if m.clock.mode == live {
		return ""
	}
	return ", as it is now"
}

func (m *app) refuseLocked() bool {
	if m.locked {
		m.say("the session is locked: press L to unlock it", true)
	}
	return m.locked
}

// act asks for an action and says what it is in a shell.
func (m *app) act(verb, target string) {
	text, meaning := screen.Equivalent(m.world, verb, target)
	if meaning != "" {
		text += "  =  " + meaning
	}
	m.say(text, false)
	m.outside.Act(verb, target)
}

// command is a command as a user would type it.
func command(args []string) string {
	if len(args) > 0 && args[0] == "kubectl" {
		return strings.Join(args, " ")
	}
	return "workbench " + strings.Join(args, " ")
}

// editFilter is a key while the user types a filter.
func (m *app) editFilter(msg tea.KeyPressMsg) {
	id := m.screen().About().ID
	switch msg.String() {
	case "enter":
		m.filtering = false
	case "esc", "ctrl+c":
		m.filtering = false
		delete(m.filters, id)
	default:
		m.filters[id] = edit(m.filters[id], msg)
	}
}

// paste is text from the clipboard, for what is being typed.
func (m *app) paste(text string) {
	text = widget.Clean(strings.ReplaceAll(text, "\n", " "))
	switch {
	case m.filtering:
		m.filters[m.screen().About().ID] += text
	case m.overlay != nil:
		if p, ok := m.overlay.(*palette); ok {
			p.typed(p.query+text, m)
		}
	}
}

// edit is a line of text after a key.
func edit(text string, msg tea.KeyPressMsg) string {
	switch msg.String() {
	case "backspace":
		if r := []rune(text); len(r) > 0 {
			return string(r[:len(r)-1])
		}
	case "ctrl+u":
		return ""
	case "ctrl+w":
		return text[:strings.LastIndexByte(strings.TrimRight(text, " "), ' ')+1]
	case "space":
		return text + " "
	default:
		return text + widget.Clean(msg.Text)
	}
	return text
}
