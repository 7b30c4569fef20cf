package logind

import "time"

// Outcome is what came of an announced shutdown.
type Outcome struct {
	// Held are the inhibitors that were not released: InhibitDelayMaxSec was over.
	Held []Inhibitor
	// Took is from the announcement to the end of the wait.
	Took time.Duration
}

// Announce tells everybody that the node is about to go down, and waits until
// nobody delays that any more, or InhibitDelayMaxSec is over. waits is told first
// who is awaited, and for how long at most. There is no way back: nobody can take
// an inhibitor any more.
func (s *Server) Announce(waits func([]Inhibitor, time.Duration)) Outcome {
	m, began := s.manager, time.Now()
	m.mu.Lock()
	m.preparing = true
	held, limit := m.held(), m.limit
	m.mu.Unlock()
	waits(held, limit)
	s.broadcast(signal{path: pathLogind, iface: ifaceManager, member: "PrepareForShutdown", preparing: true})
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		m.mu.Lock()
		held, more := m.held(), m.more
		m.mu.Unlock()
		if len(held) == 0 {
			return Outcome{Took: time.Since(began)}
		}
		select {
		case <-more:
		case <-deadline.C:
			return Outcome{Held: held, Took: time.Since(began)}
		}
	}
}
