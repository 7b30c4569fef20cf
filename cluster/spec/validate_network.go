package spec

import (
	"fmt"
	"net/netip"
	"slices"
)

// NodePodBits is the prefix length of one node's part of the pod CIDR
// (kube-controller-manager's --node-cidr-mask-size).
const NodePodBits = 24

// cidr is one address range and the prefix lengths it may have.
type cidr struct {
	field, text string
	least, most int // prefix lengths, from the largest network to the smallest
	why         string
	prefix      netip.Prefix
}

func (c *checker) checkNetwork() {
	n := c.lab.Spec.Network
	ranges := []*cidr{
		{field: "fabricCIDR", text: n.FabricCIDR, least: 8, most: 24, why: "nodes use .1, .11 to .15 and .101 to .130"},
		// The range allocator refuses more than 16 bits between the two lengths
		// (pkg/controller/nodeipam/ipam/cidrset).
		{field: "podCIDR", text: n.PodCIDR, least: 8, most: NodePodBits, why: "each worker gets a /24"},
		{field: "serviceCIDR", text: n.ServiceCIDR, least: 12, most: 28, why: "the API takes .1 and DNS .10"},
		{field: "loadBalancerCIDR", text: n.LoadBalancerCIDR, least: 16, most: 28, why: "its first and last address stay free"},
	}
	for _, r := range ranges {
		c.checkCIDR(r)
	}
	c.checkOverlaps(ranges)
	if pods := ranges[1].prefix; pods.IsValid() {
		if room, workers := 1<<(NodePodBits-pods.Bits()), c.lab.Spec.Workers.Count; workers > room && workers <= MaxWorkers {
			bits := NodePodBits
			for 1<<(NodePodBits-bits) < workers {
				bits--
			}
			c.refuse(networkPath.child("podCIDR"), fmt.Sprintf("use a /%d or larger, or fewer workers", bits),
				"%s has room for %d of %d workers, each with a /%d", pods, room, workers, NodePodBits)
		}
	}
	if modes := []string{string(IPTables), string(NFTables), string(Userspace)}; !slices.Contains(modes, string(n.ProxyMode)) {
		c.refuse(networkPath.child("proxyMode"), suggest(string(n.ProxyMode), modes, "modes are "), "unknown mode %q", clip(string(n.ProxyMode)))
	}
}

// unusable are ranges that the kernel or the Internet's conventions keep for
// other ends.
var unusable = []struct{ cidr, what string }{
	{"0.0.0.0/8", "this network"},
	{"127.0.0.0/8", "loopback"},
	{"169.254.0.0/16", "link-local"},
	{"224.0.0.0/3", "multicast and reserved"},
}

// checkCIDR sets the prefix when all is well.
func (c *checker) checkCIDR(r *cidr) {
	p := networkPath.child(r.field)
	if c.refused(p) {
		return
	}
	prefix, err := netip.ParsePrefix(r.text)
	switch {
	case err != nil:
		c.refuse(p, "write an IPv4 network such as 10.10.0.0/24", "%q is not a network", clip(r.text))
		return
	case !prefix.Addr().Is4():
		c.refuse(p, "write an IPv4 network such as 10.10.0.0/24", "%s is not IPv4, all that labs speak", prefix)
		return
	case prefix != prefix.Masked():
		c.refuse(p, fmt.Sprintf("write %s", prefix.Masked()), "%s is an address inside a network", prefix)
		return
	case prefix.Bits() > r.most:
		c.refuse(p, fmt.Sprintf("use a /%d or larger", r.most), "%s is too small: %s", prefix, r.why)
		return
	case prefix.Bits() < r.least:
		c.refuse(p, fmt.Sprintf("use a /%d or smaller", r.least), "%s is too large", prefix)
		return
	}
	for _, u := range unusable {
		if prefix.Overlaps(netip.MustParsePrefix(u.cidr)) {
			c.refuse(p, "use a private range, within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
				"%s overlaps %s, which is %s", prefix, u.cidr, u.what)
			return
		}
	}
	r.prefix = prefix
}

func (c *checker) checkOverlaps(ranges []*cidr) {
	for i, r := range ranges {
		for _, other := range ranges[:i] {
			if r.prefix.IsValid() && other.prefix.IsValid() && r.prefix.Overlaps(other.prefix) {
				c.refuse(networkPath.child(r.field), "choose ranges that share no address",
					"%s overlaps spec.network.%s %s", r.prefix, other.field, other.prefix)
			}
		}
	}
}

// NamesProxyMode says that the lab was read from a file that has its proxy mode,
// so that no other will do.
func (l Lab) NamesProxyMode() bool { return l.source.names(networkPath.child("proxyMode")) }
