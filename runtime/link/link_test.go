package link

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"workbench/runtime/namespace"
	"workbench/runtime/namespace/namespacetest"
	"workbench/test/require"
)

// pair is two nodes with a cable between them.
type pair struct{ a, b End }

func (p pair) macOf(e End) net.HardwareAddr { return mac(e.Addr) }

func mac(addr netip.Addr) net.HardwareAddr {
	ip := addr.As4()
	return net.HardwareAddr{0x0a, 0x57, ip[0], ip[1], ip[2], ip[3]}
}

func newPair(t *testing.T) pair {
	t.Helper()
	require.Root(t)
	var ends [2]End
	var pids [2]int
	for i := range ends {
		ends[i].NS, pids[i] = namespacetest.Net(t)
		ends[i].Addr = netip.AddrFrom4([4]byte{10, 87, 0, byte(i + 1)})
	}
	handle := handleIn(t, ends[0].NS)
	defer handle.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "eth0", mac(ends[0].Addr)
	if err := handle.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac(ends[1].Addr), PeerNamespace: netlink.NsPid(pids[1])}); err != nil {
		t.Fatal(err)
	}
	for _, e := range ends {
		h := handleIn(t, e.NS)
		dev, err := h.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.AddrAdd(dev, &netlink.Addr{IPNet: &net.IPNet{IP: e.Addr.AsSlice(), Mask: net.CIDRMask(24, 32)}}); err != nil {
			t.Fatal(err)
		}
		if err := h.LinkSetUp(dev); err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
	return pair{ends[0], ends[1]}
}

func handleIn(t *testing.T, ns *namespace.Net) *netlink.Handle {
	t.Helper()
	var handle *netlink.Handle
	if err := ns.Do(func() (err error) { handle, err = netlink.NewHandle(); return err }); err != nil {
		t.Fatal(err)
	}
	return handle
}

// saved is iptables-save without counters and dates.
func saved(t *testing.T, ns *namespace.Net) string {
	t.Helper()
	var out bytes.Buffer
	if err := ns.Do(func() error {
		cmd := exec.Command("iptables-save")
		cmd.Stdout = &out
		return cmd.Run()
	}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			head, _, _ := strings.Cut(line, " [")
			lines = append(lines, strings.TrimSpace(head))
		}
	}
	return strings.Join(lines, "\n")
}

