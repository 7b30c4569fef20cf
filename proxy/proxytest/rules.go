package proxytest

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// Service is a service port to write rules for.
type Service struct {
	Key       string // namespace/name:port
	Address   string // IP:port
	Endpoints []string
}

// Services are n services of e endpoints each.
func Services(n, e int) []Service {
	var out []Service
	for i := range n {
		s := Service{Key: fmt.Sprintf("bench/service-%d:http", i), Address: fmt.Sprintf("10.96.%d.%d:80", i/250, 1+i%250)}
		for j := range e {
			k := i*e + j
			s.Endpoints = append(s.Endpoints, fmt.Sprintf("10.244.%d.%d:8080", k/250, 1+k%250))
		}
		out = append(out, s)
	}
	return out
}

// hash names a chain as k8s.io/kubernetes/pkg/proxy/iptables does.
func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "")))
	return base32.StdEncoding.EncodeToString(sum[:])[:16]
}

func split(address string) (ip, port string) {
	ip, port, _ = strings.Cut(address, ":")
	return ip, port
}

// IPTables writes the rules as kube-proxy does in iptables mode, all at once.
func (n *Node) IPTables(services []Service) {
	n.t.Helper()
	var chains, rules, filter strings.Builder
	chain := func(name string) { fmt.Fprintf(&chains, ":%s - [0:0]\n", name) }
	for _, name := range []string{"KUBE-SERVICES", "KUBE-MARK-MASQ", "KUBE-POSTROUTING", "KUBE-NODEPORTS"} {
		chain(name)
	}
	fmt.Fprintln(&rules, `-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000`)
	fmt.Fprintln(&rules, `-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN`)
	fmt.Fprintln(&rules, `-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000`)
	fmt.Fprintln(&rules, `-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully`)
	for _, s := range services {
		ip, port := split(s.Address)
		if len(s.Endpoints) == 0 {
			fmt.Fprintf(&filter, "-A KUBE-SERVICES -m comment --comment \"%s has no endpoints\" -p tcp -d %s --dport %s -j REJECT\n", s.Key, ip, port)
			continue
		}
		svc := "KUBE-SVC-" + hash(s.Key, "tcp")
		chain(svc)
		fmt.Fprintf(&rules, "-A KUBE-SERVICES -m comment --comment \"%s cluster IP\" -p tcp -d %s --dport %s -j %s\n", s.Key, ip, port, svc)
		fmt.Fprintf(&rules, "-A %s -m comment --comment \"%s cluster IP\" -p tcp -d %s --dport %s ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ\n", svc, s.Key, ip, port)
		for i, e := range s.Endpoints {
			sep := "KUBE-SEP-" + hash(s.Key, "tcp", e)
			chain(sep)
			chance := ""
			if left := len(s.Endpoints) - i; left > 1 {
				chance = fmt.Sprintf("-m statistic --mode random --probability %.10f ", 1/float64(left))
			}
			fmt.Fprintf(&rules, "-A %s -m comment --comment \"%s -> %s\" %s-j %s\n", svc, s.Key, e, chance, sep)
			from, _ := split(e)
			fmt.Fprintf(&rules, "-A %s -m comment --comment %s -s %s -j KUBE-MARK-MASQ\n", sep, s.Key, from)
			fmt.Fprintf(&rules, "-A %s -m comment --comment %s -m tcp -p tcp -j DNAT --to-destination %s\n", sep, s.Key, e)
		}
	}
	fmt.Fprintln(&rules, `-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`)
	n.Run("*filter\n:KUBE-SERVICES - [0:0]\n"+filter.String()+"COMMIT\n*nat\n"+chains.String()+rules.String()+"COMMIT\n", "iptables-restore", "--noflush")
}

// IPTablesJumps are the rules that lead to kube-proxy's, written once.
func (n *Node) IPTablesJumps() {
	n.t.Helper()
	n.Run(`*filter
:KUBE-SERVICES - [0:0]
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
COMMIT
`, "iptables-restore", "--noflush")
}

// NFTables writes the rules as kube-proxy does in nftables mode, all at once.
func (n *Node) NFTables(services []Service) {
	n.t.Helper()
	var b, ips, none strings.Builder
	b.WriteString("add table ip kube-proxy\ndelete table ip kube-proxy\ntable ip kube-proxy {\n")
	for _, s := range services {
		ip, port := split(s.Address)
		owner, name, _ := strings.Cut(s.Key, ":")
		if len(s.Endpoints) == 0 {
			fmt.Fprintf(&none, "%s . tcp . %s comment \"%s\" : goto reject-chain,\n", ip, port, s.Key)
			continue
		}
		chain := fmt.Sprintf("service-%s-%s/tcp/%s", hash(s.Key)[:8], owner, name)
		fmt.Fprintf(&ips, "%s . tcp . %s : goto %s,\n", ip, port, chain)
		if len(s.Endpoints) == 1 {
			fmt.Fprintf(&b, "chain %s { meta l4proto tcp dnat to %s; }\n", chain, s.Endpoints[0])
			continue
		}
		var to []string
		for i, e := range s.Endpoints {
			to = append(to, fmt.Sprintf("%d : %s", i, strings.Replace(e, ":", " . ", 1)))
		}
		fmt.Fprintf(&b, "chain %s { meta l4proto tcp dnat ip addr . port to numgen random mod %d map { %s }; }\n", chain, len(to), strings.Join(to, ", "))
	}
	elements := func(text string) string {
		if text == "" {
			return ""
		}
		return "elements = { " + strings.TrimSuffix(text, ",\n") + " }"
	}
	fmt.Fprintf(&b, `chain reject-chain { reject; }
map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; %s }
map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; %s }
chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
chain nat-output { type nat hook output priority -100; jump services; }
chain filter-output { type filter hook output priority filter; ct state new jump service-endpoints-check; }
}
`, elements(ips.String()), elements(none.String()))
	n.Run(b.String(), "nft", "-f", "-")
}
