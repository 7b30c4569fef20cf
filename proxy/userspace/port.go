package userspace

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/rules"
)

// Protocols that are carried, as events name them.
const (
	TCP = "tcp"
	UDP = "udp"
)

// Port is one port of one Service, as this node is to serve it.
type Port struct {
	// Key is namespace/name:port; the port's name may be missing.
	Key      string
	Protocol string
	// Frontends are where it is reached, in the order they are to be shown.
	Frontends []Frontend
	// Cluster and Local are the endpoints of each traffic policy, sorted.
	Cluster, Local []netip.AddrPort
	// Affinity is how long a client stays with its endpoint after its last
	// connection; 0 is not at all.
	Affinity time.Duration
	// Clients are who may come to its load balancer addresses; none is everybody.
	Clients []netip.Prefix
}

// Frontend is an address of a Port.
type Frontend struct {
	// Kind is one of package rules: Cluster, NodePort, External, LoadBalancer.
	Kind    string
	Address netip.AddrPort
	// Local says that clients go to endpoints on this node alone. At all kinds but
	// Cluster clients from inside of the cluster go to any nevertheless.
	Local bool
}

// service says that the address is the Service's, and not the node's own.
func (f Frontend) service() bool { return f.Kind != rules.NodePort }

// endpoints are those for a client at a frontend.
func (p *Port) endpoints(f Frontend, inside bool) []netip.AddrPort {
	if f.Local && (f.Kind == rules.Cluster || !inside) {
		return p.Local
	}
	return p.Cluster
}

// served says that some client may get an endpoint at a frontend.
func (p *Port) served(f Frontend) bool {
	return len(p.endpoints(f, false)) > 0 || len(p.endpoints(f, true)) > 0
}

// admits says that a client may come to a frontend.
func (p *Port) admits(f Frontend, client netip.Addr) bool {
	return f.Kind != rules.LoadBalancer || len(p.Clients) == 0 ||
		slices.ContainsFunc(p.Clients, func(c netip.Prefix) bool { return c.Contains(client) })
}

// uses says that an endpoint is one of the port's.
func (p *Port) uses(endpoint netip.AddrPort) bool {
	return slices.Contains(p.Cluster, endpoint) || slices.Contains(p.Local, endpoint)
}

// seen is what an endpoint knows of a client.
const seen = "all clients: endpoints see the node"

// event is the port as the proxy screen has it. Problems are of frontends that
// have no socket although they should.
func (p *Port) event(node string, problems map[claim]string) event.ProxyService {
	s := event.ProxyService{Node: node, Key: p.Key, Protocol: p.Protocol, Affinity: int(p.Affinity.Seconds())}
	for _, f := range p.Frontends {
		shown := event.ProxyFrontend{Kind: f.Kind, Port: int(f.Address.Port()), Policy: rules.Cluster, Problem: problems[claim{p.Key, place{p.Protocol, f.Address}}]}
		if f.service() {
			shown.IP = f.Address.Addr().String()
		}
		if f.Local {
			shown.Policy = rules.Local
		}
		if !p.served(f) {
			s.Refused = "reject"
		}
		s.Frontends = append(s.Frontends, shown)
	}
	all := slices.Concat(p.Cluster, p.Local)
	slices.SortFunc(all, netip.AddrPort.Compare)
	for _, address := range slices.Compact(all) {
		e := event.ProxyEndpoint{Address: address.String()}
		if slices.Contains(p.Cluster, address) {
			e.Cluster = rules.Share(len(p.Cluster))
		}
		if slices.Contains(p.Local, address) {
			e.Local = rules.Share(len(p.Local))
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	if len(s.Endpoints) > 0 {
		s.Chain, s.Masquerade = "kube-proxy", []string{seen}
	}
	s.Rules = len(rules.OfService(s))
	return s
}

func byKey(a, b Port) int { return cmp.Compare(a.Key, b.Key) }
