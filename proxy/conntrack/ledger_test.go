package conntrack_test

import (
	"fmt"
	"net/netip"
	"testing"

	"workbench/cluster/event"
	"workbench/proxy/conntrack"
)

const (
	tcp     = 6
	udp     = 17
	replied = 1 << 1 // IPS_SEEN_REPLY
)

// entry is a connection from a client's port to a service, sent to an endpoint.
func entry(port uint16, to, endpoint string, packets uint64, status uint32) conntrack.Entry {
	client := netip.AddrPortFrom(netip.MustParseAddr("10.244.1.9"), port)
	return conntrack.Entry{
		Original: conntrack.Tuple{Source: client, Destination: netip.MustParseAddrPort(to), Protocol: tcp},
		Reply:    conntrack.Tuple{Source: netip.MustParseAddrPort(endpoint), Destination: client, Protocol: tcp},
		Packets:  packets, Bytes: 60 * packets, Status: status,
	}
}

func services() []event.ProxyService {
	return []event.ProxyService{
		{Key: "demo/web:http", Protocol: "tcp", Frontends: []event.ProxyFrontend{
			{Kind: "cluster", IP: "10.96.0.20", Port: 80}, {Kind: "node", Port: 30080},
		}},
		{Key: "kube-system/kube-dns:dns", Protocol: "udp", Frontends: []event.ProxyFrontend{{Kind: "cluster", IP: "10.96.0.10", Port: 53}}},
	}
}

func web(t *testing.T, l *conntrack.Ledger) event.ProxyCount {
	t.Helper()
	changed := l.Changed()
	if len(changed) != 1 {
		t.Fatalf("changed %+v, want web alone", changed)
	}
	return changed["demo/web:http"]
}

const (
	clusterIP = "10.96.0.20:80"
	podA      = "10.244.0.2:8080"
	podB      = "10.244.0.3:8080"
)

func TestConnectionsAreCountedByEndpoint(t *testing.T) {
	l := conntrack.NewLedger()
	l.Learn(services())
	l.Begin(entry(1000, clusterIP, podA, 1, 0))
	l.Begin(entry(1001, clusterIP, podB, 1, 0))
	l.Begin(entry(1002, clusterIP, podB, 1, 0))
	l.Begin(entry(1003, "10.10.0.101:30080", podB, 1, 0)) // the node port
	l.Begin(entry(1004, clusterIP, clusterIP, 1, 0))      // not sent on: none of the service's
	l.Begin(entry(1005, "10.96.0.99:80", podB, 1, 0))     // of no service
	got := web(t, l)
	if got.Conns != 4 || got.Entries != 4 || got.Endpoints[podA].Conns != 1 || got.Endpoints[podB].Conns != 3 || got.Packets != 4 || got.Bytes != 240 {
		t.Errorf("counted %+v", got)
	}
	if l.Changed() != nil || l.Urgent() {
		t.Error("nothing changed since")
	}
	masqueraded := entry(1006, clusterIP, podA, 1, 0)
	masqueraded.Reply.Destination = netip.MustParseAddrPort("10.10.0.101:5555")
	l.Begin(masqueraded)
	if got := web(t, l); got.Masqueraded != 1 || got.Conns != 5 {
		t.Errorf("counted %+v", got)
	}
}

func TestTotalsOutliveConnectionsAndRules(t *testing.T) {
	l := conntrack.NewLedger()
	l.Learn(services())
	l.Begin(entry(1000, clusterIP, podA, 1, 0))
	l.Begin(entry(1001, clusterIP, podA, 1, 0))
	l.Changed()
	l.Learn(nil) // the rules are gone; the connections are not
	l.End(entry(1000, clusterIP, podA, 10, replied))
	l.End(entry(1001, clusterIP, podA, 3, 0))
	l.End(entry(1001, clusterIP, podA, 3, 0)) // twice is once
	got := web(t, l)
	if got.Conns != 2 || got.Entries != 0 || got.Packets != 13 || got.Bytes != 780 || got.Unanswered != 1 || got.Endpoints[podA].Unanswered != 1 {
		t.Errorf("counted %+v", got)
	}
	l.Learn(services())
	if got := web(t, l); got.Conns != 2 || got.Packets != 13 {
		t.Errorf("when the rules are back: %+v", got)
	}
}

func TestListings(t *testing.T) {
	l := conntrack.NewLedger()
	l.Learn(services())
	a, b := entry(1000, clusterIP, podA, 1, 0), entry(1001, clusterIP, podB, 1, 0)
	l.Begin(a)
	l.Begin(b)
	l.Changed()

	// One answers, one stays silent; an unknown one is left for its event.
	a.Packets, a.Bytes, a.Status = 5, 300, replied
	l.Table([]conntrack.Entry{a, b, entry(1002, clusterIP, podB, 1, 0)}, false)
	got := web(t, l)
	if got.Conns != 2 || got.Silent != 1 || got.Endpoints[podB].Silent != 1 || got.Endpoints[podA].Silent != 0 || got.Packets != 6 {
		t.Errorf("after a listing: %+v", got)
	}
	// Only bytes changed: that is not urgent.
	a.Packets, a.Bytes = 7, 420
	l.Table([]conntrack.Entry{a, b}, false)
	if l.Urgent() {
		t.Error("more packets of a known connection are not urgent")
	}
	if got := web(t, l); got.Packets != 8 || got.Bytes != 480 {
		t.Errorf("after more packets: %+v", got)
	}
	// One that two listings lack has ended unseen; one may have begun between.
	l.Table([]conntrack.Entry{a}, false)
	if changed := l.Changed(); changed != nil {
		t.Errorf("missing in one listing: %+v", changed)
	}
	l.Table([]conntrack.Entry{a}, false)
	if got := web(t, l); got.Entries != 1 || got.Silent != 0 || got.Conns != 2 {
		t.Errorf("missing in two listings: %+v", got)
	}
	// After events were missed, a listing counts those it has beyond.
	l.Table([]conntrack.Entry{a, entry(1003, clusterIP, podB, 1, 0)}, true)
	if got := web(t, l); got.Conns != 3 || got.Entries != 2 {
		t.Errorf("a complete listing: %+v", got)
	}
	if l.Live() != 2 {
		t.Errorf("%d live", l.Live())
	}
}

