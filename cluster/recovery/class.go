package recovery

import (
	"slices"
	"strconv"
	"strings"

	"workbench/cluster/event"
)

// class is the verb and the kind of target, such as "kill worker", "freeze etcd
// (leader)" or "cut worker~3 × control plane".
func class(f event.FaultInjected, lab *Lab) string {
	var what []string
	for _, n := range f.Nodes {
		what = append(what, lab.kind(n))
	}
	for _, key := range f.Components {
		name, component, _ := strings.Cut(key, "/")
		if lab.leads(component, name) {
			component += " (leader)"
		}
		what = append(what, component)
	}
	for range f.Pods {
		what = append(what, "pod")
	}
	parts := numbered(what)
	if links := lab.linkClass(f.Links); links != "" {
		parts = append(parts, links)
	}
	return f.Kind + " " + strings.Join(parts, ", ")
}

// kind is what a node is: an etcd leader's is told from other control planes.
func (l *Lab) kind(name string) string {
	if l.leads("etcd", name) {
		return "Raft leader's node"
	}
	return l.role(name)
}

func (l *Lab) role(name string) string {
	switch {
	case name == event.Outside, name == event.AnyNode:
		return name
	case l.node(name).Role == event.Worker:
		return "worker"
	}
	return "control plane"
}

// leads says that the component of a node leads the others of its kind.
func (l *Lab) leads(component, node string) bool {
	if component == "etcd" {
		return node != "" && node == l.Leader
	}
	return slices.ContainsFunc(l.Leaders(), func(lease *event.KubeLease) bool {
		return lease.Name == component && holderNode(lease.Holder) == node
	})
}

// linkClass tells links by the kinds of their ends: where one node is an end of
// all of them, by that and by the roles of its peers. ~ stands for both ways.
func (l *Lab) linkClass(links []event.FaultLink) string {
	var pairs []event.FaultLink // those of both ways once
	for _, one := range links {
		if back := (event.FaultLink{From: one.To, To: one.From}); one.From < one.To || !slices.Contains(links, back) {
			pairs = append(pairs, one)
		}
	}
	if len(pairs) == 0 {
		return ""
	}
	for _, hub := range []string{pairs[0].From, pairs[0].To} {
		var peers []string
		for _, p := range pairs {
			switch hub {
			case p.From:
				peers = append(peers, l.role(p.To))
			case p.To:
				peers = append(peers, l.role(p.From))
			}
		}
		if len(pairs) > 1 && len(peers) == len(pairs) {
			way := "~"
			if len(links) == len(pairs) {
				way = ">" // one way, whichever
			}
			return l.kind(hub) + way + strings.Join(numbered(peers), ", ")
		}
	}
	var what []string
	for _, p := range pairs {
		a, b, way := l.kind(p.From), l.kind(p.To), ">"
		if slices.Contains(links, event.FaultLink{From: p.To, To: p.From}) {
			a, b, way = min(a, b), max(a, b), "~"
		}
		what = append(what, a+way+b)
	}
	return strings.Join(numbered(what), ", ")
}

// numbered sorts words and says how many there are of each.
func numbered(words []string) []string {
	slices.Sort(words)
	var out []string
	for i := 0; i < len(words); {
		n := i
		for n < len(words) && words[n] == words[i] {
			n++
		}
		if n-i > 1 {
			out = append(out, strconv.Itoa(n-i)+" × "+words[i])
		} else {
			out = append(out, words[i])
		}
		i = n
	}
	return out
}
