package userspace

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// service is a Port while it is served, with what it remembers.
type service struct {
	key, protocol string
	tally         tally

	mu     sync.Mutex
	port   Port
	sticky affinity
}

// choice is one endpoint for one client.
type choice struct {
	endpoint netip.AddrPort
	// of is how many there were to choose from, kept that the client was there before.
	of   int
	kept bool
}

// choose is an endpoint for a client at a frontend that is none of some that were
// tried already; false when there is no other.
func (s *service) choose(f Frontend, client netip.Addr, inside bool, tried []netip.AddrPort, now time.Time) (choice, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.port.admits(f, client) {
		return choice{}, false
	}
	all := s.port.endpoints(f, inside)
	left := slices.DeleteFunc(slices.Clone(all), func(e netip.AddrPort) bool { return slices.Contains(tried, e) })
	if len(left) == 0 {
		return choice{}, false
	}
	c := choice{endpoint: left[rand.IntN(len(left))], of: len(all)}
	if s.port.Affinity == 0 {
		return c, true
	}
	if before, ok := s.sticky.find(client, now, s.port.Affinity); ok && slices.Contains(left, before) {
		c.endpoint, c.kept = before, true
	}
	s.sticky.keep(client, c.endpoint, now, s.port.Affinity)
	return c, true
}

// lost says that an endpoint did not answer a client, which need not stay with it.
func (s *service) lost(client netip.Addr, endpoint netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sticky[client].endpoint == endpoint {
		delete(s.sticky, client)
	}
}

// set replaces the port.
func (s *service) set(p Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port.Affinity != p.Affinity {
		s.sticky = affinity{}
	}
	s.port = p
}

func (s *service) uses(endpoint netip.AddrPort) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.port.uses(endpoint)
}
