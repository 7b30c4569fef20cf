package spec

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Set is the nodes of a lab whose nodes changed after its first boot. Numbers, and
// with them addresses, are never given again.
type Set struct {
	Nodes []Node `json:"nodes"`
	// LastControlPlane and LastWorker are the highest numbers that a node ever had.
	LastControlPlane int `json:"lastControlPlane"`
	LastWorker       int `json:"lastWorker"`
}

// With is the lab with these nodes in place of those that its counts say; nil is
// the lab as it is.
func (l Lab) With(set *Set) Lab {
	l.set = set
	return l
}

// Set is the nodes that were changed after the first boot; nil when none were.
func (l Lab) Set() *Set { return l.set }

// Addition is a node to add.
type Addition struct {
	ControlPlane bool
	// Name is "" for the next number: w4.
	Name   string
	CPUs   Cores
	Memory Bytes
}

// What a node's name can be: it names a network device too, which the kernel holds
// to 15 bytes.
var nodeName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,10}[a-z0-9])?$`)

// Add is the lab with one more node, and that node.
func (l Lab) Add(a Addition) (Lab, Node, error) {
	set := l.changed()
	last, prefix, offset, pool, least, role := &set.LastWorker, "w", WorkerOffset, l.Spec.Workers, MinWorkerMemory, "worker"
	if a.ControlPlane {
		last, prefix, offset, pool, least, role = &set.LastControlPlane, "c", ControlPlaneOffset, l.Spec.ControlPlanes, MinControlPlaneMemory, "control plane"
	}
	*last++
	n := Node{
		Name: cmp.Or(a.Name, prefix+strconv.Itoa(*last)), ControlPlane: a.ControlPlane, Address: l.Spec.Network.fabricAddress(offset + *last),
		CPUs: cmp.Or(a.CPUs, pool.CPUs), Memory: cmp.Or(a.Memory, pool.Memory),
	}
	planes, workers := l.Counts()
	if slices.ContainsFunc(set.Nodes, func(other Node) bool { return other.Name == n.Name }) {
		return l, n, fmt.Errorf("add node %s: the lab has a node of that name", n.Name)
	}
	switch {
	case !nodeName.MatchString(n.Name) || slices.Contains([]string{"outside", "lo", "fabric", "lab"}, n.Name):
		return l, n, fmt.Errorf("add node %q: a name is 1 to 12 small letters, digits and dashes, such as w4", clip(n.Name))
	case a.ControlPlane && planes >= MaxControlPlanes:
		return l, n, fmt.Errorf("add node %s: %d control planes are the most", n.Name, MaxControlPlanes)
	case !a.ControlPlane && workers >= MaxWorkers:
		return l, n, fmt.Errorf("add node %s: %d workers are the most", n.Name, MaxWorkers)
	case a.ControlPlane && *last >= WorkerOffset-ControlPlaneOffset, !n.Address.IsValid(), n.Address.As4()[3] == 255:
		return l, n, fmt.Errorf("add node %s: the fabric has no address left that no node ever had", n.Name)
	case n.CPUs != 0 && n.CPUs < minCPUs:
		return l, n, fmt.Errorf("add node %s: a %s with %v processors never becomes ready; use at least %v", n.Name, role, n.CPUs, minCPUs)
	case n.Memory != 0 && n.Memory < least:
		return l, n, fmt.Errorf("add node %s: %v is less than a %s needs to start; use at least %v", n.Name, n.Memory, role, least)
	}
	set.Nodes = append(set.Nodes, n)
	slices.SortStableFunc(set.Nodes, func(x, y Node) int { return cmp.Compare(x.rank(), y.rank()) })
	return l.With(&set), n, nil
}

// rank puts control planes first.
func (n Node) rank() int {
	if n.ControlPlane {
		return 0
	}
	return 1
}

// Remove is the lab without a node.
func (l Lab) Remove(name string) (Lab, error) {
	set := l.changed()
	i := slices.IndexFunc(set.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return l, fmt.Errorf("remove node %s: the lab has none of that name", name)
	}
	set.Nodes = slices.Delete(set.Nodes, i, i+1)
	return l.With(&set), nil
}

// Counts are how many nodes of each role the lab has now.
func (l Lab) Counts() (controlPlanes, workers int) {
	if l.set == nil {
		return l.Spec.ControlPlanes.Count, l.Spec.Workers.Count
	}
	for _, n := range l.set.Nodes {
		if n.ControlPlane {
			controlPlanes++
		} else {
			workers++
		}
	}
	return controlPlanes, workers
}

// changed is a copy of the lab's nodes, to change.
func (l Lab) changed() Set {
	if l.set != nil {
		set := *l.set
		set.Nodes = slices.Clone(set.Nodes)
		return set
	}
	return Set{Nodes: l.NodeList(), LastControlPlane: l.Spec.ControlPlanes.Count, LastWorker: l.Spec.Workers.Count}
}
