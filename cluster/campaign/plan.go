// Package campaign runs many random faults on a lab while what is written to it
// is checked: every fault must land, the lab must converge after each, and
// nothing that was acknowledged may be lost.
//
//	seed, topology --Generator--> groups of faults within the blast radius (pure)
//	group: inject, verify, hold, heal --> converge --> Checker.Verify --> next, or the first violation
package campaign

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

// Planned is one fault of a campaign.
type Planned struct {
	// Text is the fault in the grammar of package fault.
	Text string
	// Hold is how long it stays after it has landed.
	Hold time.Duration
	// Node is the one that it is held against: what may still be taken down
	// beside it follows from that.
	Node string
}

// Kinds are the kinds of faults that campaigns draw from.
func Kinds() []string {
	return []string{fault.Kill, fault.Freeze, fault.Stop, fault.CrashLoop, fault.Cut, fault.Partition, fault.Delay, fault.Loss, fault.Squeeze, fault.Cordon}
}

// Slow are kinds that campaigns draw from when they are asked for: each takes half
// a minute and more to land and to converge.
func Slow() []string { return []string{fault.CertExpire, fault.DiskFull} }

// Generator draws groups of faults. The same topology, seed, kinds and overlap
// give the same groups. It is not safe for concurrent use.
type Generator struct {
	nodes   []event.TopologyNode
	random  *rand.Rand
	kinds   []string
	overlap int
}

// NewGenerator draws faults of some kinds, at most overlap at the same time.
func NewGenerator(nodes []event.TopologyNode, seed uint64, kinds []string, overlap int) (*Generator, error) {
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	all := append(Kinds(), Slow()...)
	for _, k := range kinds {
		if !slices.Contains(all, k) {
			return nil, fmt.Errorf("no kind %q for campaigns; there are %s", k, strings.Join(all, ", "))
		}
	}
	if overlap < 1 {
		return nil, fmt.Errorf("an overlap of %d: want 1 or more faults at a time", overlap)
	}
	g := &Generator{nodes: nodes, random: rand.New(rand.NewPCG(seed, 0)), kinds: kinds, overlap: overlap}
	if planes, workers := g.limits(); planes < 1 && workers < 1 {
		return nil, fmt.Errorf("a lab of %d nodes has nothing to spare: a campaign keeps the quorum of etcd and one worker, so it needs 3 control planes or 2 workers", len(nodes))
	}
	return g, nil
}

// limits are how many control planes and workers may be hit at the same time: the
// quorum of etcd and one worker are never.
func (g *Generator) limits() (planes, workers int) {
	for _, n := range g.nodes {
		if n.Role == event.Worker {
			workers++
		} else {
			planes++
		}
	}
	return max((planes-1)/2, 0), max(workers-1, 0)
}

// Next draws the next group: its faults are on at the same time.
func (g *Generator) Next() []Planned {
	size := 1
	for size < g.overlap && g.random.IntN(3) == 0 {
		size++
	}
	var group []Planned
	// Not every draw is within the limits; enough of them are.
	for tries := 0; len(group) < size && tries < 1000; tries++ {
		if p := g.draw(); g.admits(group, p) {
			group = append(group, p)
		} else if len(group) > 0 && tries > 20 {
			break // what is left to spare may be nothing
		}
	}
	return group
}

// Radius says why a fault beside others would go beyond the blast radius, or "".
// It holds for the lab as it is planned, with everything up.
func Radius(nodes []event.TopologyNode, group []Planned, more Planned) string {
	w := state.New()
	w.Apply(event.Event{Body: event.LabTopology{Nodes: nodes}})
	for _, n := range nodes {
		w.Apply(event.Event{Body: event.NodeState{Node: n.Name, State: event.NodeRunning}})
		for _, c := range n.Components {
			w.Apply(event.Event{Body: event.ComponentState{Node: n.Name, Component: c, State: event.ComponentReady}})
		}
	}
	var last event.FaultInjected
	for i, p := range append(slices.Clone(group), more) {
		r, err := fault.Parse(p.Text)
		if err != nil {
			return err.Error()
		}
		if last, err = fault.Resolve(r, fault.Lab{Nodes: nodes}); err != nil {
			return err.Error()
		}
		last.ID = fmt.Sprint("f", i)
		if i < len(group) {
			w.Apply(event.Event{Body: last})
		}
	}
	return strings.Join(fault.Dangers(w, last), "; ")
}

// admits says whether a fault beside others is within the blast radius: no more
// nodes are hit than can be spared, and what is left can do its work.
func (g *Generator) admits(group []Planned, p Planned) bool {
	hit := map[string]bool{p.Node: true}
	for _, other := range group {
		hit[other.Node] = true
		if other.Text == p.Text {
			return false
		}
	}
	planes, workers := g.limits()
	for _, n := range g.nodes {
		switch {
		case !hit[n.Name]:
		case n.Role == event.Worker:
			workers--
		default:
			planes--
		}
	}
	return planes >= 0 && workers >= 0 && Radius(g.nodes, group, p) == ""
}

// draw is any fault.
func (g *Generator) draw() Planned {
	kind := g.kinds[g.random.IntN(len(g.kinds))]
	n := g.nodes[g.random.IntN(len(g.nodes))]
	p := Planned{Node: n.Name, Hold: time.Duration(1000+g.random.IntN(5000)) * time.Millisecond}
	component := n.Name + "/" + n.Components[g.random.IntN(len(n.Components))]
	other := g.nodes[g.random.IntN(len(g.nodes))].Name
	words := []string{kind}
	switch kind {
	case fault.Cordon, fault.DiskFull:
		// Control planes are no Nodes of Kubernetes.
		if n.Role != event.Worker {
			words = nil // no fault, which is not admitted
			break
		}
		words = append(words, n.Name)
	case fault.Kill, fault.Freeze:
		if g.random.IntN(2) == 0 {
			words = append(words, n.Name)
		} else {
			words = append(words, component)
		}
	case fault.CrashLoop:
		words = append(words, component)
	case fault.CertExpire:
		if _, name, _ := strings.Cut(component, "/"); !fault.Certified(name) {
			words = nil
			break
		}
		words = append(words, component)
	case fault.Cut:
		if g.random.IntN(3) == 0 {
			words = append(words, n.Name+"->"+other)
		} else {
			words = append(words, n.Name, other)
		}
	case fault.Partition:
		var rest []string
		for _, o := range g.nodes {
			if o.Name != n.Name {
				rest = append(rest, o.Name)
			}
		}
		words = append(words, n.Name+"/"+strings.Join(rest, ","))
	case fault.Delay:
		ms := 20 + g.random.IntN(130)
		words = append(words, n.Name, fmt.Sprintf("%dms", ms), "--jitter", fmt.Sprintf("%dms", ms/5))
	case fault.Loss:
		words = append(words, n.Name, fmt.Sprintf("%d%%", 5+g.random.IntN(26)))
	case fault.Squeeze:
		words = append(words, n.Name, "cpu", fmt.Sprintf("0.%d", 3+g.random.IntN(5)))
	default:
		words = append(words, n.Name)
	}
	p.Text = strings.Join(words, " ")
	return p
}
