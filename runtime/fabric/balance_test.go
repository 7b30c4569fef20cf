package fabric

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestBalance connects from a node to an address that only other nodes have,
// by way of the bridge's namespace.
func TestBalance(t *testing.T) {
	lab, c1, w1, w2 := newPlace(t), newPlace(t), newPlace(t), newPlace(t)
	f, err := New(lab.ns, netip.MustParsePrefix("10.10.0.1/24"))
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]netip.Addr{"c1": netip.MustParseAddr("10.10.0.11"), "w1": netip.MustParseAddr("10.10.0.101"), "w2": netip.MustParseAddr("10.10.0.102")}
	for name, p := range map[string]place{"c1": c1, "w1": w1, "w2": w2} {
		if err := f.Attach(name, p.pid, at[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := Forward(lab.ns); err != nil {
		t.Fatal(err)
	}
	within, vip := netip.MustParsePrefix("10.64.0.0/28"), netip.MustParseAddr("10.64.0.1")
	served := map[string]net.Listener{}
	for name, p := range map[string]place{"w1": w1, "w2": w2} {
		lo, err := p.handle.LinkByName("lo")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.handle.AddrAdd(lo, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(vip, 32))}); err != nil {
			t.Fatal(err)
		}
		if err := p.ns.Do(func() error {
			var err error
			served[name], err = net.Listen("tcp", "10.64.0.1:80")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = served[name].Close() })
	}
	balance := func(nodes ...netip.Addr) {
		t.Helper()
		if err := Balance(lab.ns, within, map[netip.Addr][]netip.Addr{vip: nodes}); err != nil {
			t.Fatal(err)
		}
	}
	hits := make(chan string)
	for name, listener := range served {
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
				hits <- name
			}
		}()
	}
	reached := func(from place) string {
		t.Helper()
		conn, err := from.ns.DialContext(t.Context(), "tcp", "10.64.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		return <-hits
	}

	balance(at["w1"], at["w2"])
	seen := map[string]int{}
	for range 64 { // that all go one way by chance: 2^-63
		seen[reached(c1)]++
	}
	if seen["w1"] == 0 || seen["w2"] == 0 {
		t.Errorf("connections went to %v, want both nodes", seen)
	}
	balance(at["w2"])
	for range 8 {
		for _, from := range []place{c1, lab} {
			if node := reached(from); node != "w2" {
				t.Fatalf("a connection went to %s, which is not asked any more", node)
			}
		}
	}
	balance()
	for _, address := range []string{"10.64.0.1:80", "10.64.0.9:80"} {
		if _, err := c1.ns.DialContext(t.Context(), "tcp", address); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("without a node %s is %v, want it unreachable", address, err)
		}
	}
}
