package rules

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
)

// nftReader reads services out of the table of k8s.io/kubernetes/pkg/proxy/nftables:
//
//	map service-ips, service-nodeports > (external- >) service- or local- > dnat to numgen random map
type nftReader struct {
	read    nftText
	builder builder
	seen    map[string]bool
	refused []Refusal
}

func (r *nftReader) readServices() {
	r.seen = map[string]bool{}
	masqueraded := r.clusterMasquerade()
	for _, e := range r.read.maps["service-ips"] {
		if len(e.key) != 3 {
			continue
		}
		kind := Cluster
		switch {
		case strings.HasPrefix(e.verdict, "external-"), strings.HasPrefix(e.verdict, "firewall-"):
			kind = External
		}
		r.frontend(e, kind, e.key[0], e.key[1], e.key[2], masqueraded)
	}
	for _, e := range r.read.maps["service-nodeports"] {
		if len(e.key) == 2 {
			r.frontend(e, NodePort, "", e.key[0], e.key[1], "")
		}
	}
	for _, e := range r.read.maps["no-endpoint-services"] {
		if len(e.key) == 3 {
			r.refusal(e, Cluster, e.key[0], e.key[1], e.key[2])
		}
	}
	for _, e := range r.read.maps["no-endpoint-nodeports"] {
		if len(e.key) == 2 {
			r.refusal(e, NodePort, "", e.key[0], e.key[1])
		}
	}
}

// clusterMasquerade is whose address is replaced on the way to cluster IPs.
func (r *nftReader) clusterMasquerade() string {
	for _, rule := range r.read.chains["services"] {
		if _, after, ok := strings.Cut(rule.Text, "ip saddr != "); ok && strings.Contains(rule.Text, "mark set") {
			cidr, _, _ := strings.Cut(after, " ")
			return "clients outside " + cidr
		}
	}
	return ""
}

// serviceOf reads a chain's name: prefix-HASH-namespace/name/protocol/port; the
// endpoint's address may follow.
func serviceOf(chain string) (key, protocol string, ok bool) {
	_, rest, ok := strings.Cut(chain, "-")
	if !ok || len(rest) < 10 || rest[8] != '-' {
		return "", "", false
	}
	name, _, _ := strings.Cut(rest[9:], "__")
	parts := strings.Split(name, "/")
	if len(parts) < 4 {
		return "", "", false
	}
	key = parts[0] + "/" + parts[1]
	if parts[3] != "" {
		key += ":" + parts[3]
	}
	return key, parts[2], true
}

func (r *nftReader) frontend(e element, kind, ip, protocol, port, masqueraded string) {
	key, _, ok := serviceOf(e.verdict)
	n, err := strconv.Atoi(port)
	if !ok || err != nil {
		return
	}
	s := r.builder.service(key, protocol)
	s.Rules++
	if masqueraded != "" && kind == Cluster {
		masquerade(s, masqueraded)
	}
	s.Frontends = append(s.Frontends, event.ProxyFrontend{Kind: kind, IP: ip, Port: n, Policy: r.follow(s, e.verdict, 0)})
}

// follow reads the chain behind a verdict and returns the policy it ends in.
func (r *nftReader) follow(s *event.ProxyService, chain string, depth int) string {
	if depth > 3 {
		return ""
	}
	first := !r.seen[chain]
	r.seen[chain] = true
	if first {
		s.Rules += len(r.read.chains[chain])
	}
	switch {
	case strings.HasPrefix(chain, "service-"), strings.HasPrefix(chain, "local-"):
		policy := Cluster
		if strings.HasPrefix(chain, "local-") {
			policy = Local
		}
		if first {
			r.spread(s, chain, policy)
		}
		if s.Chain == "" || policy == Cluster {
			s.Chain = chain
		}
		return policy
	}
	policy := ""
	for _, rule := range r.read.chains[chain] {
		if first && strings.Contains(rule.Text, "mark set") {
			who := "clients of external addresses"
			if strings.Contains(rule.Text, "fib saddr type local") {
				who = "clients on the node, to external addresses"
			}
			masquerade(s, who)
		}
		if to := target(rule.Text); to != "" {
			policy = r.follow(s, to, depth+1)
		}
	}
	return policy
}