func guardOf(t *testing.T, e End) *Guard {
	t.Helper()
	g, err := NewGuard(e.NS, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func measure(t *testing.T, from, to End, s Shot) Measure {
	t.Helper()
	m, err := OneWay(t.Context(), from, to, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var some = Shot{Packets: 40, Every: time.Millisecond, Wait: 300 * time.Millisecond}

func TestCutIsOneWayAndLeavesNothing(t *testing.T) {
	p := newPair(t)
	before := saved(t, p.b.NS)
	g := guardOf(t, p.b)
	if m := measure(t, p.a, p.b, some); m.Lost() > 0 {
		t.Fatalf("the whole link loses %v", m)
	}
	if err := g.Set([]Inbound{{Peer: "a", MAC: p.macOf(p.a), Cut: true}}, nil); err != nil {
		t.Fatal(err)
	}
	if m := measure(t, p.a, p.b, some); m.Arrived != 0 {
		t.Errorf("%d packets came through a cut", m.Arrived)
	}
	if m := measure(t, p.b, p.a, some); m.Lost() > 0 {
		t.Errorf("the other direction loses %v", m)
	}
	c, err := g.Counters()
	if err != nil || c["a"].Dropped < uint64(some.Packets) {
		t.Errorf("counted %+v (%v), want at least %d drops", c, err, some.Packets)
	}
	if err := g.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	if m := measure(t, p.a, p.b, some); m.Lost() > 0 {
		t.Errorf("the healed link loses %v", m)
	}
	if after := saved(t, p.b.NS); after != before {
		t.Errorf("rules before\n%s\nafter\n%s", before, after)
	}
}

// TestEstablishedConnections holds that a cut stops a connection that is open.
func TestEstablishedConnections(t *testing.T) {
	p := newPair(t)
	var listener net.Listener
	if err := p.b.NS.Do(func() (err error) { listener, err = net.Listen("tcp4", p.b.Addr.String()+":0"); return err }); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			accepted <- conn
		}
		close(accepted)
	}()
	conn, err := p.a.NS.DialContext(t.Context(), "tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	far := <-accepted
	defer far.Close()
	passes := func(within time.Duration) bool {
		if _, err := conn.Write([]byte("x")); err != nil {
			return false
		}
		_ = far.SetReadDeadline(time.Now().Add(within))
		_, err := far.Read(make([]byte, 16))
		return err == nil
	}
	if !passes(5 * time.Second) {
		t.Fatal("nothing passes on a whole link")
	}
	g := guardOf(t, p.b)
	if err := g.Set([]Inbound{{Peer: "a", MAC: p.macOf(p.a), Cut: true}}, nil); err != nil {
		t.Fatal(err)
	}
	if passes(700 * time.Millisecond) {
		t.Error("an established connection survived a cut")
	}
	if err := g.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	_ = far.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := far.Read(make([]byte, 16)); err != nil {
		t.Errorf("after the heal nothing is sent again: %v", err)
	}
}

func TestLossAndDelayCompose(t *testing.T) {
	p := newPair(t)
	g := guardOf(t, p.b)
	from := p.macOf(p.a)
	const queue = 5701
	delays := map[uint16]Delay{queue: {Delay: 50 * time.Millisecond, Jitter: 10 * time.Millisecond}}
	set := func(in Inbound, delays map[uint16]Delay) {
		t.Helper()
		in.Peer, in.MAC = "a", from
		if err := g.Set([]Inbound{in}, delays); err != nil {
			t.Fatal(err)
		}
	}
	lots := Shot{Packets: 400, Every: time.Millisecond, Wait: 300 * time.Millisecond}
	set(Inbound{Loss: 0.3}, nil)
	if m := measure(t, p.a, p.b, lots); m.Lost() < 0.18 || m.Lost() > 0.42 {
		t.Errorf("%.0f%% of packets are lost, want 30%%", 100*m.Lost())
	}
	first, err := g.Counters()
	if err != nil {
		t.Fatal(err)
	}
	set(Inbound{Loss: 0.3, Queue: queue}, delays)
	m := measure(t, p.a, p.b, lots)
	t.Logf("30%% loss and 50 ms ± 10 ms: %+v", m)
	if m.Lost() < 0.18 || m.Lost() > 0.42 || m.Least < 40*time.Millisecond || m.Median < 45*time.Millisecond {
		t.Errorf("with a delay: %+v", m)
	}
	set(Inbound{Queue: queue}, delays)
	if m := measure(t, p.a, p.b, some); m.Lost() > 0 || m.Least < 40*time.Millisecond {
		t.Errorf("with the delay alone: %+v", m)
	}
	// The counters go on counting over the changes.
	if c, err := g.Counters(); err != nil || c["a"].Dropped < first["a"].Dropped*3/2 || c["a"].Queued == 0 {
		t.Errorf("counters %+v after %+v (%v)", c, first, err)
	}
	if err := g.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	if m := measure(t, p.a, p.b, some); m.Lost() > 0 || m.Median > 20*time.Millisecond {
		t.Errorf("healed: %+v", m)
	}
}

// TestDelayedTCP moves data through a delayed link.
func TestDelayedTCP(t *testing.T) {
	p := newPair(t)
	g := guardOf(t, p.b)
	if err := g.Set([]Inbound{{Peer: "a", MAC: p.macOf(p.a), Queue: 5702}}, map[uint16]Delay{5702: {Delay: 20 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	var listener net.Listener
	if err := p.b.NS.Do(func() (err error) { listener, err = net.Listen("tcp4", p.b.Addr.String()+":0"); return err }); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const size = 8 << 20
	came := make(chan int, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			came <- -1
			return
		}
		defer conn.Close()
		n, _ := new(bytes.Buffer).ReadFrom(conn)
		came <- int(n)
	}()
	conn, err := p.a.NS.DialContext(t.Context(), "tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if n := <-came; n != size {
		t.Errorf("%d bytes came, want %d", n, size)
	}
	t.Logf("%d MiB in %v", size>>20, time.Since(began))
}

func TestRates(t *testing.T) {
	p := newPair(t)
	shot := Shot{Packets: 60, Bytes: 1400, Wait: 2 * time.Second}
	for _, c := range []struct {
		name   string
		limits []Limit
		most   float64
	}{
		{"to one address", []Limit{{MAC: p.macOf(p.b), Bits: 5_000_000}}, 8e6},
		{"in all", []Limit{{Bits: 2_000_000}}, 3.5e6},
		{"both", []Limit{{Bits: 50_000_000}, {MAC: p.macOf(p.b), Bits: 3_000_000}}, 5e6},
	} {
		if err := SetRates(p.a.NS, "eth0", c.limits); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		m := measure(t, p.a, p.b, shot)
		t.Logf("%s: %.2f Mbit/s, %+v", c.name, m.Bits/1e6, m)
		if m.Bits > c.most || m.Arrived < shot.Packets/2 {
			t.Errorf("%s: %.1f Mbit/s, want at most %.1f", c.name, m.Bits/1e6, c.most/1e6)
		}
	}
	if err := SetRates(p.a.NS, "eth0", []Limit{{MAC: net.HardwareAddr{1, 2, 3, 4, 5, 6}, Bits: 100_000}}); err != nil {
		t.Fatal(err)
	}
	if m := measure(t, p.a, p.b, shot); m.Bits < 20e6 {
		t.Errorf("a limit of another address slows this one to %.1f Mbit/s", m.Bits/1e6)
	}
	if err := SetRates(p.a.NS, "eth0", nil); err != nil {
		t.Fatal(err)
	}
	h := handleIn(t, p.a.NS)
	defer h.Close()
	dev, err := h.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	qdiscs, err := h.QdiscList(dev)
	if err != nil || slices.ContainsFunc(qdiscs, func(q netlink.Qdisc) bool { return q.Type() == "htb" }) {
		t.Errorf("after the limits are gone: %v %v", qdiscs, err)
	}
}

func TestMeasureEndsWithItsContext(t *testing.T) {
	p := newPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OneWay(ctx, p.a, p.b, Shot{Packets: 10, Every: time.Hour, Wait: time.Hour}); err == nil {
		t.Error("it went on")
	}
}

func TestRulesText(t *testing.T) {
	in := []Inbound{
		{Peer: "c1", MAC: mac(netip.MustParseAddr("10.40.0.11")), Cut: true, Loss: 0.5, Queue: 7},
		{Peer: "w1", MAC: mac(netip.MustParseAddr("10.40.0.101")), Loss: 0.3, Queue: 5703},
		{Peer: "w2", MAC: mac(netip.MustParseAddr("10.40.0.102"))},
	}
	var got strings.Builder
	for _, r := range Rules("eth0", in) {
		fmt.Fprintf(&got, "%s %v %s\n", r.Peer, r.First, strings.Join(r.Args, " "))
	}
	const want = `c1 true -i eth0 -m mac --mac-source 0a:57:0a:28:00:0b -m comment --comment from:c1 -j DROP
w1 true -i eth0 -m mac --mac-source 0a:57:0a:28:00:65 -m statistic --mode random --probability 0.300000000 -m comment --comment from:w1 -j DROP
w1 false -i eth0 -m mac --mac-source 0a:57:0a:28:00:65 -m comment --comment from:w1 -j NFQUEUE --queue-num 5703 --queue-bypass
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func TestFifoKeepsTheOrder(t *testing.T) {
	f := &fifo{delay: Delay{Delay: 50 * time.Millisecond, Jitter: 20 * time.Millisecond}}
	now := time.Unix(0, 0)
	f.push(1, now, func() float64 { return 1 }) // 70 ms
	f.push(2, now, func() float64 { return 0 }) // 30 ms, but behind the first
	if _, any := f.pop(now.Add(69 * time.Millisecond)); any {
		t.Error("the second overtook the first")
	}
	if upTo, any := f.pop(now.Add(70 * time.Millisecond)); !any || upTo != 2 {
		t.Errorf("got %d %v, want both", upTo, any)
	}
}
