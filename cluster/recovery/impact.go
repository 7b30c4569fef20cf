package recovery

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Work is what a report needs while it is followed.
type Work struct {
	// Dead are nodes that do nothing any more or cannot be reached; Silent those
	// whose kubelet the API hears no more.
	Dead   []string `json:"dead,omitempty"`
	Silent []string `json:"silent,omitempty"`
	// Members are etcd members that are down or cut off.
	Members []string `json:"members,omitempty"`
	// Leader is who led before, in Term; Lost says that it is one of Members.
	Leader string `json:"leader,omitempty"`
	Term   uint64 `json:"term,omitempty"`
	Lost   bool   `json:"lost,omitempty"`
	// Held are leases of leaders that cannot renew them.
	Held []Held `json:"held,omitempty"`
	// Pods that are lost, and pods that were just made and so are no replacements.
	Pods  []Pod    `json:"pods,omitempty"`
	Known []string `json:"known,omitempty"`
	// Services that lose endpoints.
	Services []Service `json:"services,omitempty"`
	// Up are the components, NODE/NAME, that have to come back.
	Up []string `json:"up,omitempty"`
	// Commit is what etcd had committed when the fault was undone.
	Commit uint64 `json:"commit,omitempty"`
	// Seen are the keys of what was seen, by hop.
	Seen map[string][]string `json:"seen,omitempty"`
	// Failing are the targets whose last probe failed, sorted.
	Failing []string `json:"failing,omitempty"`
	// Touched is when anything of it last happened.
	Touched time.Time `json:"touched,omitzero"`
	// Links, nodes, components and pods that the fault is about.
	Links      []event.FaultLink `json:"links,omitempty"`
	Nodes      []string          `json:"nodes,omitempty"`
	Components []string          `json:"components,omitempty"`
	OwnPods    []string          `json:"ownPods,omitempty"`
}

// Held is a leader's lease.
type Held struct {
	Name   string `json:"name"`
	Holder string `json:"holder"`
	Node   string `json:"node"`
	// Expires is when it runs out unless it is renewed.
	Expires time.Time `json:"expires"`
}

// Pod is a pod that is lost.
type Pod struct {
	Key string `json:"key"`
	UID string `json:"uid"`
	// Workload that replaces it, or "".
	Workload string `json:"workload,omitempty"`
	Restarts int32  `json:"restarts,omitempty"`
}

// Service loses endpoints.
type Service struct {
	Key string `json:"key"`
	// Dead are the addresses lost, Want is how many are ready again in the end.
	Dead []string `json:"dead"`
	Want int      `json:"want"`
	// From are the workloads whose pods it lost.
	From []string `json:"from,omitempty"`
	// Forsaken says that one of these is deleted: it is not whole again.
	Forsaken bool `json:"forsaken,omitempty"`
	// Ruled says that nodes had rules for it.
	Ruled bool `json:"ruled,omitempty"`
}

// Words of the grammar of faults that this package knows the effect of.
const (
	kill, stop, freeze, crashLoop = "kill", "stop", "freeze", "crashloop"
	cut, partition, loss          = "cut", "partition", "loss"
	cordon, drain                 = "cordon", "drain"
	diskFull                      = "disk-full"
	loseDisk, corrupt             = "etcd-lose-disk", "etcd-corrupt"
	certExpire                    = "cert-expire"
)

// ends says that what the kind is about does nothing any more, or that nobody it
// speaks to believes it any more.
func ends(kind string) bool {
	return slices.Contains([]string{kill, stop, freeze, crashLoop, loseDisk, corrupt, certExpire}, kind)
}

// impact is what a fault takes from the lab as it is.
func impact(f event.FaultInjected, at time.Time, lab *Lab) *Work {
	w := &Work{
		Leader: lab.Leader, Term: lab.Term, Seen: map[string][]string{}, Links: f.Links, Nodes: f.Nodes,
		Components: f.Components, OwnPods: f.Pods, Touched: at,
	}
	hit := func(name, component string) bool {
		return ends(f.Kind) && slices.Contains(f.Components, name+"/"+component)
	}
	if ends(f.Kind) {
		w.Dead = slices.Clone(f.Nodes)
	}
	net := newNetwork(f)
	planes := lab.with("kube-apiserver")
	for _, name := range lab.with("kubelet") {
		apart := !slices.Contains(planes, name) && len(planes) > 0 && !slices.ContainsFunc(planes, func(p string) bool { return net.joined(name, p) })
		if slices.Contains(w.Dead, name) || apart || hit(name, "kubelet") || hit(name, "containerd") {
			w.Silent = append(w.Silent, name)
		}
	}
	w.raft(lab, net, hit)
	w.leases(lab, hit)
	w.pods(f, at, lab)
	w.services(f, lab, hit)
	return w
}

