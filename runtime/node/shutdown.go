package node

import (
	"time"

	"workbench/cluster/event"
	"workbench/runtime/logind"
)

// serveLogind lets what runs on the node hear of its shutdown, and delay it, until
// the node ends.
func (s *server) serveLogind() (err error) {
	s.logind, err = logind.Listen(logind.Config{Socket: logind.Socket, ConfigDir: logind.ConfigDir, Changed: s.inhibited})
	return err
}

func (s *server) inhibited(held []logind.Inhibitor, limit time.Duration) {
	e := event.NodeInhibitors{Node: s.name, Limit: limit}
	for _, i := range held {
		e.Inhibitors = append(e.Inhibitors, event.Inhibitor{Who: i.Who, Why: i.Why, PID: int(i.PID)})
	}
	s.emit(time.Now(), e)
}

// announce tells the node that it goes down, and returns when nobody delays that
// any more. Requests are served meanwhile: any component may be killed.
func (s *server) announce() {
	if s.logind == nil {
		return
	}
	var limit time.Duration
	o := s.logind.Announce(func(held []logind.Inhibitor, most time.Duration) {
		limit = most
		s.emit(time.Now(), event.NodeShutdown{Node: s.name, Phase: event.ShutdownAnnounced, Waits: whose(held), Limit: limit})
	})
	e := event.NodeShutdown{Node: s.name, Phase: event.ShutdownReleased, Limit: limit, Took: o.Took}
	if len(o.Held) > 0 {
		e.Phase, e.Waits = event.ShutdownExpired, whose(o.Held)
	}
	s.emit(time.Now(), e)
}

func whose(held []logind.Inhibitor) []string {
	var out []string
	for _, i := range held {
		out = append(out, i.Who)
	}
	return out
}
