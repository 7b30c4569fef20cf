package fault

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Desired is what a set of faults wants of the lab. What is not in it is to be
// whole. All lists are sorted.
type Desired struct {
	Links      []event.LinkCondition
	Nodes      []NodeCondition
	Components []ComponentCondition
	Images     []ImageCondition
}

// ImageCondition is an image that faults take from a node.
type ImageCondition struct{ Node, Image string }

// NodeCondition is what faults want of a node.
type NodeCondition struct {
	Node string
	// Down is Kill or Stop; "" when the node may run.
	Down   string
	Frozen bool
	// CPUs (cores) and MemoryBytes limit it; 0 leaves the limit of the lab file.
	CPUs        float64
	MemoryBytes int64
	Cordoned    bool
	// DiskFull keeps all but LeaveBytes of its disk taken.
	DiskFull   bool
	LeaveBytes int64
}

// ComponentCondition is what faults want of a component.
type ComponentCondition struct {
	Target string // node/component
	Down   bool
	Frozen bool
	Crash  bool
	// Disk is EtcdLoseDisk or EtcdCorrupt; "" when its data may be whole.
	Disk string
	// Expired says that its certificates are.
	Expired bool
}

// Render works out the conditions. It is a function of the set alone, not of
// its order: a cut dominates, losses combine to 1-(1-p)(1-q), delays and jitters
// add up, the lowest rate and the tightest squeeze win, and kill goes before
// stop.
func Render(faults []event.FaultInjected) Desired {
	links := map[event.FaultLink]*combined{}
	nodes, components := map[string]*NodeCondition{}, map[string]*ComponentCondition{}
	images := map[ImageCondition]bool{}
	for _, f := range faults {
		for _, l := range f.Links {
			if links[l] == nil {
				links[l] = &combined{}
			}
			links[l].add(f)
		}
		for _, name := range f.Nodes {
			if f.Kind == ImageGone {
				break // nothing of the node itself
			}
			if nodes[name] == nil {
				nodes[name] = &NodeCondition{Node: name}
			}
			nodes[name].add(f)
		}
		for _, image := range f.Images {
			for _, name := range f.Nodes {
				images[ImageCondition{name, image}] = true
			}
		}
		for _, target := range f.Components {
			if components[target] == nil {
				components[target] = &ComponentCondition{Target: target}
			}
			components[target].add(f)
		}
	}
	var d Desired
	for _, l := range slices.SortedFunc(maps.Keys(links), compareLinks) {
		d.Links = append(d.Links, links[l].condition(l))
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		d.Nodes = append(d.Nodes, *nodes[name])
	}
	for _, target := range slices.Sorted(maps.Keys(components)) {
		d.Components = append(d.Components, *components[target])
	}
	d.Images = slices.SortedFunc(maps.Keys(images), func(a, b ImageCondition) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.Image, b.Image))
	})
	return d
}

// combined are all faults of one direction of a link.
type combined struct {
	cut           bool
	losses        []float64
	delay, jitter time.Duration
	rate          int64
}

func (c *combined) add(f event.FaultInjected) {
	switch f.Kind {
	case Cut, Partition, CutOff:
		c.cut = true
	case Loss:
		c.losses = append(c.losses, f.Loss)
	case Delay:
		c.delay += f.Delay
		c.jitter += f.Jitter
	case Rate:
		if c.rate == 0 || f.Rate < c.rate {
			c.rate = f.Rate
		}
	}
}

func (c *combined) condition(l event.FaultLink) event.LinkCondition {
	if c.cut {
		return event.LinkCondition{FaultLink: l, Cut: true}
	}
	slices.Sort(c.losses) // floating point multiplication depends on the order
	keep := 1.0
	for _, p := range c.losses {
		keep *= 1 - p
	}
	loss := math.Round((1-keep)*1e9) / 1e9
	return event.LinkCondition{FaultLink: l, Loss: loss, Delay: c.delay, Jitter: c.jitter, Rate: c.rate}
}

func (n *NodeCondition) add(f event.FaultInjected) {
	switch f.Kind {
	case Kill:
		n.Down = Kill
	case Stop:
		if n.Down == "" {
			n.Down = Stop
		}
	case Freeze:
		n.Frozen = true
	case Cordon, Drain:
		n.Cordoned = true
	case DiskFull:
		if !n.DiskFull || f.LeaveBytes < n.LeaveBytes {
			n.LeaveBytes = f.LeaveBytes
		}
		n.DiskFull = true
	case Squeeze:
		if f.CPUs > 0 && (n.CPUs == 0 || f.CPUs < n.CPUs) {
			n.CPUs = f.CPUs
		}
		if f.MemoryBytes > 0 && (n.MemoryBytes == 0 || f.MemoryBytes < n.MemoryBytes) {
			n.MemoryBytes = f.MemoryBytes
		}
	}
}