// target is the chain a rule goes to, or "".
func target(text string) string {
	for _, verb := range []string{"goto ", "jump "} {
		if i := strings.Index(text, verb); i >= 0 {
			name, _, _ := strings.Cut(text[i+len(verb):], " ")
			return name
		}
	}
	return ""
}

// spread reads how a chain chooses among endpoints: one, or one of a map by a
// random number, directly or through chains that remember the client.
func (r *nftReader) spread(s *event.ProxyService, chain, policy string) {
	for _, rule := range r.read.chains[chain] {
		text := rule.Text
		if set, ok := strings.CutPrefix(text, "ip saddr @"); ok && strings.HasPrefix(set, "affinity-") {
			name, _, _ := strings.Cut(set, " ")
			s.Affinity = seconds(r.read.timeouts[name])
			continue
		}
		addresses := r.destinations(s, text)
		for _, address := range addresses {
			endpoint(s, address, policy, 1/float64(len(addresses)))
			if r.hairpin(address) {
				masquerade(s, "a pod that reaches itself")
			}
		}
	}
}

// destinations are the endpoints a rule chooses among.
func (r *nftReader) destinations(s *event.ProxyService, text string) []string {
	if _, body, ok := strings.Cut(text, "map { "); ok {
		body, _, _ = strings.Cut(body, " }")
		var out []string
		for _, part := range splitElements(body) {
			_, value, _ := strings.Cut(part, " : ")
			if chain := target(value); chain != "" {
				out = append(out, r.endpointChain(s, chain)...)
				continue
			}
			if ip, port, ok := strings.Cut(value, " . "); ok {
				out = append(out, net.JoinHostPort(ip, port))
			}
		}
		return out
	}
	if _, address, ok := strings.Cut(text, "dnat to "); ok {
		address, _, _ = strings.Cut(address, " ")
		return []string{address}
	}
	return nil
}

// endpointChain is the endpoint of a chain that remembers its clients.
func (r *nftReader) endpointChain(s *event.ProxyService, chain string) []string {
	if !r.seen[chain] {
		r.seen[chain] = true
		s.Rules += len(r.read.chains[chain])
	}
	for _, rule := range r.read.chains[chain] {
		if _, address, ok := strings.Cut(rule.Text, "dnat to "); ok {
			return []string{address}
		}
	}
	return nil
}

// hairpin says that a pod behind this address is masqueraded to itself.
func (r *nftReader) hairpin(address string) bool {
	ip, _, _ := net.SplitHostPort(address)
	return slices.ContainsFunc(r.read.maps["hairpin-connections"], func(e element) bool { return e.key[0] == ip })
}

// refusal reads an element for a service without endpoints.
func (r *nftReader) refusal(e element, kind, ip, protocol, port string) {
	n, err := strconv.Atoi(port)
	if err != nil || e.comment == "" {
		return
	}
	s := r.builder.service(e.comment, protocol)
	r.refused = append(r.refused, Refusal{Key: e.comment, IP: ip, Protocol: protocol, Port: n})
	s.Rules++
	s.Refused = "reject"
	if e.verdict == "drop" {
		s.Refused = "drop"
	}
	if !slices.ContainsFunc(s.Frontends, func(g event.ProxyFrontend) bool { return g.IP == ip && g.Port == n }) {
		s.Frontends = append(s.Frontends, event.ProxyFrontend{Kind: kind, IP: ip, Port: n, Policy: Cluster})
	}
}

// seconds reads a duration of nft, such as 3h or 1d2h30m.
func seconds(text string) int {
	days, rest, ok := strings.Cut(text, "d")
	total := 0
	if ok {
		n, _ := strconv.Atoi(days)
		total, text = n*86400, rest
	}
	if text == "" {
		return total
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return total
	}
	return total + int(d.Seconds())
}
