package ui

import (
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/plain"
)

// feedLimit is how many entries the feed keeps.
const feedLimit = 400

// attach begins with a snapshot: at the start, and after the supervisor was lost.
func (m *app) attach(w *state.World) {
	m.lost, m.held, m.froze = lostMsg{}, nil, false
	m.world, m.now, m.clock = w, w.Now, time.Time{}
	known := time.Time{}
	if len(m.feed) > 0 {
		known = m.feed[len(m.feed)-1].At
	}
	for _, e := range plain.Recent(w) {
		if e.At.After(known) {
			m.feed = append(m.feed, e)
		}
	}
	m.follow()
}

// arrive folds events, or holds them while the picture is frozen.
func (m *app) arrive(events []event.Event) {
	if m.froze {
		m.held = append(m.held, events...)
		return
	}
	m.fold(events)
}

func (m *app) fold(events []event.Event) {
	for _, e := range events {
		if entry, ok := plain.Describe(e, m.world); ok {
			m.feed = append(m.feed, entry)
		}
		m.world.Apply(e)
	}
	if extra := len(m.feed) - feedLimit; extra > feedLimit/4 {
		m.feed = append([]plain.Entry(nil), m.feed[extra:]...)
	}
	if m.world.Now.After(m.now) {
		m.now = m.world.Now
	}
	m.clock = time.Time{}
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

// freeze holds the picture, or lets it go on.
func (m *app) freeze() {
	if m.froze {
		m.live()
		return
	}
	m.froze = true
}

// live shows what is now.
func (m *app) live() {
	held := m.held
	m.froze, m.held = false, nil
	m.fold(held)
}

// stepOn shows one more held event that says something.
func (m *app) stepOn() {
	for m.froze && len(m.held) > 0 {
		next := m.held[0]
		m.held = m.held[1:]
		before := len(m.feed)
		m.fold([]event.Event{next})
		if len(m.feed) > before {
			return
		}
	}
}

// behind is how much older the picture is than what arrived.
func (m *app) behind() time.Duration {
	if len(m.held) == 0 {
		return 0
	}
	return max(m.held[len(m.held)-1].Time.Sub(m.now), 0)
}
