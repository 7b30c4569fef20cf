package screen

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Outlook is what Kubernetes knows of a node's health and what it will do next.
// Times to come are inferred from the controller's settings.
type Outlook struct {
	// LeaseAge is the time since the kubelet last renewed the node's lease;
	// HasLease is false where there is no lease.
	LeaseAge time.Duration
	HasLease bool
	// Overdue says that the lease is older than it should be.
	Overdue bool
	// NotReadyIn is the time until the lease is older than the grace period,
	// negative afterwards; it counts while Silent.
	NotReadyIn time.Duration
	Silent     bool
	// NotReadyFor is the time since the Ready condition ceased to be True.
	NotReadyFor time.Duration
	NotReady    bool
	// EvictIn is the time until the pods that tolerate the node's taint no
	// longer are evicted, negative afterwards; it counts while Evicting.
	EvictIn  time.Duration
	Evicting bool
	// Waiting is how many pods are bound to the node and not being deleted, not
	// counting those that stay (DaemonSets, static pods); Leaving is how many are.
	Waiting, Leaving int
}

// NodeOutlook works out the outlook of a node at now.
func NodeOutlook(w *state.World, now time.Time, name string) Outlook {
	var o Outlook
	kn, n := w.Kube.Nodes[name], w.Nodes[name]
	if lease := w.Kube.NodeLease(name); lease != nil && !lease.Renewed.IsZero() {
		o.HasLease, o.LeaseAge = true, max(now.Sub(lease.Renewed), 0)
		o.Overdue = o.LeaseAge > w.Topology.GracePeriod/2 && w.Topology.GracePeriod > 0
	}
	if kn == nil {
		return o
	}
	o.countPods(w, name)
	if kn.Ready == "True" {
		down := n != nil && n.State != event.NodeRunning && n.State != event.NodeStarting
		o.Silent = o.HasLease && w.Topology.GracePeriod > 0 && (down || o.Overdue)
		o.NotReadyIn = w.Topology.GracePeriod - o.LeaseAge
		return o
	}
	o.NotReady, o.NotReadyFor = true, now.Sub(kn.Since)
	for _, t := range kn.Taints {
		if t.Effect == "NoExecute" && !t.Added.IsZero() && strings.HasPrefix(t.Key, "node.kubernetes.io/") {
			o.EvictIn = t.Added.Add(w.Topology.EvictionDelay).Sub(now)
			o.Evicting = o.Waiting > 0
		}
	}
	return o
}

func (o *Outlook) countPods(w *state.World, name string) {
	for _, p := range w.Kube.Pods {
		if p.Node != name || strings.HasPrefix(p.Owner, "DaemonSet/") || strings.HasPrefix(p.Owner, "Node/") {
			continue
		}
		if p.Deleting.IsZero() {
			o.Waiting++
		} else {
			o.Leaving++
		}
	}
}

// Leased says that a fault is on whose lease runs out, which is shown in seconds.
func Leased(w *state.World) bool {
	return slices.ContainsFunc(w.Faults.Active, func(f *state.Fault) bool { return f.Lease > 0 })
}

// Moving says whether something counts up or down at now that no event would
// move on the screen: only then does the app tick.
func Moving(w *state.World, now time.Time) bool {
	if w.Phase == event.Booting || w.Phase == event.Stopping {
		return true
	}
	for name, n := range w.Nodes {
		o := NodeOutlook(w, now, name)
		if o.Silent || o.Evicting || n.State == event.NodeStarting {
			return true
		}
		for _, c := range n.Components {
			if c.State == event.ComponentStarted || (c.State == event.ComponentExited && c.Backoff > 0) {
				return true
			}
		}
	}
	for _, p := range w.Probes {
		if !p.Failing.IsZero() {
			return true
		}
	}
	return false
}
