package journal

import "workbench/cluster/event"

// tail holds the last events, so that live readers do not touch the disk.
// Numbers have no gaps, so an event's place follows from its number.
type tail struct {
	ring        []event.Event
	first, last uint64 // held events; none when first > last
}

func newTail(size int) tail { return tail{ring: make([]event.Event, size), first: 1} }

func (t *tail) push(e event.Event) {
	if e.Seq != t.last+1 {
		t.first = e.Seq
	}
	t.last = e.Seq
	if n := uint64(len(t.ring)); t.last-t.first >= n {
		t.first = t.last - n + 1
	}
	t.ring[e.Seq%uint64(len(t.ring))] = e
}

// from copies up to limit events from the given one on. It tells whether the
// tail has that one.
func (t *tail) from(seq uint64, limit int) ([]event.Event, bool) {
	if seq < t.first || seq > t.last {
		return nil, false
	}
	n := min(t.last-seq+1, uint64(limit))
	events := make([]event.Event, n)
	at := seq % uint64(len(t.ring))
	copied := copy(events, t.ring[at:])
	copy(events[copied:], t.ring)
	return events, true
}
