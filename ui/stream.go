package ui

import (
	"time"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
	"workbench/ui/plain"
)

// feedLimit is how many entries the feed keeps.
const feedLimit = 400

// attach begins with a snapshot: at the start, and after the supervisor was lost.
// Whoever looks at the past goes on doing so.
func (m *app) attach(w *state.World) {
	again := w.Seq < m.latest.Seq // another life of the lab
	m.lost, m.latest = lostMsg{}, w
	known := time.Time{}
	if len(m.news) > 0 {
		known = m.news[len(m.news)-1].At
	}
	for _, e := range plain.Recent(w) {
		if e.At.After(known) {
			m.news = append(m.news, e)
		}
	}
	switch {
	case m.cfg.Replay != nil:
		m.begin()
	case m.clock.mode == live || again:
		m.live()
	}
}

// begin shows a recording from where the user wants it.
func (m *app) begin() {
	at := m.cfg.Replay.At
	if at.IsZero() {
		at = m.cfg.Replay.Start
	}
	m.seek(history.Instant{Time: at})
	m.notice = m.cfg.Replay.Notice
	if !m.cfg.Replay.Paused {
		m.clock.mode = playing
	}
}

// arrive folds events; they are shown while live.
func (m *app) arrive(events []event.Event) {
	for _, e := range events {
		entry, says := plain.Describe(e, m.latest)
		if says {
			m.news = append(m.news, entry)
		}
		m.clock.past.grow(e, entry, says)
		m.latest.Apply(e)
	}
	if extra := len(m.news) - feedLimit; extra > feedLimit/4 {
		m.news = append([]plain.Entry(nil), m.news[extra:]...)
	}
	if m.clock.mode != live {
		return
	}
	m.feed = m.news
	m.now = maxTime(m.now, m.latest.Now)
	m.ticked = time.Time{}
	m.follow()
}

// follow shows the boot while the lab boots and the lab afterwards, unless the
// user chose a screen.
func (m *app) follow() {
	if m.chosen || m.world.Topology.Name == "" {
		return
	}
	switch m.world.Phase {
	case event.Booting, event.Failed:
		m.current, _ = findScreen(m.screens, "boot")
	case event.Running:
		m.current, _ = findScreen(m.screens, "lab")
		m.previous, m.chosen = m.current, true
	}
}
