package ui

import (
	"cmp"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/plain"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// app is the model.
type app struct {
	cfg     Config
	frame   *widget.Frame // the cells of the last frame, to draw the next one in
	outside outside
	keys    keyMap
	w, h    int

	// latest is the newest that is known; world is the instant that is shown: the
	// same while live. news and feed are what happened up to them, in words.
	latest, world *state.World
	news, feed    []plain.Entry
	shownFrom     *past // the stretch that world was folded from; nil while live
	clock         clock
	now           time.Time // of the frame
	ticked        time.Time // by the machine's clock, the last tick or batch
	played        time.Time // by the machine's clock, the last tick while playing
	lost          lostMsg   // zero while the supervisor answers

	screens           []screen.Screen
	current, previous int
	chosen            bool // the user chose the screen: boot does not switch it
	selection         screen.Selection
	filters           map[string]string
	filtering         bool

	themes  []themes.Theme
	theme   int
	styles  themes.Styles
	overlay overlay
	pages   int // pagers opened so far
	note    note
	notice  string // to be said with the first frame of a recording
	locked  bool
	ticking bool
	pace    *pacer
	shown   tea.View // the last
	changed bool     // since then
	quit    Quit
}

// note is what the status line says.
type note struct {
	text string
	bad  bool
	at   time.Time
}

// tickMsg moves what counts down.
type tickMsg time.Time

// newApp makes the model; the configuration must be valid.
func newApp(cfg Config, out outside) *app {
	m := &app{cfg: cfg, outside: out, keys: newKeyMap(), world: state.New(), screens: screens(), filters: map[string]string{}, clock: clock{speed: 1}, changed: true}
	m.latest = m.world
	if cfg.Replay != nil {
		m.clock.mode, m.clock.speed, m.locked = playing, cmp.Or(cfg.Replay.Speed, 1), false
	}
	m.themes, _ = themes.All()
	m.frame = widget.NewFrame(0, 0, m.styles.Base, cfg.ASCII)
	for i, t := range m.themes {
		if t.Name == cfg.Theme || (cfg.NoColor && t.Mono) {
			m.theme = i
		}
	}
	m.styles = m.themes[m.theme].Styles()
	if cfg.Screen != "" {
		m.current, _ = findScreen(m.screens, cfg.Screen)
		m.chosen = true
	}
	return m
}

// Init implements tea.Model.
func (m *app) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	changed := true
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.ColorProfileMsg:
		m.profile(msg.Profile)
	case worldMsg:
		m.attach(msg.world)
	case eventsMsg:
		m.arrive(msg.events)
	case lostMsg:
		if m.lost.err == nil {
			m.lost = msg
		}
	case windowMsg:
		m.arrivePast(msg)
	case tickMsg:
		changed = m.tick(time.Time(msg))
	case noteMsg:
		m.say(msg.text, msg.bad)
	case pageMsg:
		if p, ok := m.overlay.(*pager); ok && p.id == msg.id {
			p.add(msg)
		}
	case tea.MouseClickMsg:
		cmd = m.click(msg)
	case tea.MouseWheelMsg:
		cmd = m.pass(msg)
	case tea.PasteMsg:
		m.paste(msg.Content)
	case tea.KeyPressMsg:
		cmd = m.press(msg)
	}
	m.changed = m.changed || changed
	return m, tea.Batch(cmd, m.schedule())
}

// View implements tea.Model.
func (m *app) View() tea.View {
	if !m.changed {
		return m.shown
	}
	v := tea.NewView(m.draw().Render())
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "workbench " + m.world.Topology.Name
	m.shown, m.changed = v, false
	m.pace.frame()
	return v
}

// profile falls back to the theme without colour where the terminal has none.
func (m *app) profile(p colorprofile.Profile) {
	if p > colorprofile.ASCII {
		return
	}
	for i, t := range m.themes {
		if t.Mono {
			m.theme, m.styles = i, t.Styles()
		}
	}
}

