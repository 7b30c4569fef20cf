package userspace

import (
	"net/netip"
	"sync"

	"workbench/cluster/event"
)

// tally counts what goes over a port. Totals never shrink.
type tally struct {
	mu        sync.Mutex
	count     event.ProxyCount
	endpoints map[netip.AddrPort]*event.ProxyEndpointCount
	changed   bool
	urgent    bool // more than bytes changed
}

// keptEndpoints bounds the endpoints that are remembered without a connection.
const keptEndpoints = 64

// update changes the totals, and those of an endpoint unless it is not valid.
func (t *tally) update(endpoint netip.AddrPort, urgent bool, change func(*event.ProxyCount, *event.ProxyEndpointCount)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var e *event.ProxyEndpointCount
	if endpoint.IsValid() {
		if t.endpoints == nil {
			t.endpoints = map[netip.AddrPort]*event.ProxyEndpointCount{}
		}
		if e = t.endpoints[endpoint]; e == nil {
			e = &event.ProxyEndpointCount{}
			t.endpoints[endpoint] = e
		}
	}
	change(&t.count, e)
	t.changed, t.urgent = true, t.urgent || urgent
}

// accepted is a client that came.
func (t *tally) accepted() {
	t.update(netip.AddrPort{}, true, func(c *event.ProxyCount, _ *event.ProxyEndpointCount) {
		c.Conns++
		c.Masqueraded++
		c.Entries++
	})
}

// ended is a client that left, or was let down by all endpoints.
func (t *tally) ended(answered bool) {
	t.update(netip.AddrPort{}, true, func(c *event.ProxyCount, _ *event.ProxyEndpointCount) {
		c.Entries--
		if !answered {
			c.Unanswered++
		}
	})
}

// asked is an endpoint that is being connected to.
func (t *tally) asked(endpoint netip.AddrPort) {
	t.update(endpoint, true, func(c *event.ProxyCount, e *event.ProxyEndpointCount) {
		c.Silent++
		e.Silent++
	})
}

// answered is the outcome of that.
func (t *tally) answered(endpoint netip.AddrPort, ok bool) {
	t.update(endpoint, true, func(c *event.ProxyCount, e *event.ProxyEndpointCount) {
		c.Silent--
		e.Silent--
		if ok {
			e.Conns++
			e.Entries++
		} else {
			e.Unanswered++
		}
	})
}

// left is a connection to an endpoint, or a session, that ended.
func (t *tally) left(endpoint netip.AddrPort, answered bool) {
	t.update(endpoint, true, func(_ *event.ProxyCount, e *event.ProxyEndpointCount) {
		e.Entries--
		if !answered {
			e.Unanswered++
		}
	})
}

// moved are bytes in either direction.
func (t *tally) moved(endpoint netip.AddrPort, n int) {
	t.update(endpoint, false, func(c *event.ProxyCount, e *event.ProxyEndpointCount) {
		c.Bytes += uint64(n)
		e.Bytes += uint64(n)
	})
}

// take is the totals when they changed since it was last asked; those of which
// only bytes changed when quiet ones are wanted too.
func (t *tally) take(quiet bool, uses func(netip.AddrPort) bool) (event.ProxyCount, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.changed || !t.urgent && !quiet {
		return event.ProxyCount{}, false
	}
	t.changed, t.urgent = false, false
	if len(t.endpoints) > keptEndpoints {
		for address, e := range t.endpoints {
			if e.Entries == 0 && e.Silent == 0 && !uses(address) {
				delete(t.endpoints, address)
			}
		}
	}
	out := t.count
	out.Endpoints = map[string]event.ProxyEndpointCount{}
	for address, e := range t.endpoints {
		out.Endpoints[address.String()] = *e
	}
	return out, true
}
