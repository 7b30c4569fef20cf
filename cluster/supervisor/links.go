package supervisor

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/runtime/fabric"
	"workbench/runtime/link"
	"workbench/runtime/namespace"
)

// queueBase is the number of the first packet queue; a sender has its own.
const queueBase = 5700

// linkEnd is where the packets for one node, or for the outside, arrive.
type linkEnd struct {
	end    link.End
	pid    int // of the namespace's init
	device string
	guard  *link.Guard
	// What is in force.
	in     []link.Inbound
	delays map[uint16]link.Delay
	rates  []link.Limit // of what the node sends
	port   []link.Limit // of what is sent to the node, at the fabric's port
}

// links makes the conditions of links true in the ends that exist. Its lock is
// never held while a node starts or ends.
type links struct {
	emit  func(event.Body)
	peers []peer // in a fixed order, which numbers the queues

	mu   sync.Mutex
	ends map[string]*linkEnd
	told map[event.FaultLink]event.LinkCondition
}

// peer is who sends packets.
type peer struct {
	name string
	addr netip.Addr
}

func newLinks(peers []peer, emit func(event.Body)) *links {
	return &links{emit: emit, peers: peers, ends: map[string]*linkEnd{}, told: map[event.FaultLink]event.LinkCondition{}}
}

// know makes one more sender known, or its new address. One that is known stays so:
// its place numbers its queue.
func (l *links) know(p peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.peers, func(old peer) bool { return old.name == p.name }); i >= 0 {
		l.peers[i] = p
		return
	}
	l.peers = append(l.peers, p)
}

// names are the senders that are known, the outside left out.
func (l *links) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, p := range l.peers[1:] {
		out = append(out, p.name)
	}
	return out
}

// open adds an end, by a process in its namespace.
func (l *links) open(name, device string, pid int) error {
	ns, err := namespace.NetOf(pid)
	if err != nil {
		return fmt.Errorf("open links of %s: %w", name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.peers, func(p peer) bool { return p.name == name })
	if i < 0 {
		return errors.Join(fmt.Errorf("open links of %s: no such node", name), ns.Close())
	}
	old := l.ends[name]
	l.ends[name] = &linkEnd{end: link.End{NS: ns, Addr: l.peers[i].addr}, pid: pid, device: device}
	return old.close()
}

// shut forgets the end of an init that is gone, and lets go of its namespace.
func (l *links) shut(name string, pid int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.ends[name]
	if e == nil || e.pid != pid {
		return nil // the node has started again already
	}
	delete(l.ends, name)
	return e.close()
}

func (e *linkEnd) close() error {
	if e == nil {
		return nil
	}
	if e.guard != nil {
		return e.guard.Close() // which owns the namespace
	}
	return e.end.NS.Close()
}

// apply makes all ends follow what is desired, and tells what changed.
// The errors are by the name of the end.
func (l *links) apply(d fault.Desired) map[string]error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := map[string]error{}
	for _, name := range slices.Sorted(maps.Keys(l.ends)) {
		if err := l.applyTo(name, l.ends[name], d); err != nil {
			errs[name] = fmt.Errorf("links of %s: %w", name, err)
		}
	}
	l.tell(l.inForce(d))
	return errs
}

