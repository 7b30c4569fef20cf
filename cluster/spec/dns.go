package spec

import "net/netip"

// DNS says how names outside of the cluster resolve.
type DNS struct {
	// Upstream is whom to ask for them: UpstreamHost, UpstreamNone or a server.
	Upstream Upstream `json:"upstream"`
}

// Upstream is a name server as IP or IP:port, seen from this machine; or a word.
type Upstream string

// The words.
const (
	UpstreamHost Upstream = "host" // those of this machine's /etc/resolv.conf
	UpstreamNone Upstream = "none" // every such question is refused
)

// Address is IP:port of a server; "" for a word.
func (u Upstream) Address() string {
	if at, err := netip.ParseAddrPort(string(u)); err == nil {
		return at.String()
	}
	if ip, err := netip.ParseAddr(string(u)); err == nil {
		return netip.AddrPortFrom(ip, 53).String()
	}
	return ""
}

var dnsPath = specPath.child("dns")

func (c *checker) checkDNS() {
	u, p := c.lab.Spec.DNS.Upstream, dnsPath.child("upstream")
	if !c.refused(p) && u != UpstreamHost && u != UpstreamNone && u.Address() == "" {
		c.refuse(p, "write host, none, or a name server such as 127.0.0.53 or 192.0.2.1:5353", "%q is no name server", clip(string(u)))
	}
}
