package rules

import (
	"slices"
	"strings"

	"workbench/cluster/event"
)

// ipReader reads services out of the chains of k8s.io/kubernetes/pkg/proxy/iptables:
//
//	KUBE-SERVICES, KUBE-NODEPORTS > (KUBE-FW- >) (KUBE-EXT- >) KUBE-SVC- or KUBE-SVL- > KUBE-SEP- > DNAT
type ipReader struct {
	chains  map[string][]args // by "table chain"
	builder builder
	keys    map[string]string // service key by chain
	sources []Source
}

func (r *ipReader) read() {
	for _, a := range r.chains["nat KUBE-SERVICES"] {
		if a.port > 0 && a.destination != "" {
			r.frontend(a, frontendKind(a.comment), a.destination)
		}
	}
	for _, a := range r.chains["nat KUBE-NODEPORTS"] {
		// The rule for 127.0.0.0/8 only counts what comes from the node itself.
		if a.port > 0 && a.destination == "" {
			r.frontend(a, NodePort, "")
		} else if a.port > 0 {
			r.source(a, serviceName(a.comment), "", false)
		}
	}
	for _, chain := range []string{"filter KUBE-SERVICES", "filter KUBE-EXTERNAL-SERVICES"} {
		for _, a := range r.chains[chain] {
			r.refusal(a)
		}
	}
}

// serviceName is the service port in a comment, such as "default/web:http
// cluster IP"; kube-proxy puts it first.
func serviceName(comment string) string {
	name, _, _ := strings.Cut(comment, " ")
	return name
}

func frontendKind(comment string) string {
	switch {
	case strings.HasSuffix(comment, " external IP"):
		return External
	case strings.HasSuffix(comment, " loadbalancer IP"):
		return LoadBalancer
	}
	return Cluster
}

func (r *ipReader) frontend(a args, kind, ip string) {
	key := serviceName(a.comment)
	if key == "" {
		return
	}
	s := r.builder.service(key, a.protocol)
	s.Rules++
	r.source(a, key, "", false)
	f := event.ProxyFrontend{Kind: kind, IP: ip, Port: a.port}
	f.Policy = r.follow(s, a.to, 0)
	s.Frontends = append(s.Frontends, f)
}

// follow reads the chains behind a jump and returns the policy they end in.
func (r *ipReader) follow(s *event.ProxyService, chain string, depth int) string {
	if depth > 3 {
		return ""
	}
	known := r.keys[chain] != ""
	r.keys[chain] = s.Key
	switch {
	case strings.HasPrefix(chain, "KUBE-SVC-"), strings.HasPrefix(chain, "KUBE-SVL-"):
		policy := Cluster
		if strings.HasPrefix(chain, "KUBE-SVL-") {
			policy = Local
		}
		if !known {
			r.spread(s, chain, policy)
		}
		if s.Chain == "" || policy == Cluster {
			s.Chain = chain
		}
		return policy
	case strings.HasPrefix(chain, "KUBE-EXT-"), strings.HasPrefix(chain, "KUBE-FW-"):
		policy := ""
		for _, a := range r.chains["nat "+chain] {
			if !known {
				s.Rules++
			}
			if a.to == "KUBE-MARK-MASQ" && !known {
				masquerade(s, masqueradeWords(a))
			}
			if strings.HasPrefix(a.to, "KUBE-SVC-") || strings.HasPrefix(a.to, "KUBE-SVL-") || strings.HasPrefix(a.to, "KUBE-EXT-") {
				end := r.follow(s, a.to, depth+1)
				switch {
				case a.sourceType == "LOCAL":
					// Only the local policy has a way of its own for the node's
					// clients; without an endpoint on the node it is all there is.
					policy = Local
				case policy != Local:
					policy = end
				}
			}
		}
		return policy
	}
	return ""
}

// spread reads how a chain chooses among endpoints: each rule takes its share of
// what the rules before it left.
func (r *ipReader) spread(s *event.ProxyService, chain, policy string) {
	left := 1.0
	for _, a := range r.chains["nat "+chain] {
		s.Rules++
		switch {
		case a.to == "KUBE-MARK-MASQ":
			masquerade(s, masqueradeWords(a))
		case !strings.HasPrefix(a.to, "KUBE-SEP-"):
		case a.affinity > 0:
			s.Affinity = a.affinity
		default:
			share := left
			if a.probability > 0 {
				share = left * a.probability
			}
			left -= share
			if address := r.destination(s, a.to); address != "" {
				endpoint(s, address, policy, share)
			}
		}
	}
}

// destination reads a KUBE-SEP chain.
func (r *ipReader) destination(s *event.ProxyService, chain string) string {
	known := r.keys[chain] != ""
	r.keys[chain] = s.Key
	address := ""
	for _, a := range r.chains["nat "+chain] {
		if !known {
			s.Rules++
		}
		switch {
		case a.to == "KUBE-MARK-MASQ" && a.source != "":
			masquerade(s, "a pod that reaches itself")
		case a.dnat != "":
			address = a.dnat
			if !known {
				r.source(a, s.Key, address, false)
			}
		}
	}
	return address
}

func masqueradeWords(a args) string {
	switch {
	case strings.HasPrefix(a.source, "! "):
		return "clients outside " + strings.TrimPrefix(a.source, "! ")
	case a.sourceType == "LOCAL":
		return "clients on the node, to external addresses"
	}
	return "clients of external addresses"
}

// refusal reads a rule of a service that has no endpoints, or none on the node.
func (r *ipReader) refusal(a args) {
	what := strings.ToLower(a.to)
	if what != "reject" && what != "drop" {
		return
	}
	key := serviceName(a.comment)
	if key == "" {
		return
	}
	s := r.builder.service(key, a.protocol)
	s.Rules++
	s.Refused = what
	r.source(a, key, "", true)
	kind, ip := Cluster, a.destination
	switch {
	case ip == "":
		kind = NodePort
	case strings.HasSuffix(a.rule.Chain, "EXTERNAL-SERVICES"):
		kind = External
	}
	f := event.ProxyFrontend{Kind: kind, IP: ip, Port: a.port, Policy: Cluster}
	if strings.Contains(a.comment, "no local endpoints") {
		f.Policy = Local
	}
	if !slices.ContainsFunc(s.Frontends, func(g event.ProxyFrontend) bool { return g.IP == f.IP && g.Port == f.Port }) {
		s.Frontends = append(s.Frontends, f)
	}
}

func (r *ipReader) source(a args, key, endpoint string, rejects bool) {
	r.sources = append(r.sources, Source{
		Table: a.rule.Table, Chain: a.rule.Chain, Ordinal: a.rule.Ordinal, Key: key, Endpoint: endpoint, Rejects: rejects,
	})
}
