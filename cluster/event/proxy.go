package event

import "time"

func init() {
	register[ProxyNode]()
	register[ProxySync]()
	register[ProxyService]()
	register[ProxyCounters]()
	register[ProxyTrace]()
}

// ProxyUserspace is the Mode of a kube-proxy that carries connections itself.
const ProxyUserspace = "userspace"

// ProxyNode says that the rules of a node are being read from now on: what was
// known of them is void, and everything is told anew.
type ProxyNode struct {
	Node string `json:"node"`
	// Mode is how kube-proxy writes its rules: iptables or nftables; or userspace,
	// which has none that the kernel knows: then kube-proxy itself tells all.
	Mode string `json:"mode"`
	// Tool is the program that lists them, with its version.
	Tool string `json:"tool,omitempty"`
	// Tracked says that connections are counted by the kernel's conntrack events.
	Tracked bool `json:"tracked"`
	// Accounted says that conntrack counts packets and bytes of connections.
	Accounted bool `json:"accounted"`
	// RejectsUncounted says that refused packets cannot be counted on the node;
	// Limits says why.
	RejectsUncounted bool `json:"rejectsUncounted,omitempty"`
	// Limits are what cannot be observed on this node and why, in words.
	Limits []string `json:"limits,omitempty"`
}

// ProxySync says that kube-proxy wrote rules on a node.
type ProxySync struct {
	Node string `json:"node"`
	// Synced is when kube-proxy ended its last sync of IPv4 rules, from its own
	// /healthz; zero when it did not answer.
	Synced time.Time `json:"synced,omitzero"`
	// Healthy is kube-proxy's own opinion: no queued change waits for too long.
	Healthy bool `json:"healthy"`
	// Generation is the kernel's number of the ruleset, which grows with every
	// transaction of anyone; 0 where the kernel has none (legacy iptables).
	Generation uint32 `json:"generation,omitempty"`
	// Rules is how many rules and map elements there are in kube-proxy's tables.
	Rules int `json:"rules"`
	// Added and Removed count rules that differ from the last reading.
	Added   int `json:"added"`
	Removed int `json:"removed"`
	// Changes are some of those rules after + or -, with their comment in front.
	Changes []string `json:"changes,omitempty"`
	// Read is how long the tool took to list the rules.
	Read time.Duration `json:"read"`
}

// ProxyFrontend is an address at which a service port is reached.
type ProxyFrontend struct {
	// Kind is cluster, node (NodePort), external or loadbalancer.
	Kind string `json:"kind"`
	// IP is empty for a node port, which holds on the node's own addresses.
	IP   string `json:"ip,omitempty"`
	Port int    `json:"port"`
	// Policy is which endpoints it is spread over: cluster (all) or local (those
	// on the node).
	Policy string `json:"policy"`
	// Problem is why nothing listens there in userspace mode although there are
	// endpoints; "" for none.
	Problem string `json:"problem,omitempty"`
}

// ProxyEndpoint is one endpoint that rules send connections to.
type ProxyEndpoint struct {
	Address string `json:"address"` // IP:port
	// Cluster and Local are the probabilities, 0 to 1, that a new connection is
	// sent there under each traffic policy; 0 where its rules have no such
	// endpoint.
	Cluster float64 `json:"cluster,omitempty"`
	Local   float64 `json:"local,omitempty"`
}

// ProxyService is one port of one Service as a node's rules have it.
type ProxyService struct {
	Node string `json:"node"`
	// Key is namespace/name:port as kube-proxy names it; the port's name may be
	// missing.
	Key      string `json:"key"`
	Protocol string `json:"protocol"` // tcp, udp, sctp
	// Chain is where the rules choose an endpoint; "" when there is none to choose.
	Chain     string          `json:"chain,omitempty"`
	Frontends []ProxyFrontend `json:"frontends,omitempty"`
	Endpoints []ProxyEndpoint `json:"endpoints,omitempty"`
	// Affinity is how long a client stays with its endpoint, in seconds; 0 is not.
	Affinity int `json:"affinity,omitempty"`
	// Refused is what happens to connections where there is no endpoint for them:
	// reject, drop, or "".
	Refused string `json:"refused,omitempty"`
	// Masquerade are the cases in which the client's address is replaced by the
	// node's, in words.
	Masquerade []string `json:"masquerade,omitempty"`
	Rules      int      `json:"rules"` // that serve it
	// Gone says that the node has no rule for it any more.
	Gone bool `json:"gone,omitempty"`
}

