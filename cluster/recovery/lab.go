package recovery

import (
	"slices"
	"strings"

	"workbench/cluster/event"
)

// Lab is what the reducer asks of the lab as it is after an event. Maps are by
// object key and are only read.
type Lab struct {
	Topology *event.LabTopology
	Pods     map[string]*event.KubePod
	Slices   map[string]*event.KubeEndpointSlice
	// Leader is the node whose etcd leads, "" when none is known to; Term and
	// Commit are the highest of any member.
	Leader       string
	Term, Commit uint64
	// Node and Lease are objects of the API, or nil; Leaders are the leases of
	// leaders in kube-system, by name.
	Node    func(name string) *event.KubeNode
	Lease   func(key string) *event.KubeLease
	Leaders func() []*event.KubeLease
	// Rules are what the rules of each node say of a Service, namespace/name, in
	// the order of the lab: of nodes that run and whose rules are read.
	Rules func(service string) []Rules
}

// Rules are the endpoints that one node's rules send connections to.
type Rules struct {
	Node string
	IPs  []string
	// Behind says that they are not what the EndpointSlices want.
	Behind bool
}

// node is the planned node of that name; the zero value for others.
func (l *Lab) node(name string) event.TopologyNode {
	if l.Topology == nil {
		return event.TopologyNode{}
	}
	for _, n := range l.Topology.Nodes {
		if n.Name == name {
			return n
		}
	}
	return event.TopologyNode{}
}

// with are the names of the nodes that have a component, in the order of the lab.
func (l *Lab) with(component string) []string {
	var out []string
	if l.Topology == nil {
		return nil
	}
	for _, n := range l.Topology.Nodes {
		if slices.Contains(n.Components, component) {
			out = append(out, n.Name)
		}
	}
	return out
}

// holderNode is the node of the one who holds a leader's lease: identities are
// the node's name, an underscore, and something unique.
func holderNode(holder string) string {
	node, _, _ := strings.Cut(holder, "_")
	return node
}

// endpoints are those of a Service in all its slices.
func (l *Lab) endpoints(service string) []event.KubeEndpoint {
	var out []event.KubeEndpoint
	for _, s := range l.Slices {
		if s.Namespace+"/"+s.Service == service {
			out = append(out, s.Endpoints...)
		}
	}
	return out
}

// workload names what a pod belongs to so that its replacement has the same
// name: the Deployment of a ReplicaSet (its name without the template's hash),
// else the controller; "" when nobody replaces it.
func workload(p *event.KubePod) string {
	kind, name, ok := strings.Cut(p.Owner, "/")
	if !ok || kind == "Node" || kind == "DaemonSet" {
		return ""
	}
	if hash := p.Labels["pod-template-hash"]; kind == "ReplicaSet" && hash != "" && strings.HasSuffix(name, "-"+hash) {
		kind, name = "Deployment", strings.TrimSuffix(name, "-"+hash)
	}
	return kind + " " + p.Namespace + "/" + name
}

// evictable says that the pod can be evicted: those of DaemonSets and static pods
// stay.
func evictable(p *event.KubePod) bool {
	kind, _, _ := strings.Cut(p.Owner, "/")
	return kind != "DaemonSet" && kind != "Node" && p.Deleting.IsZero() && !p.Over()
}
