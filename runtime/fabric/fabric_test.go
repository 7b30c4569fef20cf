package fabric

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"workbench/runtime/namespace"
	"workbench/runtime/namespace/namespacetest"
)

// place is a network namespace with a process that holds it.
type place struct {
	pid    int
	ns     *namespace.Net
	handle *netlink.Handle
}

func newPlace(t *testing.T) place {
	t.Helper()
	ns, pid := namespacetest.Net(t)
	handle, err := handleIn(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	return place{pid, ns, handle}
}

// hostLinks are the links of the machine itself.
func hostLinks(t *testing.T) []string {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range links {
		names = append(names, fmt.Sprint(l.Attrs().Index, l.Attrs().Name, l.Attrs().OperState))
	}
	return names
}

// answers serves one connection on an address of a place and says whether it
// is reached from another.
func answers(t *testing.T, from, at place, address string) error {
	t.Helper()
	var listener net.Listener
	if err := at.ns.Do(func() error {
		var err error
		listener, err = net.Listen("tcp", address+":0")
		return err
	}); err != nil {
		return err
	}
	defer listener.Close()
	conn, err := from.ns.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestFabric(t *testing.T) {
	before := hostLinks(t)
	lab, c1, w1 := newPlace(t), newPlace(t), newPlace(t)
	f, err := New(lab.ns, netip.MustParsePrefix("10.10.0.1/24"))
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]netip.Addr{"c1": netip.MustParseAddr("10.10.0.11"), "w1": netip.MustParseAddr("10.10.0.101")}
	for name, p := range map[string]place{"c1": c1, "w1": w1} {
		if err := f.Attach(name, p.pid, addresses[name]); err != nil {
			t.Fatal(err)
		}
	}
	testNode(t, c1, "10.10.0.11/24")
	for _, c := range []struct {
		from, at place
		address  string
	}{
		{c1, w1, "10.10.0.101"}, {w1, c1, "10.10.0.11"}, {lab, c1, "10.10.0.11"}, {c1, lab, "10.10.0.1"}, {c1, c1, "127.0.0.1"},
	} {
		if err := answers(t, c.from, c.at, c.address); err != nil {
			t.Errorf("%s is not reached: %v", c.address, err)
		}
	}
	// A node that starts again has the same address and the same port's name.
	again := newPlace(t)
	if err := f.Attach("c1", again.pid, addresses["c1"]); err != nil {
		t.Fatal(err)
	}
	testNode(t, again, "10.10.0.11/24")
	if err := answers(t, w1, again, "10.10.0.11"); err != nil {
		t.Errorf("the node is not reached when it started again: %v", err)
	}
	if _, err := c1.handle.LinkByName("eth0"); err == nil {
		t.Error("the old namespace is still connected")
	}
	if after := hostLinks(t); !slices.Equal(before, after) {
		t.Errorf("the machine's links are %v, were %v", after, before)
	}
	if err := f.Attach("x", 1<<30, addresses["c1"]); err == nil || !strings.Contains(err.Error(), "connect x") {
		t.Errorf("a process that is not there gives %v", err)
	}
}

// testNode looks at the link of a node.
func testNode(t *testing.T, p place, want string) {
	t.Helper()
	eth0, err := p.handle.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if got := eth0.Attrs().HardwareAddr.String(); got != "0a:57:0a:0a:00:0b" {
		t.Errorf("hardware address %s is not that of the node's IP address", got)
	}
	list, err := p.handle.AddrList(eth0, netlink.FAMILY_V4)
	if err != nil || len(list) != 1 || list[0].IPNet.String() != want {
		t.Errorf("addresses %v, %v; want %s", list, err, want)
	}
	routes, err := p.handle.RouteList(eth0, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Gw.String() == "10.10.0.1" }) {
		t.Errorf("routes %v have no default route to the gateway", routes)
	}
}

func TestRoutes(t *testing.T) {
	lab, c1 := newPlace(t), newPlace(t)
	f, err := New(lab.ns, netip.MustParsePrefix("10.10.0.1/24"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Attach("c1", c1.pid, netip.MustParseAddr("10.10.0.11")); err != nil {
		t.Fatal(err)
	}
	foreign := &netlink.Route{Dst: ipNet(netip.MustParsePrefix("192.168.7.0/24")), Gw: net.IPv4(10, 10, 0, 99)}
	if err := c1.handle.RouteAdd(foreign); err != nil {
		t.Fatal(err)
	}
	prefix, via := netip.MustParsePrefix, netip.MustParseAddr
	for _, want := range []map[netip.Prefix]netip.Addr{
		{prefix("10.244.0.0/24"): via("10.10.0.101"), prefix("10.244.1.0/24"): via("10.10.0.102")},
		{prefix("10.244.1.0/24"): via("10.10.0.103"), prefix("10.244.2.0/24"): via("10.10.0.101")}, // one moved, one gone, one new
		{prefix("10.244.1.0/24"): via("10.10.0.103"), prefix("10.244.2.0/24"): via("10.10.0.101")}, // the same again
		{},
	} {
		if err := Routes(c1.ns, want); err != nil {
			t.Fatal(err)
		}
		routes, err := c1.handle.RouteList(nil, netlink.FAMILY_V4)
		if err != nil {
			t.Fatal(err)
		}
		got, others := map[netip.Prefix]netip.Addr{}, 0
		for _, r := range routes {
			if r.Protocol == routeProtocol {
				ones, _ := r.Dst.Mask.Size()
				to, _ := netip.AddrFromSlice(r.Dst.IP.To4())
				gw, _ := netip.AddrFromSlice(r.Gw.To4())
				got[netip.PrefixFrom(to, ones)] = gw
			} else {
				others++
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("pod routes %v, want %v", got, want)
		}
		if others != 3 { // the network itself, the default, the foreign one
			t.Errorf("%d other routes, want 3: %v", others, routes)
		}
	}
	if err := Routes(c1.ns, map[netip.Prefix]netip.Addr{prefix("10.244.0.0/24"): via("172.16.0.1")}); err == nil || !strings.Contains(err.Error(), "pod routes") {
		t.Errorf("a gateway that is not on the fabric gives %v", err)
	}
}
