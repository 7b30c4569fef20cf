package spec

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
)

// Bounds of a lab.
const (
	MaxControlPlanes = 5
	MaxWorkers       = 30
	// MaxName keeps the path of the lab's Unix socket under the kernel's limit
	// of 107 bytes.
	MaxName = 40
)

// Addresses in the fabric, as offsets from its network address.
const (
	GatewayOffset      = 1
	ControlPlaneOffset = 10  // c1 is .11
	WorkerOffset       = 100 // w1 is .101
)

// Node is one node of a lab with its overrides applied.
type Node struct {
	Name         string `json:"name"`
	ControlPlane bool   `json:"controlPlane,omitempty"`
	// Address in the fabric. It is invalid when the fabric's CIDR is.
	Address netip.Addr `json:"address"`
	// CPUs and Memory limit the node; 0 means the whole machine.
	CPUs   Cores  `json:"cpus,omitempty"`
	Memory Bytes  `json:"memory,omitempty"`
	Labels Labels `json:"labels,omitempty"`
	Taints Taints `json:"taints,omitempty"`
}

// NodeList are the nodes of the lab, control planes first, by number.
func (l Lab) NodeList() []Node {
	if l.set != nil {
		return slices.Clone(l.set.Nodes)
	}
	nodes := make([]Node, 0, max(0, l.Spec.ControlPlanes.Count)+max(0, l.Spec.Workers.Count))
	for i := 1; i <= l.Spec.ControlPlanes.Count; i++ {
		nodes = append(nodes, l.node("c", i, true, l.Spec.ControlPlanes, ControlPlaneOffset))
	}
	for i := 1; i <= l.Spec.Workers.Count; i++ {
		nodes = append(nodes, l.node("w", i, false, l.Spec.Workers, WorkerOffset))
	}
	return nodes
}

func (l Lab) node(prefix string, number int, controlPlane bool, pool Pool, offset int) Node {
	name := prefix + strconv.Itoa(number)
	o := l.Spec.Nodes[name]
	return Node{
		Name:         name,
		ControlPlane: controlPlane,
		Address:      l.Spec.Network.fabricAddress(offset + number),
		CPUs:         cmp.Or(o.CPUs, pool.CPUs),
		Memory:       cmp.Or(o.Memory, pool.Memory),
		Labels:       o.Labels,
		Taints:       o.Taints,
	}
}

// Gateway is the fabric's first address: the bridge.
func (n Network) Gateway() netip.Addr { return n.fabricAddress(GatewayOffset) }

func (n Network) fabricAddress(offset int) netip.Addr {
	prefix, err := netip.ParsePrefix(n.FabricCIDR)
	if err != nil || !prefix.Addr().Is4() || offset > 255 {
		return netip.Addr{}
	}
	base := prefix.Masked().Addr().As4()
	base[3] += byte(offset) // no carry: a fabric is a /24 or larger
	return netip.AddrFrom4(base)
}