func (c *ComponentCondition) add(f event.FaultInjected) {
	switch f.Kind {
	case Kill:
		c.Down = true
	case Freeze:
		c.Frozen = true
	case CrashLoop:
		c.Crash = true
	case CertExpire:
		c.Expired = true
	case EtcdLoseDisk:
		c.Disk = EtcdLoseDisk
	case EtcdCorrupt:
		if c.Disk == "" { // nothing is left to corrupt on a disk that is lost
			c.Disk = EtcdCorrupt
		}
	}
}

// Node is the condition of a node; the zero one when nothing is wanted of it.
func (d Desired) Node(name string) NodeCondition {
	for _, n := range d.Nodes {
		if n.Node == name {
			return n
		}
	}
	return NodeCondition{Node: name}
}

// Component is the condition of a component.
func (d Desired) Component(target string) ComponentCondition {
	for _, c := range d.Components {
		if c.Target == target {
			return c
		}
	}
	return ComponentCondition{Target: target}
}

// Gone are the images that are taken from a node.
func (d Desired) Gone(node string) []string {
	var out []string
	for _, i := range d.Images {
		if i.Node == node {
			out = append(out, i.Image)
		}
	}
	return out
}

// Link is the condition of a direction of a link.
func (d Desired) Link(from, to string) event.LinkCondition {
	for _, l := range d.Links {
		if l.From == from && l.To == to {
			return l
		}
	}
	return event.LinkCondition{FaultLink: event.FaultLink{From: from, To: to}}
}

// String is the conditions as text, one a line.
func (d Desired) String() string {
	var b strings.Builder
	for _, l := range d.Links {
		fmt.Fprintf(&b, "link %s > %s: %s\n", l.From, l.To, LinkText(l))
	}
	for _, n := range d.Nodes {
		fmt.Fprintf(&b, "node %s: %s\n", n.Node, n.text())
	}
	for _, c := range d.Components {
		fmt.Fprintf(&b, "component %s: %s\n", c.Target, c.text())
	}
	for _, i := range d.Images {
		fmt.Fprintf(&b, "image %s: gone from %s\n", i.Image, i.Node)
	}
	return b.String()
}

// LinkText says in words what a condition is: CUT, or 30% loss +50ms.
func LinkText(c event.LinkCondition) string {
	if c.Cut {
		return "CUT"
	}
	var parts []string
	if c.Loss > 0 {
		parts = append(parts, Percent(c.Loss)+" loss")
	}
	if c.Delay > 0 {
		delay := "+" + c.Delay.String()
		if c.Jitter > 0 {
			delay += "±" + c.Jitter.String()
		}
		parts = append(parts, delay)
	}
	if c.Rate > 0 {
		parts = append(parts, BitRate(c.Rate))
	}
	return strings.Join(parts, " ")
}

func (n NodeCondition) text() string {
	var parts []string
	if n.Down != "" {
		parts = append(parts, "down by "+n.Down)
	}
	if n.Frozen {
		parts = append(parts, "frozen")
	}
	if n.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("cpu %g", n.CPUs))
	}
	if n.MemoryBytes > 0 {
		parts = append(parts, "memory "+quantity(n.MemoryBytes))
	}
	if n.DiskFull {
		text := "disk full"
		if n.LeaveBytes > 0 {
			text += " but for " + quantity(n.LeaveBytes)
		}
		parts = append(parts, text)
	}
	if n.Cordoned {
		parts = append(parts, "cordoned")
	}
	return strings.Join(parts, ", ")
}

func (c ComponentCondition) text() string {
	var parts []string
	if c.Down {
		parts = append(parts, "down")
	}
	if c.Frozen {
		parts = append(parts, "frozen")
	}
	if c.Crash {
		parts = append(parts, "crash loop")
	}
	switch c.Disk {
	case EtcdLoseDisk:
		parts = append(parts, "data lost")
	case EtcdCorrupt:
		parts = append(parts, "data corrupt")
	}
	if c.Expired {
		parts = append(parts, "certificates expired")
	}
	return strings.Join(parts, ", ")
}