func TestHitsAndRejections(t *testing.T) {
	l := conntrack.NewLedger()
	l.Hits("demo/web:http", "", 4)
	l.Hits("demo/web:http", podA, 3)
	l.Rejected("demo/web:http", 2)
	if got := web(t, l); got.Hits != 4 || got.Endpoints[podA].Hits != 3 || got.Rejected != 2 || got.Conns != 0 {
		t.Errorf("counted %+v", got)
	}
}

// TestEndpointsAreBounded: a service whose pods come and go does not grow
// without end.
func TestEndpointsAreBounded(t *testing.T) {
	l := conntrack.NewLedger()
	l.Learn(services())
	for i := range 300 {
		e := entry(uint16(2000+i), clusterIP, fmt.Sprintf("10.244.%d.%d:8080", i/200, 2+i%200), 1, 0)
		l.Begin(e)
		if i > 0 {
			l.End(e)
		}
	}
	got := web(t, l)
	if len(got.Endpoints) > 65 || got.Conns != 300 || got.Endpoints["10.244.0.2:8080"].Entries != 1 {
		t.Errorf("%d endpoints of %d connections are kept", len(got.Endpoints), got.Conns)
	}
}

func TestUDP(t *testing.T) {
	l := conntrack.NewLedger()
	l.Learn(services())
	e := entry(1000, "10.96.0.10:53", "10.244.0.5:53", 1, 0)
	l.Begin(e) // TCP to a port that is UDP's
	e.Original.Protocol, e.Reply.Protocol = udp, udp
	l.Begin(e)
	if got := l.Changed(); len(got) != 1 || got["kube-system/kube-dns:dns"].Conns != 1 {
		t.Errorf("counted %+v", got)
	}
}

func TestLookUps(t *testing.T) {
	l := conntrack.NewLedger()
	l.Learn(services())
	a, b := entry(1000, clusterIP, podA, 1, replied), entry(1001, clusterIP, podB, 1, 0)
	l.Begin(a)
	l.Begin(b)
	l.Changed()
	if open := l.Connections(false); len(open) != 1 || open[0] != b.Original {
		t.Errorf("without an answer: %v", open)
	}
	if all := l.Connections(true); len(all) != 2 {
		t.Errorf("all: %v", all)
	}
	l.See(b)
	if got := web(t, l); got.Silent != 1 || got.Endpoints[podB].Silent != 1 {
		t.Errorf("one waits: %+v", got)
	}
	b.Packets, b.Bytes, b.Status = 3, 180, replied
	l.See(b)
	if got := web(t, l); got.Silent != 0 || got.Packets != 4 {
		t.Errorf("it was answered: %+v", got)
	}
	l.See(entry(1002, clusterIP, podB, 1, 0)) // of no connection that began

	// Its end may be on the way when it is not found; then that is what counts.
	l.Gone(b.Original)
	b.Packets, b.Bytes = 9, 540
	l.End(b)
	l.Gone(b.Original)
	if got := web(t, l); got.Packets != 10 || got.Entries != 1 {
		t.Errorf("ended, as told: %+v", got)
	}
	// Not found twice, it has ended without a word; found meanwhile, it has not.
	for _, found := range []bool{true, false} {
		l.Gone(a.Original)
		if found {
			l.See(a)
		}
		if l.Live() != 1 {
			t.Fatal("not found once is not gone")
		}
	}
	l.Gone(a.Original)
	if got := web(t, l); l.Live() != 0 || got.Entries != 0 {
		t.Errorf("not found twice: %+v", got)
	}
}

// TestWhatIsAskedFor: connections that are over are remembered by the kernel for
// minutes, and need not be asked for.
func TestWhatIsAskedFor(t *testing.T) {
	const (
		assured     = 1 << 2 // IPS_ASSURED
		established = 3      // TCP_CONNTRACK_ESTABLISHED
		timeWait    = 7      // TCP_CONNTRACK_TIME_WAIT
	)
	for name, is := range map[string]struct {
		protocol, state uint8
		status          uint32
		now, later      bool
	}{
		"asked for an answer":    {tcp, 1, 0, true, true},
		"goes on":                {tcp, established, replied | assured, false, true},
		"closed":                 {tcp, timeWait, replied | assured, false, false},
		"a lookup":               {udp, 0, replied, false, false},
		"a stream of datagrams":  {udp, 0, replied | assured, false, true},
		"a lookup, not answered": {udp, 0, 0, true, true},
	} {
		l := conntrack.NewLedger()
		l.Learn(services())
		to := map[uint8]string{tcp: clusterIP, udp: "10.96.0.10:53"}[is.protocol]
		e := entry(1000, to, podA, 1, is.status)
		e.Original.Protocol, e.Reply.Protocol, e.TCPState = is.protocol, is.protocol, is.state
		l.Begin(e)
		l.See(e)
		if now, later := len(l.Connections(false)) == 1, len(l.Connections(true)) == 1; now != is.now || later != is.later {
			t.Errorf("one that %s is asked for: %t soon, %t now and then; want %t, %t", name, now, later, is.now, is.later)
		}
	}
}
