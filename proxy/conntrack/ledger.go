package conntrack

import (
	"maps"
	"net/netip"
	"slices"

	"workbench/cluster/event"
)

// place is where connections can be meant to go. A node port has no address.
type place struct {
	address  netip.Addr
	port     uint16
	protocol uint8
}

// Ledger counts connections per service and endpoint. It is pure: no clock, no
// socket, no locks.
type Ledger struct {
	places   map[place]string // service key
	live     map[Tuple]*account
	services map[string]*service
	known    map[string]bool // services that rules name
	changed  map[string]bool
	urgent   bool // more changed than how much went over connections
	tables   int  // listings so far
}

// account is a connection that goes on.
type account struct {
	key, endpoint  string
	packets, bytes uint64
	reply          bool // an answer was seen
	silent         bool // a listing showed it without an answer
	settled        bool // nothing more is expected to go over it
	missing        bool // the last look-up did not find it
	table          int  // the last listing it was in, or that was before it began
}

// service is the totals of a service port.
type service struct {
	count     event.ProxyCount
	endpoints map[string]*event.ProxyEndpointCount
}

// NewLedger is an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{places: map[place]string{}, live: map[Tuple]*account{}, services: map[string]*service{}, changed: map[string]bool{}}
}

// Learn replaces what addresses belong to which service. Connections that are
// under way stay with theirs.
func (l *Ledger) Learn(services []event.ProxyService) {
	l.places = map[place]string{}
	known := l.known
	l.known = map[string]bool{}
	for _, s := range services {
		l.known[s.Key] = true
		if !known[s.Key] && l.services[s.Key] != nil {
			l.changed[s.Key], l.urgent = true, true // it is back: tell its totals again
		}
		protocol, ok := protocols()[s.Protocol]
		if !ok {
			continue
		}
		for _, f := range s.Frontends {
			p := place{port: uint16(f.Port), protocol: protocol}
			if f.IP != "" {
				address, err := netip.ParseAddr(f.IP)
				if err != nil {
					continue
				}
				p.address = address
			}
			l.places[p] = s.Key
		}
	}
}

func protocols() map[string]uint8 {
	return map[string]uint8{"tcp": 6, "udp": 17, "sctp": 132}
}

// find is the service a connection was meant for. A connection whose endpoint is
// not its destination was sent on by rules; one to a service's address that was
// not is none of ours.
func (l *Ledger) find(e *Entry) (key, endpoint string, ok bool) {
	if e.Original.Destination == e.Reply.Source {
		return "", "", false
	}
	to := e.Original.Destination
	key, ok = l.places[place{to.Addr(), to.Port(), e.Original.Protocol}]
	if !ok {
		key, ok = l.places[place{netip.Addr{}, to.Port(), e.Original.Protocol}]
	}
	return key, e.Reply.Source.String(), ok
}

func (l *Ledger) service(key string) *service {
	s := l.services[key]
	if s == nil {
		s = &service{endpoints: map[string]*event.ProxyEndpointCount{}}
		l.services[key] = s
	}
	l.changed[key] = true
	return s
}

func (s *service) endpoint(address string) *event.ProxyEndpointCount {
	e := s.endpoints[address]
	if e == nil {
		e = &event.ProxyEndpointCount{}
		s.endpoints[address] = e
	}
	return e
}

// Begin is a connection that began.
func (l *Ledger) Begin(e Entry) {
	if l.live[e.Original] != nil {
		return // the table showed it first
	}
	key, address, ok := l.find(&e)
	if !ok {
		return
	}
	l.urgent = true
	a := &account{key: key, endpoint: address, table: l.tables}
	l.live[e.Original] = a
	s := l.service(key)
	to := s.endpoint(address)
	s.count.Conns++
	to.Conns++
	s.count.Entries++
	to.Entries++
	if e.Reply.Destination.Addr() != e.Original.Source.Addr() {
		s.count.Masqueraded++
	}
	l.grow(s, a, &e)
}

// grow adds what went over a connection since it was last seen.
func (l *Ledger) grow(s *service, a *account, e *Entry) {
	a.reply = a.reply || e.Seen() || e.Replies > 0
	to := s.endpoint(a.endpoint)
	if e.Packets > a.packets {
		s.count.Packets += e.Packets - a.packets
		to.Packets += e.Packets - a.packets
		a.packets = e.Packets
	}
	if e.Bytes > a.bytes {
		s.count.Bytes += e.Bytes - a.bytes
		to.Bytes += e.Bytes - a.bytes
		a.bytes = e.Bytes
	}
}

// End is a connection whose entry is gone.
func (l *Ledger) End(e Entry) {
	a := l.live[e.Original]
	if a == nil {
		return
	}
	l.end(e.Original, a, &e)
}