func (l *links) applyTo(name string, e *linkEnd, d fault.Desired) error {
	in, delays := l.inbound(name, d)
	var errs []error
	if !reflect.DeepEqual(in, e.in) || !maps.Equal(delays, e.delays) {
		if e.guard == nil {
			guard, err := link.NewGuard(e.end.NS, e.device)
			if err != nil {
				return err
			}
			e.guard = guard
		}
		err := e.guard.Set(in, delays)
		if err == nil {
			e.in, e.delays = in, delays
		}
		errs = append(errs, err)
	}
	if rates := l.limits(name, d); !reflect.DeepEqual(rates, e.rates) {
		err := link.SetRates(e.end.NS, e.device, rates)
		if err == nil {
			e.rates = rates
		}
		errs = append(errs, err)
	}
	var port []link.Limit
	if all := d.Link(event.AnyNode, name); all.Rate > 0 {
		port = []link.Limit{{Bits: all.Rate}}
	}
	if outside := l.ends[event.Outside]; outside != nil && !reflect.DeepEqual(port, e.port) {
		err := link.SetRates(outside.end.NS, name, port)
		if err == nil {
			e.port = port
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// inbound is what is desired of packets that come to a node.
func (l *links) inbound(name string, d fault.Desired) (in []link.Inbound, delays map[uint16]link.Delay) {
	for i, p := range l.peers {
		c := d.Link(p.name, name)
		if !c.Cut && c.Loss == 0 && c.Delay == 0 {
			continue
		}
		one := link.Inbound{Peer: p.name, MAC: fabric.HardwareAddr(p.addr), Cut: c.Cut, Loss: c.Loss}
		if c.Delay > 0 {
			one.Queue = uint16(queueBase + i)
			if delays == nil {
				delays = map[uint16]link.Delay{}
			}
			delays[one.Queue] = link.Delay{Delay: c.Delay, Jitter: c.Jitter}
		}
		in = append(in, one)
	}
	return in, delays
}

// limits are the rates desired of what a node sends. HTB takes a packet to one
// class, so a limit on one peer is at most that on all.
func (l *links) limits(name string, d fault.Desired) []link.Limit {
	var out []link.Limit
	all := d.Link(name, event.AnyNode).Rate
	if all > 0 {
		out = append(out, link.Limit{Bits: all})
	}
	for _, p := range l.peers {
		rate := d.Link(name, p.name).Rate
		if rate > 0 && (all == 0 || rate < all) {
			out = append(out, link.Limit{MAC: fabric.HardwareAddr(p.addr), Bits: rate})
		}
	}
	return out
}

// inForce are the conditions of the directions whose ends exist. Callers hold
// l.mu.
func (l *links) inForce(d fault.Desired) map[event.FaultLink]event.LinkCondition {
	now := map[event.FaultLink]event.LinkCondition{}
	for _, c := range d.Links {
		to, from := l.ends[c.To], l.ends[c.From]
		switch {
		case c.From == event.AnyNode && to == nil, c.To == event.AnyNode && from == nil:
			continue
		case c.From != event.AnyNode && c.To != event.AnyNode && to == nil:
			c.Cut, c.Loss, c.Delay, c.Jitter = false, 0, 0, 0
			if from == nil {
				c.Rate = 0
			}
		}
		if !c.Whole() {
			now[c.FaultLink] = c
		}
	}
	return now
}

// tell emits the conditions that changed. Callers hold l.mu.
func (l *links) tell(now map[event.FaultLink]event.LinkCondition) {
	var changed []event.LinkCondition
	for at, c := range now {
		old := l.told[at]
		c.Dropped, c.Delayed = old.Dropped, old.Delayed
		if c != old {
			changed = append(changed, c)
		}
		now[at] = c
	}
	for at := range l.told {
		if _, still := now[at]; !still {
			changed = append(changed, event.LinkCondition{FaultLink: at})
		}
	}
	l.told = now
	l.report(changed)
}

// report emits conditions in a fixed order. Callers hold l.mu.
func (l *links) report(changed []event.LinkCondition) {
	if len(changed) == 0 {
		return
	}
	slices.SortFunc(changed, func(a, b event.LinkCondition) int {
		return slices.Compare([]string{a.From, a.To}, []string{b.From, b.To})
	})
	l.emit(event.LinkState{Links: changed})
}

// count reads the counters of all rules and tells those that moved.
func (l *links) count() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	var changed []event.LinkCondition
	for name, e := range l.ends {
		if e.guard == nil {
			continue
		}
		counters, err := e.guard.Counters()
		errs = append(errs, err)
		for from, n := range counters {
			at := event.FaultLink{From: from, To: name}
			c, known := l.told[at]
			if !known || c.Dropped == n.Dropped && c.Delayed == n.Queued {
				continue
			}
			c.Dropped, c.Delayed = n.Dropped, n.Queued
			l.told[at] = c
			changed = append(changed, c)
		}
	}
	l.report(changed)
	return errors.Join(errs...)
}

// busy says that there are rules, whose counters may move.
func (l *links) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.ends {
		if len(e.in) > 0 {
			return true
		}
	}
	return false
}

// ends are two ends to measure between; false when one does not exist.
func (l *links) between(from, to string) (a, b link.End, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, other := l.ends[from], l.ends[to]
	if one == nil || other == nil {
		return a, b, false
	}
	return one.end, other.end, true
}

// condition is the condition in force of a direction, with its counters.
func (l *links) condition(at event.FaultLink) event.LinkCondition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told[at]
}
