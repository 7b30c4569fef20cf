package userspace_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/rules"
	"workbench/proxy/userspace"
)

// answer answers each datagram with a name and the datagram.
func answer(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(append([]byte(name+" "), buffer[:n]...), from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func dns(port uint16, endpoints ...netip.AddrPort) userspace.Port {
	return userspace.Port{
		Key: "demo/dns:dns", Protocol: userspace.UDP, Cluster: endpoints,
		Frontends: []userspace.Frontend{{Kind: rules.Cluster, Address: at("127.3.0.1", port)}},
	}
}

// query sends a datagram over a connected socket, which takes answers from that
// address alone.
func query(t *testing.T, conn net.Conn, text string, patience time.Duration) (string, error) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	n, err := conn.Read(buffer)
	return string(buffer[:n]), err
}

func datagrams(t *testing.T, to netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp4", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestDatagrams(t *testing.T) {
	b := start(t)
	one, two := answer(t, "one"), answer(t, "two")
	p := dns(freePort(t), one)
	to := p.Frontends[0].Address
	b.serve(p)
	conn := datagrams(t, to)
	for range 3 {
		if got, err := query(t, conn, "who", patience); err != nil || got != "one who" {
			t.Fatalf("answered %q, %v", got, err)
		}
	}
	b.count(p.Key, "one session", func(c event.ProxyCount) bool { return c.Conns == 1 && c.Entries == 1 && c.Bytes == 3*(3+7) })
	// Its endpoint goes: the session does, and the next datagram goes to another.
	p.Cluster = []netip.AddrPort{two}
	b.serve(p)
	if got, err := query(t, conn, "who", patience); err != nil || got != "two who" {
		t.Fatalf("answered %q, %v", got, err)
	}
	b.count(p.Key, "the first session to end", func(c event.ProxyCount) bool { return c.Entries == 1 && c.Conns == 2 })
	p.Cluster = nil
	b.serve(p)
	if got, err := query(t, datagrams(t, to), "who", patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without endpoints: %q, %v; want it refused", got, err)
	}
	b.count(p.Key, "no session", func(c event.ProxyCount) bool { return c.Entries == 0 && c.Conns == 2 && c.Unanswered == 0 })
}

// TestSessionsAreBounded: the one used least recently ends for a new one.
func TestSessionsAreBounded(t *testing.T) {
	b := start(t)
	b.SetMostSessions(3)
	p := dns(freePort(t), answer(t, "one"))
	b.serve(p)
	for range 10 {
		b.clock.add(time.Second)
		if _, err := query(t, datagrams(t, p.Frontends[0].Address), "who", patience); err != nil {
			t.Fatal(err)
		}
	}
	b.count(p.Key, "three sessions of ten", func(c event.ProxyCount) bool { return c.Conns == 10 && c.Entries <= 4 })
}

// TestNobodyAnswersDatagrams: a session with an endpoint that refuses is counted.
func TestNobodyAnswersDatagrams(t *testing.T) {
	b := start(t)
	p := dns(freePort(t), at("127.0.0.1", freePort(t)))
	b.serve(p)
	conn := datagrams(t, p.Frontends[0].Address)
	if got, err := query(t, conn, "who", 100*time.Millisecond); err == nil {
		t.Errorf("answered %q", got)
	}
	b.count(p.Key, "an unanswered session", func(c event.ProxyCount) bool { return c.Unanswered == 1 && c.Entries == 0 })
}
