package fabric

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// balanceProtocol marks the routes of load balancers; 0x58 is free in rt_protos.
const balanceProtocol = 0x58

// Forward makes the namespace of the bridge a router between the nodes, which
// spreads connections over the ways to a load balancer by addresses and ports.
// It does not tell a node to send to the other one directly: that would fix the
// choice for all of the node's connections.
func Forward(lab *namespace.Net) error {
	return lab.Do(func() error {
		// /proc/sys/net is that of the thread's namespace.
		for file, value := range map[string]string{
			"ip_forward":                             "1",
			"fib_multipath_hash_policy":              "1",
			"conf/all/send_redirects":                "0",
			"conf/" + BridgeName + "/send_redirects": "0",
		} {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+file, []byte(value), 0); err != nil {
				return fmt.Errorf("forward between nodes: %w", err)
			}
		}
		return nil
	})
}

// Balance makes the routes of load balancers in the bridge's namespace exactly
// those wanted: address -> the nodes that take its connections. What else is in
// the range of their addresses, and a balancer without a node, is unreachable.
func Balance(lab *namespace.Net, within netip.Prefix, want map[netip.Addr][]netip.Addr) error {
	handle, err := handleIn(lab)
	if err != nil {
		return err
	}
	defer handle.Close()
	have, err := handle.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: balanceProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes of load balancers: %w", err)
	}
	var errs []error
	for _, r := range have {
		dst, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		bits, _ := r.Dst.Mask.Size()
		if !ok || bits == 32 && len(want[dst]) == 0 {
			errs = append(errs, handle.RouteDel(&r))
		}
	}
	errs = append(errs, handle.RouteReplace(&netlink.Route{Dst: ipNet(within.Masked()), Type: unix.RTN_UNREACHABLE, Protocol: balanceProtocol}))
	for addr, nodes := range want {
		if len(nodes) == 0 {
			continue
		}
		errs = append(errs, handle.RouteReplace(waysTo(addr, nodes)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("set routes of load balancers: %w", err)
	}
	return nil
}

// waysTo is one route with a way by each node.
func waysTo(addr netip.Addr, nodes []netip.Addr) *netlink.Route {
	r := &netlink.Route{Dst: ipNet(netip.PrefixFrom(addr, 32)), Protocol: balanceProtocol}
	nodes = slices.SortedFunc(slices.Values(nodes), netip.Addr.Compare)
	if len(nodes) == 1 {
		r.Gw = nodes[0].AsSlice()
		return r
	}
	for _, n := range nodes {
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{Gw: n.AsSlice()})
	}
	return r
}
