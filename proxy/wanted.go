package proxy

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	upstream "k8s.io/kubernetes/pkg/proxy"

	"workbench/proxy/rules"
	"workbench/proxy/userspace"
)

// wanted is what the node is to serve, by upstream's opinion of which endpoints
// may be used from here: ready ones, or terminating ones where there is no other,
// by traffic policy and topology hints. Callers lock.
func (p *proxier) wanted() []userspace.Port {
	out := make([]userspace.Port, 0, len(p.ports))
	for name, service := range p.ports {
		port := userspace.Port{Key: name.String(), Protocol: strings.ToLower(string(service.Protocol())), Frontends: p.frontends(service)}
		cluster, local, _, _ := upstream.CategorizeEndpoints(p.known[name], service, p.node, p.topology)
		port.Cluster, port.Local = addresses(cluster), addresses(local)
		if service.SessionAffinityType() == v1.ServiceAffinityClientIP {
			port.Affinity = time.Duration(service.StickyMaxAgeSeconds()) * time.Second
		}
		port.Clients = p.clients(service)
		out = append(out, port)
	}
	return out
}

// clients are who may come to the load balancer addresses of a service port. Those
// are the node's own addresses too, so that it comes to each from that itself; see
// allowFromNode in upstream's pkg/proxy/iptables.
func (p *proxier) clients(s upstream.ServicePort) []netip.Prefix {
	var out []netip.Prefix
	self := false
	for _, clients := range s.LoadBalancerSourceRanges() {
		if prefix, err := netip.ParsePrefix(clients.String()); err == nil {
			out = append(out, prefix.Masked())
			self = self || prefix.Contains(p.address)
		}
	}
	for _, ip := range s.LoadBalancerVIPs() {
		if address, ok := netip.AddrFromSlice(ip); ok && self {
			address = address.Unmap()
			out = append(out, netip.PrefixFrom(address, address.BitLen()))
		}
	}
	return out
}

// frontends are the addresses of a service port, in the order of their kinds.
func (p *proxier) frontends(s upstream.ServicePort) []userspace.Frontend {
	var out []userspace.Frontend
	add := func(kind string, port int, local bool, ips ...net.IP) {
		for _, ip := range ips {
			if address, ok := netip.AddrFromSlice(ip); ok {
				out = append(out, userspace.Frontend{Kind: kind, Address: netip.AddrPortFrom(address.Unmap(), uint16(port)), Local: local})
			}
		}
	}
	add(rules.Cluster, s.Port(), s.InternalPolicyLocal(), s.ClusterIP())
	if s.NodePort() != 0 {
		add(rules.NodePort, s.NodePort(), s.ExternalPolicyLocal(), p.address.AsSlice())
	}
	add(rules.External, s.Port(), s.ExternalPolicyLocal(), s.ExternalIPs()...)
	add(rules.LoadBalancer, s.Port(), s.ExternalPolicyLocal(), s.LoadBalancerVIPs()...)
	return out
}

func addresses(endpoints []upstream.Endpoint) []netip.AddrPort {
	var out []netip.AddrPort
	for _, e := range endpoints {
		if address, err := netip.ParseAddrPort(e.String()); err == nil {
			out = append(out, address)
		}
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}
