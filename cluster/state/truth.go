package state

import (
	"maps"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Truth is what each place believes of a Service's endpoints: kubelets (pods
// ready), the API (EndpointSlices), and the rules on each node. Each follows the
// one before; a place that has not yet is behind.
type Truth struct {
	Service string
	// Selects says that the Service chooses pods; one without a selector has
	// endpoints that somebody else wrote.
	Selects bool
	// Pods are the IPs of chosen pods that are Ready, sorted.
	Pods []string
	// Slices are the IPs that EndpointSlices call ready, sorted, and since when.
	Slices []string
	Since  time.Time
	Nodes  []NodeTruth
	// Dead are ready endpoints, by any of these, on nodes that do not run.
	Dead []string
}

// NodeTruth is what the rules of one node say, compared with the slices.
type NodeTruth struct {
	Node string
	// Down says that the node does not run: nobody can look, and what is known is
	// of before.
	Down bool
	// Lost says that its rules cannot be read.
	Lost bool
	// Idle says that kube-proxy, which carries connections itself, does not run:
	// what it had is served no more.
	Idle bool
	// Rules are the IPs its rules send connections to, sorted.
	Rules []string
	// Missing and Extra are what they lack, and what they should not have.
	Missing, Extra []string
	// Caught is how long after the slices its rules came to agree; 0 when that is
	// not known. It includes the time until the rules were read, at most 250 ms.
	Caught time.Duration
}

// Behind says that a running node's rules are not what the slices want.
func (n *NodeTruth) Behind() bool {
	return !n.Down && !n.Lost && !n.Idle && len(n.Missing)+len(n.Extra) > 0
}

// Truth compares what all places believe of a Service, namespace/name.
func (w *World) Truth(service string) Truth {
	t := Truth{Service: service}
	namespace, _, _ := strings.Cut(service, "/")
	if s := w.Kube.Services[service]; s != nil && len(s.Selector) > 0 {
		t.Selects = true
		for _, p := range w.Kube.Pods {
			if p.Namespace == namespace && p.Ready && p.Deleting.IsZero() && p.IP != "" && selects(s.Selector, p.Labels) {
				t.Pods = append(t.Pods, p.IP)
			}
		}
		slices.Sort(t.Pods)
	}
	if wanted := w.Proxy.Wanted[service]; wanted != nil {
		t.Slices, t.Since = wanted.Addresses, wanted.At
	}
	for _, top := range w.Topology.Nodes {
		if n := w.Proxy.Nodes[top.Name]; n != nil {
			t.Nodes = append(t.Nodes, w.nodeTruth(n, &t))
		}
	}
	all := map[string]bool{}
	for _, ip := range slices.Concat(t.Pods, t.Slices) {
		all[ip] = true
	}
	for _, n := range t.Nodes {
		for _, ip := range n.Rules {
			all[ip] = all[ip] || !n.Down
		}
	}
	for _, ip := range slices.Sorted(maps.Keys(all)) {
		if p := w.PodAt(ip); all[ip] && p != nil && w.NodeDown(p.Node) {
			t.Dead = append(t.Dead, ip)
		}
	}
	return t
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

func (w *World) nodeTruth(n *ProxyNode, t *Truth) NodeTruth {
	out := NodeTruth{Node: n.Node, Down: w.NodeDown(n.Node)}
	_, out.Lost = w.Lost["proxy/"+n.Node]
	out.Idle = n.Idle()
	have := map[string]bool{}
	localOnly, known, changed := true, false, time.Time{}
	for _, s := range n.Services {
		if s.Owner() != t.Service {
			continue
		}
		known = true
		for _, e := range s.Endpoints {
			ip, _, _ := strings.Cut(e.Address, ":")
			have[ip] = true
		}
		for _, f := range s.Frontends {
			localOnly = localOnly && f.Policy == "local"
		}
		if s.At.After(changed) {
			changed = s.At
		}
	}
	out.Rules = slices.Sorted(maps.Keys(have))
	wanted := t.Slices
	if known && localOnly {
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(ip string) bool {
			p := w.PodAt(ip)
			return p != nil && p.Node != n.Node
		})
	}
	for _, ip := range wanted {
		if !have[ip] {
			out.Missing = append(out.Missing, ip)
		}
	}
	for _, ip := range out.Rules {
		if !slices.Contains(wanted, ip) {
			out.Extra = append(out.Extra, ip)
		}
	}
	if !out.Behind() && changed.After(t.Since) && !t.Since.IsZero() {
		out.Caught = changed.Sub(t.Since)
	}
	return out
}

// PodAt is the pod with an IP of its own, or nil. Of several, as pods that ended
// keep theirs, it is one that is not over.
func (w *World) PodAt(ip string) *event.KubePod {
	var found *event.KubePod
	for _, p := range w.Kube.Pods {
		if p.IP != ip || ip == "" {
			continue
		}
		if found == nil || found.Over() && !p.Over() || found.Over() == p.Over() && p.Key() < found.Key() {
			found = p
		}
	}
	return found
}

// NodeDown says that a node of the lab does not run; false for others.
func (w *World) NodeDown(name string) bool {
	n := w.Nodes[name]
	return n != nil && (n.State == event.NodeKilled || n.State == event.NodeStopped)
}
