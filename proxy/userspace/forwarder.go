package userspace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"workbench/cluster/event"
)

// Config of a Forwarder.
type Config struct {
	Addresses Addresses
	// Inside are the networks of the cluster's pods and the addresses of the node.
	// Clients from there come to any endpoint also by external addresses.
	Inside []netip.Prefix
	Now    func() time.Time
	Log    *slog.Logger
}

func (c Config) validate() error {
	if c.Addresses == nil || c.Now == nil || c.Log == nil {
		return errors.New("forward to Services: addresses, clock and logger are needed")
	}
	return nil
}

// place is where clients come to.
type place struct {
	protocol string
	address  netip.AddrPort
}

func (p place) String() string { return p.protocol + " " + p.address.String() }

// claim is a port's on a place.
type claim struct {
	key string
	place
}

// socket is what listens at a place.
type socket interface {
	serves() (*service, Frontend)
	// refresh looks at what changed of the service.
	refresh()
	// close ends the listening; connections go on, UDP sessions end.
	close()
}

// Forwarder serves Ports.
type Forwarder struct {
	Config
	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	running  sync.WaitGroup
	records  *records
	sessions atomic.Int64 // of UDP
	most     int64        // of those

	mu       sync.Mutex
	services map[string]*service
	sockets  map[place]socket
	problems map[claim]string
}

// New is a forwarder that serves nothing yet.
func New(cfg Config) (*Forwarder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	f := &Forwarder{Config: cfg, records: newRecords(), services: map[string]*service{}, sockets: map[place]socket{}, most: mostSessions}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f, nil
}

// Close ends all connections and waits until that is done. Addresses stay: they
// refuse clients from then on.
func (f *Forwarder) Close() {
	f.stop()
	f.mu.Lock()
	for _, s := range f.sockets {
		s.close()
	}
	f.mu.Unlock()
	f.running.Wait()
}

// Sync makes what is served exactly these ports. What cannot be served is said
// by Services, and by the error; the rest is.
func (f *Forwarder) Sync(ports []Port) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil {
		return errors.New("forward to Services: closed")
	}
	slices.SortFunc(ports, byKey) // who wins an address hangs on nothing else
	f.keep(ports)
	f.problems = map[claim]string{}
	wanted, addresses := f.wanted(ports)
	errs := []error{f.Addresses.Set(addresses)}
	for at, s := range f.sockets {
		service, front := s.serves()
		if want, ok := wanted[at]; !ok || want.service != service || want.Frontend != front {
			s.close()
			delete(f.sockets, at)
		}
	}
	for at, want := range wanted {
		if s := f.sockets[at]; s != nil {
			s.refresh()
			continue
		}
		s, err := f.open(at, want)
		if err != nil {
			f.problems[claim{want.service.key, at}] = err.Error()
			errs = append(errs, fmt.Errorf("listen on %s for %s: %w", at, want.service.key, err))
			continue
		}
		f.sockets[at] = s
	}
	return errors.Join(errs...)
}

// keep has a service for each port, and for no other.
func (f *Forwarder) keep(ports []Port) {
	kept := map[string]*service{}
	for _, p := range ports {
		s := f.services[p.Key]
		if s == nil || s.protocol != p.Protocol {
			s = &service{key: p.Key, protocol: p.Protocol, sticky: affinity{}}
		}
		s.set(p)
		kept[p.Key] = s
	}
	f.services = kept
}

// stand is what is to be served at a place.
type stand struct {
	Frontend
	service *service
}

// wanted are the places that should have a socket, and the addresses that are
// Services': also of those without an endpoint, so that clients are refused.
func (f *Forwarder) wanted(ports []Port) (map[place]stand, map[netip.Addr]bool) {
	places, addresses := map[place]stand{}, map[netip.Addr]bool{}
	for _, p := range ports {
		for _, front := range p.Frontends {
			if front.service() {
				addresses[front.Address.Addr()] = true
			}
			at := place{p.Protocol, front.Address}
			if !p.served(front) {
				continue
			}
			if other, ok := places[at]; ok {
				f.problems[claim{p.Key, at}] = "the address is " + other.service.key + "'s, too"
				continue
			}
			places[at] = stand{front, f.services[p.Key]}
		}
	}
	return places, addresses
}

func (f *Forwarder) open(at place, want stand) (socket, error) {
	switch at.protocol {
	case TCP:
		return f.listenTCP(at.address, want)
	case UDP:
		return f.listenUDP(at.address, want)
	}
	return nil, fmt.Errorf("%s is not carried, only tcp and udp are", at.protocol)
}

// inside says that a client is a pod or on this node. A process of the node that
// connects to a local address has that address itself.
func (f *Forwarder) inside(client, address netip.Addr) bool {
	return client == address || client.IsLoopback() ||
		slices.ContainsFunc(f.Inside, func(p netip.Prefix) bool { return p.Contains(client) })
}

// Services are the ports as events, in the order of their keys.
func (f *Forwarder) Services(node string) []event.ProxyService {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]event.ProxyService, 0, len(f.services))
	for _, key := range slices.Sorted(maps.Keys(f.services)) {
		out = append(out, f.services[key].port.event(node, f.problems))
	}
	return out
}

// Counts are the totals, by key, of the ports of which they changed since it was
// last asked. Those of which only bytes changed come when quiet ones are wanted.
func (f *Forwarder) Counts(quiet bool) map[string]event.ProxyCount {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]event.ProxyCount{}
	for key, s := range f.services {
		if count, ok := s.tally.take(quiet, s.uses); ok {
			out[key] = count
		}
	}
	return out
}

// Connection is what became of a client's TCP connection, once that is known or
// ctx ends; false when there was none.
func (f *Forwarder) Connection(ctx context.Context, client netip.AddrPort) (Record, bool) {
	return f.records.of(ctx, client)
}
