package ui

import (
	"fmt"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
	"workbench/ui/plain"
)

// past is a stretch of the lab's events that the app can show at each of them. A
// frame of it depends on the events alone, not on how the app came there.
type past struct {
	base   *state.World // before the first event; never changed
	events []event.Event
	// upTo[i] is how many of feed are up to the state after i events. It grows
	// where an event says something to people.
	upTo []int
	feed []plain.Entry
	at   int // how many events are folded into the world shown
}

func newPast(win history.Window) (*past, error) {
	base, err := win.Base()
	if err != nil {
		return nil, err
	}
	p := &past{base: base, events: win.Events, feed: plain.Recent(base)}
	if extra := len(p.feed) - feedLimit; extra > 0 {
		p.feed = p.feed[extra:]
	}
	w := base.Clone()
	p.upTo = append(p.upTo, len(p.feed))
	for _, e := range p.events {
		if entry, ok := plain.Describe(e, w); ok {
			p.feed = append(p.feed, entry)
		}
		w.Apply(e)
		p.upTo = append(p.upTo, len(p.feed))
	}
	return p, nil
}

// seq is the number of the event after which the state after i events is.
func (p *past) seq(i int) uint64 {
	if i == 0 {
		return p.base.Seq
	}
	return p.events[i-1].Seq
}

// has says whether the state after an event is within the stretch.
func (p *past) has(seq uint64) bool {
	return p != nil && seq >= p.base.Seq && seq <= p.seq(len(p.events))
}

// reaches says whether the stretch ends with the newest that is known.
func (p *past) reaches(latest *state.World) bool {
	return p != nil && p.seq(len(p.events)) >= latest.Seq
}

// grow adds an event that has just happened, when it is the next one. A stretch
// that the lab has outgrown stays as it is.
func (p *past) grow(e event.Event, entry plain.Entry, says bool) {
	if p == nil || len(p.events) >= maxStretch || e.Seq != p.seq(len(p.events))+1 {
		return
	}
	p.events = append(p.events, e)
	if says {
		p.feed = append(p.feed, entry)
	}
	p.upTo = append(p.upTo, len(p.feed))
}

// maxStretch is how many events a stretch grows to.
const maxStretch = 5000

// hasTime says whether an instant is within the stretch, before its end: what
// comes after its last event is not known.
func (p *past) hasTime(at history.Instant) bool {
	return p != nil && len(p.events) > 0 && !at.Time.Before(p.base.Now) && at.Time.Before(p.events[len(p.events)-1].Time)
}

// index is how many events make up the state at an instant.
func (p *past) index(at history.Instant) int {
	return history.Window{Events: p.events}.Reach(at)
}

// later is the next state after i whose event says something; false when the
// stretch has none.
func (p *past) later(i int) (int, bool) {
	for j := i + 1; j < len(p.upTo); j++ {
		if p.upTo[j] > p.upTo[j-1] {
			return j, true
		}
	}
	return len(p.events), false
}

// earlier is the last state before i whose event says something.
func (p *past) earlier(i int) (int, bool) {
	for j := i - 1; j > 0; j-- {
		if p.upTo[j] > p.upTo[j-1] {
			return j, true
		}
	}
	return 0, false
}

// show gives the world after i events. shown is the one of the last call, which it
// goes on from where it can; nil begins with the base.
func (p *past) show(shown *state.World, i int) *state.World {
	if shown == nil || i < p.at {
		shown, p.at = p.base.Clone(), 0
	}
	for ; p.at < i; p.at++ {
		shown.Apply(p.events[p.at])
	}
	return shown
}

// told is the feed up to the state shown.
func (p *past) told() []plain.Entry {
	feed := p.feed[:p.upTo[p.at]]
	return feed[max(0, len(feed)-feedLimit):]
}

// String says where it is, for tests.
func (p *past) String() string {
	return fmt.Sprintf("events %d to %d, after %d", p.base.Seq, p.seq(len(p.events)), p.seq(p.at))
}
