package state

import (
	"maps"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Bounds of what a world keeps of the proxy rules.
const (
	MaxSyncs  = 8  // per node
	MaxTraces = 8  // over all nodes
	MaxRates  = 24 // counts per service port and node
)

// Proxy is what is known of the rules kube-proxy writes.
type Proxy struct {
	// Nodes by name: those whose rules are, or were, read.
	Nodes map[string]*ProxyNode `json:"nodes,omitempty"`
	// Wanted are the ready endpoints that EndpointSlices give a Service, by
	// namespace/name, and since when.
	Wanted map[string]*Wanted `json:"wanted,omitempty"`
	// Traces are the last traced connections, oldest first.
	Traces []Trace `json:"traces,omitempty"`
}

// ProxyNode is the rules of one node.
type ProxyNode struct {
	event.ProxyNode
	Since time.Time `json:"since"` // read from then on
	// Stale is since when they are not read any more; zero while they are. In
	// userspace mode that is since nothing is served any more.
	Stale time.Time `json:"stale,omitzero"`
	// Syncs are the last ones, oldest first.
	Syncs []ProxySync `json:"syncs,omitempty"`
	// Services by key.
	Services map[string]*ProxyService `json:"services,omitempty"`
	Missed   uint64                   `json:"missed,omitempty"`
}

// ProxySync is a sync and when it was seen.
type ProxySync struct {
	event.ProxySync
	At time.Time `json:"at"`
}

// ProxyService is a service port on one node.
type ProxyService struct {
	event.ProxyService
	At    time.Time        `json:"at"` // when its rules last changed
	Count event.ProxyCount `json:"count"`
	// CountAt is when Count was taken.
	CountAt time.Time `json:"countAt,omitzero"`
	// Rates are the last connection totals, oldest first.
	Rates []ProxyRate `json:"rates,omitempty"`
}

// ProxyRate is a total at a moment.
type ProxyRate struct {
	At    time.Time `json:"at"`
	Conns uint64    `json:"conns"`
}

// Wanted is what the rules for a Service should come to hold.
type Wanted struct {
	// Addresses are the IPs of endpoints that are ready, sorted.
	Addresses []string  `json:"addresses,omitempty"`
	At        time.Time `json:"at"`
}

// Trace is a traced connection and when it ended.
type Trace struct {
	event.ProxyTrace
	At time.Time `json:"at"`
}

// Idle says that the node's kube-proxy, which carries connections itself, does
// not run: nothing listens at the addresses of Services.
func (n *ProxyNode) Idle() bool { return n.Mode == event.ProxyUserspace && !n.Stale.IsZero() }

// LastSync is the newest sync of the node, or nil.
func (n *ProxyNode) LastSync() *ProxySync {
	if len(n.Syncs) == 0 {
		return nil
	}
	return &n.Syncs[len(n.Syncs)-1]
}

// Owner is the Service of a service port, as namespace/name.
func (s *ProxyService) Owner() string { return Owner(s.Key) }

// Owner is the Service of a service port's key.
func Owner(key string) string {
	owner, _, _ := strings.Cut(key, ":")
	return owner
}

// FrontendKind is the kind of an address of a service port: as the Service object
// has it, otherwise as the rules do. nftables rules do not tell an external IP
// from a load balancer's, and those of a Service without endpoints none from
// another.
func (w *World) FrontendKind(s *ProxyService, f event.ProxyFrontend) string {
	object := w.Kube.Services[s.Owner()]
	switch {
	case object == nil || f.IP == "":
	case f.IP == object.ClusterIP:
		return "cluster"
	case slices.Contains(object.ExternalIPs, f.IP):
		return "external"
	case slices.Contains(object.LoadBalancer, f.IP):
		return "loadbalancer"
	}
	return f.Kind
}

func (p *Proxy) apply(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.ProxyNode:
		p.Nodes[b.Node] = &ProxyNode{ProxyNode: b, Since: at, Services: map[string]*ProxyService{}}
	case event.ProxySync:
		if n := p.Nodes[b.Node]; n != nil {
			n.Syncs = bounded(append(n.Syncs, ProxySync{b, at}), MaxSyncs)
		}
	case event.ProxyService:
		p.applyService(at, b)
	case event.ProxyCounters:
		p.applyCounters(at, b)
	case event.ProxyTrace:
		p.Traces = bounded(append(p.Traces, Trace{b, at}), MaxTraces)
	}
}

func (p *Proxy) applyService(at time.Time, b event.ProxyService) {
	n := p.Nodes[b.Node]
	switch {
	case n == nil:
	case b.Gone:
		delete(n.Services, b.Key)
	case n.Services[b.Key] == nil:
		n.Services[b.Key] = &ProxyService{ProxyService: b, At: at}
	default:
		s := n.Services[b.Key]
		s.ProxyService, s.At = b, at
	}
}

func (p *Proxy) applyCounters(at time.Time, b event.ProxyCounters) {
	n := p.Nodes[b.Node]
	if n == nil {
		return
	}
	n.Missed = b.Missed
	for key, count := range b.Services {
		s := n.Services[key]
		if s == nil {
			continue // counted to the end, after its rules were gone
		}
		if count.Conns != s.Count.Conns || len(s.Rates) == 0 {
			s.Rates = bounded(append(s.Rates, ProxyRate{at, count.Conns}), MaxRates)
		}
		s.Count, s.CountAt = count, at
	}
}

// stale notes that a node's rules are read no more, or are again.
func (p *Proxy) stale(node string, since time.Time) {
	if n := p.Nodes[node]; n != nil && n.Stale.IsZero() != since.IsZero() {
		n.Stale = since
	}
}

// follow keeps what EndpointSlices want, after the API's objects changed.
func (p *Proxy) follow(at time.Time, body event.Body, k *Kube) {
	switch b := body.(type) {
	case event.KubeEndpointSlice:
		p.want(at, b.Namespace+"/"+b.Service, k)
	case event.KubeDeleted:
		if b.Kind == "EndpointSlice" {
			p.wantAll(at, k)
		}
	case event.KubeSynced:
		if b.Kind == "EndpointSlice" {
			p.wantAll(at, k)
		}
	}
}

func (p *Proxy) wantAll(at time.Time, k *Kube) {
	services := map[string]bool{}
	for service := range p.Wanted {
		services[service] = true
	}
	for _, slice := range k.Slices {
		services[slice.Namespace+"/"+slice.Service] = true
	}
	for service := range services {
		p.want(at, service, k)
	}
}

func (p *Proxy) want(at time.Time, service string, k *Kube) {
	addresses, any := readyAddresses(service, k)
	if !any {
		delete(p.Wanted, service)
		return
	}
	if w := p.Wanted[service]; w == nil || !slices.Equal(w.Addresses, addresses) {
		p.Wanted[service] = &Wanted{Addresses: addresses, At: at}
	}
}

// readyAddresses are the ready endpoints in the slices of a Service, sorted; any
// says that there is a slice.
func readyAddresses(service string, k *Kube) (addresses []string, any bool) {
	found := map[string]bool{}
	for _, slice := range k.Slices {
		if slice.Namespace+"/"+slice.Service != service {
			continue
		}
		any = true
		for _, e := range slice.Endpoints {
			if e.Ready {
				found[e.Address] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), any
}