func (l *Ledger) end(tuple Tuple, a *account, e *Entry) {
	delete(l.live, tuple)
	l.urgent = true
	l.silent(a, false)
	s := l.service(a.key)
	if e != nil {
		l.grow(s, a, e)
		if !a.reply {
			s.count.Unanswered++
			s.endpoint(a.endpoint).Unanswered++
		}
	}
	s.count.Entries--
	to := s.endpoint(a.endpoint)
	if to.Entries--; to.Entries < 0 {
		to.Entries = 0
	}
}

// Table takes a listing of all entries: how far each connection is. Complete says
// that events may have been missed: connections the listing has beyond those
// known are counted then, which otherwise would count again what ended since the
// listing.
func (l *Ledger) Table(entries []Entry, complete bool) {
	l.tables++
	for i := range entries {
		e := &entries[i]
		a := l.live[e.Original]
		if a == nil && complete {
			l.Begin(*e)
			a = l.live[e.Original]
		}
		if a == nil {
			continue
		}
		l.see(a, e)
	}
	for tuple, a := range l.live {
		// One that began during the listing may be missing in it.
		if a.table < l.tables-1 {
			l.end(tuple, a, nil)
		}
	}
}

// see takes how far a connection is.
func (l *Ledger) see(a *account, e *Entry) {
	a.table, a.missing = l.tables, false
	a.reply, a.settled = a.reply || e.Seen(), e.settled()
	if e.Packets != a.packets || e.Bytes != a.bytes {
		l.grow(l.service(a.key), a, e)
	}
	l.silent(a, !a.reply)
}

// Connections are those of which more is to be learnt, by the direction of their
// first packets: those without an answer so far, and with all those too over which
// more goes. Of the others the kernel tells what was left when it forgets them.
func (l *Ledger) Connections(all bool) []Tuple {
	var out []Tuple
	for tuple, a := range l.live {
		if !a.reply || all && !a.settled {
			out = append(out, tuple)
		}
	}
	return out
}

// See takes one entry that was looked up: how far its connection is.
func (l *Ledger) See(e Entry) {
	if a := l.live[e.Original]; a != nil {
		l.see(a, &e)
	}
}

// Gone is a connection that a look-up did not find. How it ended may be under way;
// of one not found twice it never comes.
func (l *Ledger) Gone(t Tuple) {
	switch a := l.live[t]; {
	case a == nil:
	case a.missing:
		l.end(t, a, nil)
	default:
		a.missing = true
	}
}

// silent notes whether a connection waits for its first answer.
func (l *Ledger) silent(a *account, is bool) {
	if a.silent == is {
		return
	}
	a.silent, l.urgent = is, true
	n := 1
	if !is {
		n = -1
	}
	s := l.service(a.key)
	s.count.Silent += n
	s.endpoint(a.endpoint).Silent += n
}

// Live is how many connections to services there are.
func (l *Ledger) Live() int { return len(l.live) }

// Hits adds matches of rules, as read from their counters.
func (l *Ledger) Hits(key, endpoint string, n uint64) {
	s := l.service(key)
	l.urgent = true
	if endpoint != "" {
		s.endpoint(endpoint).Hits += n
	} else {
		s.count.Hits += n
	}
}

// Rejected adds packets that met a refusal.
func (l *Ledger) Rejected(key string, n uint64) {
	l.service(key).count.Rejected += n
	l.urgent = true
}

// Urgent says that connections began or ended since Changed was last asked, and
// not only that more went over those there are.
func (l *Ledger) Urgent() bool { return l.urgent }

// keptEndpoints bounds how many endpoints of a service are remembered: those
// with entries, and of the others those that most went to.
const keptEndpoints = 64

// Changed are the totals of the services that changed since it was last asked.
func (l *Ledger) Changed() map[string]event.ProxyCount {
	if len(l.changed) == 0 {
		return nil
	}
	out := map[string]event.ProxyCount{}
	for key := range l.changed {
		s := l.services[key]
		s.forget()
		count := s.count
		count.Endpoints = map[string]event.ProxyEndpointCount{}
		for address, e := range s.endpoints {
			count.Endpoints[address] = *e
		}
		out[key] = count
	}
	l.changed, l.urgent = map[string]bool{}, false
	return out
}

// forget drops the endpoints least used among those without entries.
func (s *service) forget() {
	if len(s.endpoints) <= keptEndpoints {
		return
	}
	addresses := slices.SortedFunc(maps.Keys(s.endpoints), func(a, b string) int {
		return int(int64(s.endpoints[b].Conns) - int64(s.endpoints[a].Conns))
	})
	for _, address := range addresses[keptEndpoints:] {
		if s.endpoints[address].Entries == 0 {
			delete(s.endpoints, address)
		}
	}
}
