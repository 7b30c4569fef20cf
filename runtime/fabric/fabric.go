// Package fabric is the network between the nodes of a lab: a bridge in the
// lab's own network namespace and a veth pair to each node. The host gets no
// link, route or rule of it.
//
//	lab netns:   fabric (bridge, gateway address)
//	               |- w1 ... one port per node, named like it
//	node netns:    '- eth0, with a default route to the gateway
package fabric

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"workbench/runtime/namespace"
)

// BridgeName is the bridge in the lab's namespace.
const BridgeName = "fabric"

// Fabric is the bridge of one lab.
type Fabric struct {
	handle *netlink.Handle // in the lab's namespace
	bridge netlink.Link
	prefix netip.Prefix // gateway address and network
}

// New makes the bridge in the lab's network namespace. prefix is the gateway's
// address with the length of the network.
func New(lab *namespace.Net, prefix netip.Prefix) (*Fabric, error) {
	handle, err := handleIn(lab)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = BridgeName
	attrs.HardwareAddr = HardwareAddr(prefix.Addr())
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := handle.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("make fabric bridge: %w", err)
	}
	f := &Fabric{handle: handle, bridge: bridge, prefix: prefix}
	if err := errors.Join(
		handle.AddrAdd(bridge, &netlink.Addr{IPNet: ipNet(prefix)}),
		handle.LinkSetUp(bridge),
		loopbackUp(handle),
	); err != nil {
		return nil, fmt.Errorf("set up fabric bridge: %w", err)
	}
	return f, nil
}

// Attach connects a node's network namespace, by the PID of its init, under
// the node's name and address.
func (f *Fabric) Attach(name string, pid int, addr netip.Addr) error {
	if old, err := f.handle.LinkByName(name); err == nil {
		// The kernel removes the port with the old node's namespace, a moment
		// after its last process.
		if err := f.handle.LinkDel(old); err != nil {
			return fmt.Errorf("remove old port of %s: %w", name, err)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = name, f.bridge.Attrs().Index
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: HardwareAddr(addr), PeerNamespace: netlink.NsPid(pid),
	}
	if err := f.handle.LinkAdd(veth); err != nil {
		return fmt.Errorf("connect %s to the fabric: %w", name, err)
	}
	if err := f.handle.LinkSetUp(veth); err != nil {
		return fmt.Errorf("connect %s to the fabric: %w", name, err)
	}
	return f.configure(name, pid, addr)
}

func (f *Fabric) configure(name string, pid int, addr netip.Addr) error {
	ns, err := namespace.NetOf(pid)
	if err != nil {
		return fmt.Errorf("connect %s: %w", name, err)
	}
	defer ns.Close()
	handle, err := handleIn(ns)
	if err != nil {
		return fmt.Errorf("connect %s: %w", name, err)
	}
	defer handle.Close()
	eth0, err := handle.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("find eth0 of %s: %w", name, err)
	}
	if err := errors.Join(
		loopbackUp(handle),
		handle.AddrAdd(eth0, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(addr, f.prefix.Bits()))}),
		handle.LinkSetUp(eth0),
	); err != nil {
		return fmt.Errorf("set up eth0 of %s: %w", name, err)
	}
	if err := handle.RouteReplace(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: f.prefix.Addr().AsSlice()}); err != nil {
		return fmt.Errorf("set default route of %s: %w", name, err)
	}
	return nil
}

// Routes makes the pod routes of one namespace exactly those wanted: pod
// network -> node address. Routes it did not make are left alone.
func Routes(ns *namespace.Net, want map[netip.Prefix]netip.Addr) error {
	handle, err := handleIn(ns)
	if err != nil {
		return err
	}
	defer handle.Close()
	have, err := handle.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	var errs []error
	for _, r := range have {
		dst, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		bits, _ := r.Dst.Mask.Size()
		if via, wanted := want[netip.PrefixFrom(dst, bits)]; !ok || !wanted || !r.Gw.Equal(via.AsSlice()) {
			errs = append(errs, handle.RouteDel(&r))
		}
	}
	for dst, via := range want {
		errs = append(errs, handle.RouteReplace(&netlink.Route{Dst: ipNet(dst), Gw: via.AsSlice(), Protocol: routeProtocol}))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("set pod routes: %w", err)
	}
	return nil
}

// routeProtocol marks our routes; 0x57 ('W') is free in rt_protos.
const routeProtocol = 0x57

func handleIn(ns *namespace.Net) (*netlink.Handle, error) {
	var handle *netlink.Handle
	err := ns.Do(func() error {
		var err error
		handle, err = netlink.NewHandle()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return handle, nil
}

func loopbackUp(handle *netlink.Handle) error {
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return err
	}
	return handle.LinkSetUp(lo)
}

// HardwareAddr derives a fixed, locally administered MAC address from an IPv4
// address, so that a node keeps both for ever.
func HardwareAddr(addr netip.Addr) net.HardwareAddr {
	ip := addr.As4()
	return net.HardwareAddr{0x0a, 0x57, ip[0], ip[1], ip[2], ip[3]}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
