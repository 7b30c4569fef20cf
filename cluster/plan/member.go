package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"workbench/runtime/node"
)

// EtcdDir is the data directory of etcd in a node.
const EtcdDir = "/var/lib/etcd"

// DiskDir is where a node's disk is mounted in it.
const DiskDir = "/var/disk"

// PeerURL is where the etcd members reach the one on the node.
func (n Node) PeerURL() string {
	return "https://" + netip.AddrPortFrom(n.Address, EtcdPeerPort).String()
}

// ClientURL is where clients reach the etcd member on the node.
func (n Node) ClientURL() string {
	return "https://" + netip.AddrPortFrom(n.Address, EtcdPort).String()
}

// Initial is the node's part of etcd's --initial-cluster.
func (n Node) Initial() string { return n.Name + "=" + n.PeerURL() }

// Component is one of the node's components.
func (n Node) Component(name string) (node.Component, error) {
	i := slices.IndexFunc(n.Components, func(c node.Component) bool { return c.Name == name })
	if i < 0 {
		return node.Component{}, fmt.Errorf("node %s has no component %s", n.Name, name)
	}
	return n.Components[i], nil
}

// Joining is etcd of the node as it starts for the first time as a member of a
// cluster that runs: with all that are members, itself included, in the form of
// Initial. Once it has a data directory etcd does not read these flags any more.
func (n Node) Joining(members []string) (node.Component, error) {
	c, err := n.Component("etcd")
	if err != nil {
		return c, err
	}
	c.Args = slices.Clone(c.Args)
	for i, arg := range c.Args {
		switch name, _, _ := strings.Cut(arg, "="); name {
		case "--initial-cluster":
			c.Args[i] = name + "=" + strings.Join(members, ",")
		case "--initial-cluster-state":
			c.Args[i] = name + "=existing"
		}
	}
	return c, nil
}
