package userspace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/proxy/rules"
	"workbench/proxy/userspace"
)

// patience bounds what should take no time.
const patience = 20 * time.Second

// had are the addresses that were asked for; those of 127.0.0.0/8 are there
// anyway.
type had struct{ wanted map[netip.Addr]bool }

func (h *had) Set(wanted map[netip.Addr]bool) error {
	h.wanted = wanted
	return nil
}

// clock is set by tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a forwarder and what it is asked to serve.
type bench struct {
	*userspace.Forwarder
	t         *testing.T
	addresses *had
	clock     *clock
	total     map[string]event.ProxyCount
}

// outside is the address of a client that is neither pod nor node.
const outside = "127.9.0.1"

func start(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, addresses: &had{}, clock: &clock{now: time.Unix(1_700_000_000, 0)}, total: map[string]event.ProxyCount{}}
	f, err := userspace.New(userspace.Config{Addresses: b.addresses, Now: b.clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.Forwarder = f
	t.Cleanup(f.Close)
	return b
}

func (b *bench) serve(ports ...userspace.Port) {
	b.t.Helper()
	if err := b.Sync(ports); err != nil {
		b.t.Fatal(err)
	}
}

// count waits until the totals of a port are as wanted.
func (b *bench) count(key, what string, wanted func(event.ProxyCount) bool) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		for key, c := range b.Counts(true) {
			b.total[key] = c
		}
		if wanted(b.total[key]) {
			return
		}
		time.Sleep(time.Millisecond) // the pace of asking; the deadline ends it
	}
	b.t.Fatalf("not within %v: %s; counted %+v", patience, what, b.total[key])
}

// freePort is a port of 127.0.0.0/8 that nobody has.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

func at(ip string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
}

// web is a TCP port at 127.3.0.1 with endpoints.
func web(port uint16, endpoints ...netip.AddrPort) userspace.Port {
	return userspace.Port{
		Key: "demo/web:http", Protocol: userspace.TCP, Cluster: endpoints,
		Frontends: []userspace.Frontend{{Kind: rules.Cluster, Address: at("127.3.0.1", port)}},
	}
}

