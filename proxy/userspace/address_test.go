package userspace_test

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"workbench/proxy/userspace"
	"workbench/runtime/namespace/namespacetest"
)

// onLoopback are the addresses of lo, but for its own.
func onLoopback() (map[netip.Addr]bool, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	list, err := netlink.AddrList(lo, netlink.FAMILY_V4)
	out := map[netip.Addr]bool{}
	for _, one := range list {
		if a, ok := netip.AddrFromSlice(one.IP.To4()); ok && !a.IsLoopback() {
			out[a] = true
		}
	}
	return out, err
}

// TestLoopback: exactly the wanted addresses are there, and nobody else's are
// touched.
func TestLoopback(t *testing.T) {
	ns, _ := namespacetest.Net(t)
	other := netip.MustParseAddr("192.0.2.1")
	if err := ns.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr("192.0.2.1/32")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(lo, address)
	}); err != nil {
		t.Fatal(err)
	}
	a, b, c := netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("10.64.0.1")
	for _, wanted := range []map[netip.Addr]bool{{a: true, b: true}, {b: true, c: true}, {b: true, c: true}, {other: true}, {}} {
		if err := ns.Do(func() error { return userspace.Loopback{}.Set(wanted) }); err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(wanted)
		want[other] = true
		var got map[netip.Addr]bool
		err := ns.Do(func() (err error) {
			got, err = onLoopback()
			return err
		})
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("wanted %v, lo has %v, %v", want, got, err)
		}
	}
}