// schedule asks for the next tick while something counts down, and only then.
func (m *app) schedule() tea.Cmd {
	moving := m.clock.mode == live && screen.Moving(m.world, m.now) || m.lost.err != nil
	leased := m.clock.mode == live && screen.Leased(m.world)
	if m.ticking || m.clock.mode != playing && !moving && !leased {
		return nil
	}
	m.ticking = true
	period := 250 * time.Millisecond
	switch {
	case m.cfg.ReducedMotion, leased && !moving:
		period = time.Second
	case m.clock.mode == playing:
		period = 100 * time.Millisecond
	}
	return tea.Tick(period, func(at time.Time) tea.Msg { return tickMsg(at) })
}

// tick advances the time of the frame by the time that passed, and says whether
// anything changed: not with the first tick after a batch, which brought its time
// with it.
func (m *app) tick(at time.Time) bool {
	m.ticking = false
	// A machine that slept for long has not shown what passed.
	passed := func(since time.Time) time.Duration {
		if d := at.Sub(since); !since.IsZero() && d > 0 && d < 5*time.Second {
			return d
		}
		return 0
	}
	changed := true
	switch m.clock.mode {
	case live:
		by := passed(m.ticked)
		m.now = m.now.Add(by)
		changed = by > 0
	case playing:
		by := passed(m.played)
		m.played = at
		m.advance(by)
	}
	m.ticked = at
	return changed
}

// press is a key, for the topmost that wants it: an overlay, the filter, the
// screen, the app.
func (m *app) press(msg tea.KeyPressMsg) tea.Cmd {
	switch {
	case m.overlay != nil:
		return m.overlay.handle(msg, m)
	case m.filtering:
		m.editFilter(msg)
		return nil
	case key.Matches(msg, m.keys.quit):
		m.overlay = newQuit(m)
		return nil
	}
	if number := msg.String(); len(number) == 1 && number[0] >= '1' && number[0] <= '9' {
		m.number(int(number[0] - '0'))
		return nil
	}
	if m.current != m.mine(msg) {
		return m.global(msg)
	}
	return m.pass(msg)
}

// mine is the current screen when the key is one of its own, or one that no
// global key claims; else -1.
func (m *app) mine(msg tea.KeyPressMsg) int {
	for _, b := range m.screen().Keys() {
		if key.Matches(msg, b) && !key.Matches(msg, m.keys.back) {
			return m.current
		}
	}
	if key.Matches(msg, m.keys.back) && (m.selection.InComponents || m.deep()) {
		return m.current
	}
	for _, b := range m.keys.bindings() {
		if key.Matches(msg, b) {
			return -1
		}
	}
	return m.current
}

// deep says that the screen shows a part of itself, which esc leads out of first.
func (m *app) deep() bool {
	s, ok := m.screen().(screen.Deep)
	return ok && s.Inside()
}

func (m *app) screen() screen.Screen { return m.screens[m.current] }

// pass hands a message to the overlay or the screen.
func (m *app) pass(msg tea.Msg) tea.Cmd {
	if m.overlay != nil {
		return m.overlay.handle(msg, m)
	}
	return m.do(m.screen().Handle(msg, m.context()))
}

// context is what screens see.
func (m *app) context() *screen.Context {
	return &screen.Context{
		World: m.world, Now: m.now, Styles: &m.styles, Selection: &m.selection,
		Filter: m.filters[m.screen().About().ID], Feed: m.feed, Room: screen.RoomFor(m.w, m.h), Clock: m.clockView(),
	}
}

// click finds what was clicked by drawing the frame once more: drawing is pure.
func (m *app) click(msg tea.MouseClickMsg) tea.Cmd {
	zone := m.draw().Hit(msg.X, msg.Y)
	switch {
	case zone == "":
		return nil
	case len(zone) > 4 && zone[:4] == "tab/":
		if m.overlay == nil {
			m.number(int(zone[4] - '0'))
		}
		return nil
	default:
		return m.pass(screen.Click{Zone: zone})
	}
}

// draw draws a frame; it is good until the next one.
func (m *app) draw() *widget.Frame {
	m.frame = m.frame.Again(m.w, m.h, m.styles.Base)
	m.shell(m.frame.Surface())
	return m.frame
}
