// Package rules is a model of the rules kube-proxy writes: which service is
// reached at which address, how its endpoints are chosen, and with what
// probability. It is pure: text of iptables-save or nft in, values out.
//
//	iptables-save -c -t nat, filter \
//	                                  >  Ruleset{Rules as printed, Services}  >  Diff, Words
//	nft -a list table ip kube-proxy /
package rules

import (
	"cmp"
	"slices"
	"strings"

	"workbench/cluster/event"
)

// Modes of kube-proxy.
const (
	IPTables = "iptables"
	NFTables = "nftables"
	// Userspace is package userspace's, without a packet filter.
	Userspace = event.ProxyUserspace
)

// Rule is one rule, or one element of a set or map, as the tool prints it.
type Rule struct {
	Table string // nat, filter, kube-proxy
	Chain string // or the set or map of an element
	// Ordinal is its place among the rules of its chain, from 0.
	Ordinal int
	// Handle is the kernel's number of the rule, from nft -a; 0 where it is not
	// printed.
	Handle uint64
	// Element says that it is no rule but an element of a set or map.
	Element bool
	// Text is without counters and handle.
	Text string
	// Packets that matched; only where the tool prints counters.
	Packets uint64
}

// Line is the rule with its place, as a user would look for it.
func (r Rule) Line() string {
	switch r.Table {
	case nftTable:
		return r.Chain + ": " + r.Text
	case userspaceTable:
		return r.Text
	}
	return "-t " + r.Table + " " + r.Text
}

// Short is the rule with its place, its comment in front: what fits in a line.
func (r Rule) Short() string {
	if r.Table == nftTable || r.Table == userspaceTable {
		return r.Line()
	}
	text := strings.TrimPrefix(r.Text, "-A ")
	chain, rest, _ := strings.Cut(text, " ")
	const flag = `-m comment --comment "`
	if i := strings.Index(rest, flag); i >= 0 {
		if comment, after, ok := strings.Cut(rest[i+len(flag):], `"`); ok {
			rest = `"` + comment + `" ` + rest[:i] + strings.TrimPrefix(after, " ")
		}
	}
	return r.Table + " " + chain + " " + rest
}

// Ruleset is what a node's rules say.
type Ruleset struct {
	Mode  string
	Rules []Rule
	// Services by key, sorted; Node and Gone are not set.
	Services []event.ProxyService
	// Sources are which rules count what of the services. Rules of nftables mode
	// have no counters.
	Sources []Source
	// Refusals are the addresses that nftables rules refuse; see Source.Rejects
	// for iptables.
	Refusals []Refusal
	// NodePortIPs are the node's addresses at which nftables rules take node
	// ports; none is all but loopback.
	NodePortIPs []string
}

// Refusal is an address at which a service port refuses connections.
type Refusal struct {
	Key      string // of the service port
	IP       string // "" is a node port
	Protocol string
	Port     int
}

// Source says what the counter of a rule stands for.
type Source struct {
	Table, Chain string
	Ordinal      int
	Key          string // of the service
	Endpoint     string // IP:port, or "" for the whole service
	Rejects      bool
}

// builder gathers services by key.
type builder struct {
	services map[string]*event.ProxyService
}

func newBuilder() builder { return builder{services: map[string]*event.ProxyService{}} }

func (b builder) service(key, protocol string) *event.ProxyService {
	s := b.services[key]
	if s == nil {
		s = &event.ProxyService{Key: key, Protocol: protocol}
		b.services[key] = s
	}
	return s
}

// sorted finishes the services: the order of all that has one does not hang on
// the order of the rules.
func (b builder) sorted() []event.ProxyService {
	out := make([]event.ProxyService, 0, len(b.services))
	for _, s := range b.services {
		slices.SortFunc(s.Frontends, func(a, b event.ProxyFrontend) int {
			return cmp.Or(cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), cmp.Compare(a.IP, b.IP), cmp.Compare(a.Port, b.Port))
		})
		slices.SortFunc(s.Endpoints, func(a, b event.ProxyEndpoint) int { return cmp.Compare(a.Address, b.Address) })
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b event.ProxyService) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

func kindOrder(kind string) int {
	return slices.Index([]string{Cluster, NodePort, External, LoadBalancer}, kind)
}

// Kinds of frontends and policies.
const (
	Cluster      = "cluster"
	Local        = "local"
	NodePort     = "node"
	External     = "external"
	LoadBalancer = "loadbalancer"
)

// endpoint adds a chance to an endpoint of a service.
func endpoint(s *event.ProxyService, address string, policy string, chance float64) {
	i := slices.IndexFunc(s.Endpoints, func(e event.ProxyEndpoint) bool { return e.Address == address })
	if i < 0 {
		i, s.Endpoints = len(s.Endpoints), append(s.Endpoints, event.ProxyEndpoint{Address: address})
	}
	chance = rounded(chance) // kube-proxy prints ten digits of a third
	if policy == Local {
		s.Endpoints[i].Local = chance
	} else {
		s.Endpoints[i].Cluster = chance
	}
}

// masquerade notes a case once.
func masquerade(s *event.ProxyService, text string) {
	if !slices.Contains(s.Masquerade, text) {
		s.Masquerade = append(s.Masquerade, text)
		slices.Sort(s.Masquerade)
	}
}