// ProxyEndpointCount is what went to one endpoint. See ProxyCount.
type ProxyEndpointCount struct {
	Conns   uint64 `json:"conns,omitempty"`
	Hits    uint64 `json:"hits,omitempty"`
	Packets uint64 `json:"packets,omitempty"`
	Bytes   uint64 `json:"bytes,omitempty"`
	// Unanswered and Silent as in ProxyCount.
	Unanswered uint64 `json:"unanswered,omitempty"`
	Entries    int    `json:"entries,omitempty"`
	Silent     int    `json:"silent,omitempty"`
}

// ProxyCount is what one node sent to one service port since its rules are
// read. Totals never shrink, also when kube-proxy writes its rules anew.
type ProxyCount struct {
	// Conns are connections that conntrack saw begin.
	Conns uint64 `json:"conns,omitempty"`
	// Hits are packets that the service's rules matched: the first of each
	// connection. Iptables only; nftables rules of kube-proxy have no counters.
	Hits uint64 `json:"hits,omitempty"`
	// Packets and Bytes are of both directions, where conntrack accounts for them.
	Packets uint64 `json:"packets,omitempty"`
	Bytes   uint64 `json:"bytes,omitempty"`
	// Masqueraded are connections whose client address was replaced.
	Masqueraded uint64 `json:"masqueraded,omitempty"`
	// Rejected are packets that met the rule for a service without endpoints: its
	// counter in iptables mode, in nftables mode that of a rule of the workbench's
	// own for the same address.
	Rejected uint64 `json:"rejected,omitempty"`
	// Unanswered are connections that ended without any answer.
	Unanswered uint64 `json:"unanswered,omitempty"`
	// Entries are conntrack entries now; Silent are those without an answer yet.
	Entries int `json:"entries,omitempty"`
	Silent  int `json:"silent,omitempty"`
	// Endpoints by IP:port, also such that no rule names any more.
	Endpoints map[string]ProxyEndpointCount `json:"endpoints,omitempty"`
}

// ProxyCounters are the totals of those service ports of a node that changed.
type ProxyCounters struct {
	Node     string                `json:"node"`
	Services map[string]ProxyCount `json:"services"`
	// Missed is how often the kernel had more conntrack events than could be
	// taken: then totals are too small.
	Missed uint64 `json:"missed,omitempty"`
}

// ProxyStep is one rule that a traced packet met.
type ProxyStep struct {
	Node  string `json:"node"`
	Table string `json:"table"`
	Chain string `json:"chain"`
	// Kind is rule, return or policy.
	Kind string `json:"kind"`
	// Rule is the rule as the tool prints it; Meaning says it in words.
	Rule    string `json:"rule,omitempty"`
	Meaning string `json:"meaning,omitempty"`
	// Verdict is what the kernel did: continue, jump X, goto X, accept, drop, ...
	Verdict string `json:"verdict"`
	// Packet is where the packet went at that moment: source > destination.
	Packet string `json:"packet,omitempty"`
	// In and Out are the interfaces, where they are known.
	In  string `json:"in,omitempty"`
	Out string `json:"out,omitempty"`
}

// ProxyTrace is one real connection and what became of it.
type ProxyTrace struct {
	// Client is the pod as namespace/name, or a node.
	Client string `json:"client"`
	Node   string `json:"node"` // of the client
	Mode   string `json:"mode"`
	// Service is the service port that was meant; Target its address.
	Service string `json:"service"`
	Source  string `json:"source"`
	Target  string `json:"target"`
	// Verdict is reply, refused, no reply, unreachable or failed.
	Verdict string `json:"verdict"`
	Detail  string `json:"detail,omitempty"`
	// Endpoint is where conntrack says that the connection was sent; Pod and
	// PodNode are whose address that is.
	Endpoint string `json:"endpoint,omitempty"`
	Pod      string `json:"pod,omitempty"`
	PodNode  string `json:"podNode,omitempty"`
	// Masqueraded is the address that the endpoint saw in place of the client's.
	Masqueraded string `json:"masqueraded,omitempty"`
	// Latency is from connect to its outcome.
	Latency time.Duration `json:"latency"`
	Steps   []ProxyStep   `json:"steps,omitempty"`
	// Limits are what could not be observed and why.
	Limits []string `json:"limits,omitempty"`
}

// Type implements Body.
func (ProxyNode) Type() string { return "proxy.node" }

// Type implements Body.
func (ProxySync) Type() string { return "proxy.sync" }

// Type implements Body.
func (ProxyService) Type() string { return "proxy.service" }

// Type implements Body.
func (ProxyCounters) Type() string { return "proxy.counters" }

// Type implements Body.
func (ProxyTrace) Type() string { return "proxy.trace" }

func (ProxyNode) sealed()     {}
func (ProxySync) sealed()     {}
func (ProxyService) sealed()  {}
func (ProxyCounters) sealed() {}
func (ProxyTrace) sealed()    {}