// raft finds the members that are lost: down, or apart from the majority.
func (w *Work) raft(lab *Lab, net network, hit func(name, component string) bool) {
	members := lab.with("etcd")
	up := func(name string) bool { return !slices.Contains(w.Dead, name) && !hit(name, "etcd") }
	reach := func(from string) int {
		n := 0
		for _, m := range members {
			if up(m) && net.joined(from, m) {
				n++
			}
		}
		return n
	}
	for _, m := range members {
		if !up(m) || reach(m) <= len(members)/2 {
			w.Members = append(w.Members, m)
		}
	}
	w.Lost = slices.Contains(w.Members, w.Leader)
}

// leases finds the leaders that cannot renew: they end with their process, their
// node, or with the API server and the etcd member beside them.
func (w *Work) leases(lab *Lab, hit func(name, component string) bool) {
	for _, l := range lab.Leaders() {
		node := holderNode(l.Holder)
		gone := slices.Contains(w.Dead, node) || slices.Contains(w.Members, node) || hit(node, "kube-apiserver") || hit(node, l.Name)
		if gone && node != "" {
			w.Held = append(w.Held, Held{Name: l.Name, Holder: l.Holder, Node: node, Expires: expiry(l)})
		}
	}
}

func expiry(l *event.KubeLease) time.Time {
	return l.Renewed.Add(time.Duration(l.Seconds) * time.Second)
}

// pods finds those that will be evicted, or that the fault is about.
func (w *Work) pods(f event.FaultInjected, at time.Time, lab *Lab) {
	concerned := map[string]bool{}
	for _, key := range sorted(lab.Pods) {
		p := lab.Pods[key]
		away := evictable(p) && (slices.Contains(w.Silent, p.Node) && !p.Stays || f.Kind == drain && slices.Contains(f.Nodes, p.Node))
		if own := slices.Contains(f.Pods, key); !away && !own {
			continue
		}
		one := Pod{Key: key, UID: p.UID, Restarts: restarts(p)}
		if away {
			one.Workload = workload(p)
			concerned[one.Workload] = true
		}
		w.Pods = append(w.Pods, one)
	}
	for _, key := range sorted(lab.Pods) {
		// Creation times are whole seconds: those made in the second of the fault
		// cannot be told from replacements by it.
		if p := lab.Pods[key]; concerned[workload(p)] && !p.Created.Before(at.Add(-slack)) {
			w.Known = append(w.Known, p.UID)
		}
	}
}

func restarts(p *event.KubePod) int32 {
	var n int32
	for _, c := range p.Containers {
		n += c.Restarts
	}
	return n
}

// services finds those with ready endpoints on what is lost.
func (w *Work) services(f event.FaultInjected, lab *Lab, hit func(name, component string) bool) {
	gone := map[string]bool{} // addresses of API servers that end
	for _, name := range lab.with("kube-apiserver") {
		// One with an expired certificate renews its lease all the same.
		if slices.Contains(w.Dead, name) || hit(name, "kube-apiserver") && f.Kind != certExpire {
			gone[lab.node(name).IP] = true
		}
	}
	pods, replaced := map[string]string{}, map[string]bool{}
	for _, p := range w.Pods {
		pods[p.Key] = p.Workload
		replaced[p.Key] = p.Workload != "" || slices.Contains(f.Pods, p.Key)
	}
	found := map[string]bool{}
	for _, key := range sorted(lab.Slices) {
		found[lab.Slices[key].Namespace+"/"+lab.Slices[key].Service] = true
	}
	for _, key := range sorted(found) {
		s := Service{Key: key}
		for _, e := range lab.endpoints(key) {
			pod := ""
			if e.Pod != "" {
				pod, _, _ = strings.Cut(key, "/")
				pod += "/" + e.Pod
			}
			from, away := pods[pod]
			lost := slices.Contains(w.Silent, e.Node) || gone[e.Address] || away
			switch {
			case !e.Ready:
			case lost:
				s.Dead = append(s.Dead, e.Address)
				if from != "" && !slices.Contains(s.From, from) {
					s.From = append(s.From, from)
				}
				if replaced[pod] {
					s.Want++
				}
			default:
				s.Want++
			}
		}
		if len(s.Dead) == 0 {
			continue
		}
		slices.Sort(s.Dead)
		s.Dead = slices.Compact(s.Dead)
		s.Ruled = slices.ContainsFunc(lab.Rules(key), func(r Rules) bool { return len(r.IPs) > 0 })
		w.Services = append(w.Services, s)
	}
}

// network is which nodes a fault keeps apart.
type network struct{ apart map[event.FaultLink]bool }

func newNetwork(f event.FaultInjected) network {
	n := network{map[event.FaultLink]bool{}}
	if f.Kind == cut || f.Kind == partition || f.Kind == loss && f.Loss >= 1 {
		for _, l := range f.Links {
			n.apart[l] = true
		}
	}
	return n
}

// joined says that connections between two nodes work: packets pass both ways.
func (n network) joined(a, b string) bool {
	return a == b || !n.apart[event.FaultLink{From: a, To: b}] && !n.apart[event.FaultLink{From: b, To: a}]
}
