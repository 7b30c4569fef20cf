package fault

import (
	"fmt"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Dangers says what one more fault would cost the whole cluster, in sentences:
// the quorum of etcd, the last worker. What is lost already is not said again.
func Dangers(w *state.World, more event.FaultInjected) []string {
	var now []event.FaultInjected
	for _, f := range w.Faults.Active {
		now = append(now, f.FaultInjected)
	}
	before, after := survey(w, Render(now)), survey(w, Render(append(slices.Clone(now), more)))
	var out []string
	if before.members >= before.quorum && after.members < after.quorum {
		out = append(out, fmt.Sprintf("etcd loses its quorum: of %s only %d could still reach each other, %d are needed; nothing can be written to the cluster until it is healed",
			plural(after.voters, "member"), after.members, after.quorum))
	}
	if more.Kind == EtcdLoseDisk || more.Kind == EtcdCorrupt {
		if after.intact < after.quorum {
			out = append(out, fmt.Sprintf("only %d of %s would keep its data, and %d are needed to replace the others: healing cannot bring the cluster back, only a snapshot can (workbench etcd snapshot save FILE before, etcd restore FILE after)",
				after.intact, plural(after.voters, "member"), after.quorum))
		}
	}
	if before.apis > 0 && after.apis == 0 {
		out = append(out, "no kube-apiserver is left: kubectl, controllers and kubelets get no answer until it is healed")
	}
	if before.workers > 0 && after.workers == 0 {
		out = append(out, "no worker is left: every pod stops, or cannot be reached by the control plane, until it is healed")
	} else if before.schedulable > 0 && after.schedulable == 0 {
		out = append(out, "no worker takes new pods any more: what is evicted has nowhere to go")
	}
	return out
}

// capacity is what of the cluster works.
type capacity struct {
	voters, quorum, members int // of etcd; members reach each other
	intact                  int // members whose data is whole, up or down
	apis                    int
	workers, schedulable    int // workers that reach a control plane
}

func survey(w *state.World, d Desired) capacity {
	var c capacity
	var members, controls, workers []string
	for _, n := range w.Topology.Nodes {
		up := nodeWorks(w, d, n.Name)
		if n.Role == event.Worker {
			if up {
				workers = append(workers, n.Name)
			}
			continue
		}
		if up {
			controls = append(controls, n.Name)
		}
		if slices.Contains(n.Components, "etcd") {
			c.voters++
			if d.Component(n.Name+"/etcd").Disk == "" {
				c.intact++
			}
			if up && works(w, d, n.Name, "etcd") {
				members = append(members, n.Name)
			}
		}
		if up && works(w, d, n.Name, "kube-apiserver") {
			c.apis++
		}
	}
	c.quorum = c.voters/2 + 1
	for _, m := range members {
		c.members = max(c.members, reach(d, m, members))
	}
	for _, name := range workers {
		if reach(d, name, controls) == 1 && len(controls) > 0 {
			continue // it reaches nobody but itself
		}
		c.workers++
		kube := w.Kube.Nodes[name]
		if want := d.Node(name); !want.Cordoned && !want.DiskFull && (kube == nil || !kube.Unschedulable) {
			c.schedulable++
		}
	}
	return c
}

// reach is how many of others a node reaches both ways, itself included.
func reach(d Desired, from string, others []string) int {
	n := 1
	for _, to := range others {
		if to != from && passes(d.Link(from, to)) && passes(d.Link(to, from)) {
			n++
		}
	}
	return n
}

// passes says that a link carries enough for a connection.
func passes(l event.LinkCondition) bool { return !l.Cut && l.Loss < 0.9 }

func nodeWorks(w *state.World, d Desired, name string) bool {
	n := w.Nodes[name]
	want := d.Node(name)
	return n != nil && n.State == event.NodeRunning && want.Down == "" && !want.Frozen
}

func works(w *state.World, d Desired, node, component string) bool {
	c := w.Nodes[node].Components[component]
	if c == nil {
		return false
	}
	switch c.State {
	case event.ComponentStopped, event.ComponentPaused:
		return false
	}
	want := d.Component(node + "/" + component)
	return !want.Down && !want.Frozen && !want.Crash && !want.Expired && want.Disk == ""
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Consequence says in a sentence what a fault does, naming its targets.
func Consequence(f event.FaultInjected) string {
	kind, _ := KindOf(f.Kind)
	return About(f) + ": " + kind.Text
}

// About names what a fault is about: nodes, components, pods, or links.
func About(f event.FaultInjected) string {
	targets := slices.Concat(f.Nodes, f.Components, f.Pods)
	if len(f.Images) > 0 {
		targets = []string{strings.Join(f.Images, ", ") + " on " + strings.Join(f.Nodes, ", ")}
	}
	if len(f.Links) > 0 {
		targets = append(targets, linkNames(f.Links)...)
	}
	const most = 6
	if len(targets) > most {
		return strings.Join(targets[:most], ", ") + fmt.Sprintf(" and %d more", len(targets)-most)
	}
	return strings.Join(targets, ", ")
}

// linkNames are links in short: c1-c2 for both directions, c1->c2 for one.
func linkNames(links []event.FaultLink) []string {
	var out []string
	for _, l := range links {
		back := event.FaultLink{From: l.To, To: l.From}
		switch {
		case !slices.Contains(links, back):
			out = append(out, l.From+"->"+l.To)
		case l.From < l.To:
			out = append(out, l.From+"-"+l.To)
		}
	}
	return out
}

// RunsOf is where the pods of a world run, and their images.
func RunsOf(w *state.World) map[string]Run {
	out := map[string]Run{}
	for key, pod := range w.Kube.Pods {
		if pod.Node == "" {
			continue
		}
		run := Run{Node: pod.Node}
		for _, c := range pod.Containers {
			run.Images = append(run.Images, c.Image)
		}
		out[key] = run
	}
	return out
}
