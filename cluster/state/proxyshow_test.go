package state

import (
	"maps"
	"slices"
)

// showProxy prints what is known of the rules of all nodes.
func showProxy(line func(string, ...any), w *World) {
	for _, name := range slices.Sorted(maps.Keys(w.Proxy.Nodes)) {
		n := w.Proxy.Nodes[name]
		line("proxy %s %s since %s stale=%s missed=%d %v", name, n.Mode, after(n.Since), after(n.Stale), n.Missed, n.Limits)
		if n.Idle() {
			line("  serves nothing")
		}
		if s := n.LastSync(); s != nil {
			line("  sync at %s of %s +%d -%d %v", after(s.At), after(s.Synced), s.Added, s.Removed, s.Changes)
		}
		for _, key := range slices.Sorted(maps.Keys(n.Services)) {
			s := n.Services[key]
			line("  %s at %s: %d endpoints, conns %d packets %d bytes %d entries %d at %s, rates %d", key, after(s.At), len(s.Endpoints),
				s.Count.Conns, s.Count.Packets, s.Count.Bytes, s.Count.Entries, after(s.CountAt), len(s.Rates))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.Proxy.Wanted)) {
		line("wanted %s %v since %s", key, w.Proxy.Wanted[key].Addresses, after(w.Proxy.Wanted[key].At))
	}
	for _, key := range slices.Sorted(maps.Keys(w.Kube.NetworkPolicies)) {
		line("not enforced: %s %v", key, w.Kube.NetworkPolicies[key].Types)
	}
	for _, t := range w.Proxy.Traces {
		line("trace at %s %s > %s %s %s", after(t.At), t.Client, t.Service, t.Verdict, t.Endpoint)
	}
}

func showTruth(line func(string, ...any), t Truth) {
	line("truth %s: pods %v, slices %v since %s, dead %v", t.Service, t.Pods, t.Slices, after(t.Since), t.Dead)
	for _, n := range t.Nodes {
		line("  %s has %v down=%t lost=%t behind=%t lacks %v, still has %v, caught up after %v", n.Node, n.Rules, n.Down, n.Lost, n.Behind(), n.Missing, n.Extra, n.Caught)
	}
}
