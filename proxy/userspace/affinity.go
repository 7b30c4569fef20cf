package userspace

import (
	"net/netip"
	"time"
)

// mostClients bounds the clients that a port remembers; the one that came least
// recently is forgotten first.
const mostClients = 4096

// affinity is which endpoint each client had last. Callers lock.
type affinity map[netip.Addr]stay

type stay struct {
	endpoint netip.AddrPort
	used     time.Time
}

// find is the endpoint of a client that came within a time.
func (a affinity) find(client netip.Addr, now time.Time, within time.Duration) (netip.AddrPort, bool) {
	s, ok := a[client]
	if !ok || now.Sub(s.used) > within {
		return netip.AddrPort{}, false
	}
	return s.endpoint, true
}

// keep notes that a client came and where it was sent.
func (a affinity) keep(client netip.Addr, endpoint netip.AddrPort, now time.Time, within time.Duration) {
	if _, known := a[client]; !known && len(a) >= mostClients {
		a.forget(now, within)
	}
	a[client] = stay{endpoint, now}
}

// forget makes room for one more.
func (a affinity) forget(now time.Time, within time.Duration) {
	var oldest netip.Addr
	for client, s := range a {
		if now.Sub(s.used) > within {
			delete(a, client)
		} else if !oldest.IsValid() || s.used.Before(a[oldest].used) {
			oldest = client
		}
	}
	if len(a) >= mostClients {
		delete(a, oldest)
	}
}