// echo answers each connection with its name, and then with what it is sent.
func echo(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = fmt.Fprintln(conn, name)
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// dial connects from an IP.
func dial(from string, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	return d.Dial("tcp4", to.String())
}

// ask is the name of the endpoint that a client gets.
func (b *bench) ask(from string, to netip.AddrPort) (string, error) {
	b.t.Helper()
	conn, err := dial(from, to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).CloseWrite() // it may have been reset already
	all, err := io.ReadAll(conn)
	return strings.TrimSpace(string(all)), err
}

// named is ask, where there has to be an answer.
func (b *bench) named(from string, to netip.AddrPort) string {
	b.t.Helper()
	name, err := b.ask(from, to)
	if err != nil {
		b.t.Fatal(err)
	}
	return name
}

func TestStreams(t *testing.T) {
	b := start(t)
	one, two := echo(t, "one"), echo(t, "two")
	p := web(freePort(t), one, two)
	b.serve(p)
	to := p.Frontends[0].Address
	got := map[string]int{}
	for range 40 {
		got[b.named("127.0.0.1", to)]++
	}
	if len(got) != 2 || got["one"]+got["two"] != 40 {
		t.Errorf("answered: %v", got)
	}
	b.count(p.Key, "40 connections that ended", func(c event.ProxyCount) bool {
		return c.Conns == 40 && c.Entries == 0 && c.Endpoints[one.String()].Conns == uint64(got["one"]) && c.Endpoints[two.String()].Conns == uint64(got["two"]) && c.Bytes == 40*4
	})
	// A stream arrives as it was sent, and its end is passed on.
	conn, err := dial("127.0.0.1", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, echoed, _ := bytes.Cut(all, []byte("\n")); !bytes.Equal(echoed, sent) {
		t.Errorf("%d of %d bytes came back", len(echoed), len(sent))
	}
	b.count(p.Key, "bytes of both directions", func(c event.ProxyCount) bool { return c.Bytes == 41*4+2*uint64(len(sent)) && c.Conns == 41 })
}

func TestNoEndpointIsRefused(t *testing.T) {
	b := start(t)
	one := echo(t, "one")
	p := web(freePort(t), one)
	to := p.Frontends[0].Address
	b.serve(p)
	conn, err := dial("127.0.0.1", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	name := make([]byte, 4)
	if _, err := io.ReadFull(conn, name); err != nil {
		t.Fatal(err)
	}
	p.Cluster = nil
	b.serve(p)
	if _, err := b.ask("127.0.0.1", to); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("without endpoints: %v", err)
	}
	if !b.addresses.wanted[to.Addr()] {
		t.Error("the address is the node's no longer: its clients are not refused but lost")
	}
	if s := b.Services("w1"); len(s) != 1 || s[0].Refused != "reject" || len(s[0].Endpoints) > 0 {
		t.Errorf("services %+v", s)
	}
	// What was connected stays so.
	if _, err := conn.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, name); err != nil || string(name) != "more" {
		t.Errorf("a connection of before: %q, %v", name, err)
	}
	b.serve()
	if s := b.Services("w1"); len(s) > 0 || len(b.addresses.wanted) > 0 {
		t.Errorf("without Services: %+v, %v", s, b.addresses.wanted)
	}
}

func TestAffinity(t *testing.T) {
	b := start(t)
	p := web(freePort(t), echo(t, "one"), echo(t, "two"), echo(t, "three"))
	p.Affinity = time.Minute
	b.serve(p)
	to := p.Frontends[0].Address
	names := map[string]string{}
	for _, client := range []string{"127.1.0.1", "127.1.0.2", "127.1.0.3", "127.1.0.4", "127.1.0.5", "127.1.0.6", "127.1.0.7", "127.1.0.8"} {
		names[client] = b.named(client, to)
		for range 5 {
			b.clock.add(50 * time.Second) // each visit lets it stay longer
			if again := b.named(client, to); again != names[client] {
				t.Errorf("%s was sent to %s and then to %s", client, names[client], again)
			}
		}
	}
	other := map[string]bool{}
	for range 40 {
		b.clock.add(61 * time.Second)
		other[b.named("127.1.0.1", to)] = true
	}
	if len(other) < 2 {
		t.Errorf("after the timeout it was always sent to %v", other)
	}
	// An endpoint that is gone is not stayed with.
	gone := b.named("127.1.0.1", to)
	var left []netip.AddrPort
	for _, e := range p.Cluster {
		if b.named("127.0.0.1", e) != gone {
			left = append(left, e)
		}
	}
	p.Cluster = left
	b.serve(p)
	if name := b.named("127.1.0.1", to); name == gone {
		t.Errorf("still sent to %s", name)
	}
}

// TestEndpointThatRefuses: another one is tried, and a client of dead ones alone
// is reset.
func TestEndpointThatRefuses(t *testing.T) {
	b := start(t)
	dead := at("127.0.0.1", freePort(t))
	p := web(freePort(t), echo(t, "alive"), dead)
	p.Affinity = time.Minute
	b.serve(p)
	to := p.Frontends[0].Address
	for range 20 {
		if name := b.named("127.0.0.1", to); name != "alive" {
			t.Errorf("answered by %q", name)
		}
	}
	p.Cluster, p.Affinity = []netip.AddrPort{dead}, 0
	b.serve(p)
	if name, err := b.ask("127.0.0.1", to); err == nil {
		t.Errorf("answered by %q, and nobody is there", name)
	}
	b.count(p.Key, "one client without an answer", func(c event.ProxyCount) bool {
		return c.Conns == 21 && c.Unanswered == 1 && c.Endpoints[dead.String()].Unanswered >= 1 && c.Entries == 0 && c.Silent == 0
	})
}

// TestPolicies: who may come where, and to whom that leads.
func TestPolicies(t *testing.T) {
	b := start(t)
	here, there := echo(t, "here"), echo(t, "there")
	port := freePort(t)
	cluster, balancer := at("127.3.0.1", port), at("127.3.0.2", port)
	p := userspace.Port{
		Key: "demo/local", Protocol: userspace.TCP, Cluster: []netip.AddrPort{there}, Local: []netip.AddrPort{here},
		Frontends: []userspace.Frontend{{Kind: rules.Cluster, Address: cluster}, {Kind: rules.LoadBalancer, Address: balancer, Local: true}},
		Clients:   []netip.Prefix{netip.MustParsePrefix("127.9.0.0/16")},
	}
	b.serve(p)
	if name := b.named("127.0.0.1", cluster); name != "there" {
		t.Errorf("the cluster IP leads to %s", name)
	}
	// All of 127.0.0.0/8 is on this node, so that all clients are inside.
	if name := b.named(outside, balancer); name != "there" {
		t.Errorf("inside clients of the balancer's address get to %s", name)
	}
	if name, err := b.ask("127.8.0.1", balancer); err == nil {
		t.Errorf("a client outside of the ranges gets to %s", name)
	}
	p.Frontends[0].Local, p.Local = true, nil
	b.serve(p)
	if _, err := b.ask("127.0.0.1", cluster); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a local cluster IP without a local endpoint: %v", err)
	}
	s := b.Services("w1")[0]
	if s.Frontends[0].Policy != rules.Local || s.Refused != "reject" || s.Endpoints[0].Cluster != 1 {
		t.Errorf("services %+v", s)
	}
}

func TestTakenAddressIsTold(t *testing.T) {
	b := start(t)
	taken := echo(t, "somebody else")
	p := web(freePort(t), echo(t, "one"))
	q := web(0, echo(t, "two"))
	q.Key, q.Frontends[0].Address = "demo/taken", taken
	if err := b.Sync([]userspace.Port{p, q}); err == nil || !strings.Contains(err.Error(), "demo/taken") {
		t.Errorf("sync: %v", err)
	}
	if name := b.named("127.0.0.1", p.Frontends[0].Address); name != "one" {
		t.Errorf("answered by %s", name)
	}
	for _, s := range b.Services("w1") {
		if want := s.Key == q.Key; (s.Frontends[0].Problem != "") != want {
			t.Errorf("%s: problem %q", s.Key, s.Frontends[0].Problem)
		}
	}
	r := p
	r.Key = "demo/aaa" // the same address: the first by name has it
	b.serve(p, r)
	for _, s := range b.Services("w1") {
		if want := s.Key == p.Key; (s.Frontends[0].Problem != "") != want {
			t.Errorf("%s: problem %q", s.Key, s.Frontends[0].Problem)
		}
	}
}

// TestRecords: what became of a connection is known to who asks for it.
func TestRecords(t *testing.T) {
	b := start(t)
	one := echo(t, "one")
	p := web(freePort(t), one)
	b.serve(p)
	conn, err := dial("127.0.0.1", p.Frontends[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, ok := b.Connection(ctx, conn.LocalAddr().(*net.TCPAddr).AddrPort())
	if !ok || !r.Done || r.Service != p.Key || len(r.Attempts) != 1 || r.Attempts[0].Endpoint != one || !r.Attempts[0].Source.IsValid() || r.Attempts[0].Of != 1 {
		t.Errorf("recorded %+v, %t", r, ok)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if r, ok := b.Connection(over, at("127.0.0.1", 1)); ok {
		t.Errorf("of a connection that never was: %+v", r)
	}
}

// TestCloseEndsConnections: nothing goes on without its process.
func TestCloseEndsConnections(t *testing.T) {
	b := start(t)
	p := web(freePort(t), echo(t, "one"))
	b.serve(p)
	conn, err := dial("127.0.0.1", p.Frontends[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the connection ended with %v", err)
	}
	if err := b.Sync(nil); err == nil {
		t.Error("a closed forwarder serves")
	}
}

// TestSlowEndpoint: the only endpoint, which takes longer than the first patience
// to shake hands, is waited for.
func TestSlowEndpoint(t *testing.T) {
	b := start(t)
	// A socket whose backlog is full takes no handshake until somebody accepts.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	slow := at("127.0.0.1", uint16(own.(*unix.SockaddrInet4).Port))
	first, err := dial("127.0.0.1", slow) // fills it
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	p := web(freePort(t), slow)
	b.serve(p)
	client, err := dial("127.0.0.1", p.Frontends[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	b.count(p.Key, "a first attempt that failed", func(c event.ProxyCount) bool { return c.Endpoints[slow.String()].Unanswered >= 1 })
	taken, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(taken)
	b.count(p.Key, "the connection", func(c event.ProxyCount) bool { return c.Endpoints[slow.String()].Conns == 1 && c.Unanswered == 0 })
}
