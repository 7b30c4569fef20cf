package test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"workbench/cluster/state"
	"workbench/runtime/namespace"
)

// dials says whether a TCP connection from a node to an address comes up within
// a second. Refused is an answer too.
func dials(t *testing.T, w *state.World, from, address string) bool {
	t.Helper()
	ns, err := namespace.NetOf(w.Nodes[from].PID)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var conn net.Conn
	err = ns.Do(func() error {
		conn, err = (&net.Dialer{Timeout: time.Second}).Dial("tcp4", address)
		return err
	})
	if err == nil {
		_ = conn.Close()
	}
	return err == nil || strings.Contains(err.Error(), "refused")
}

// droppedAt is the number of rules of faults in a node.
func droppedAt(t *testing.T, w *state.World, node string) int {
	t.Helper()
	return strings.Count(inNode(t, w.Nodes[node].PID, "iptables-save", "-t", "mangle"), "-j DROP")
}

// connection is one that is open from a node to another.
type connection struct{ near, far net.Conn }

func openConnection(t *testing.T, w *state.World, from, to string) connection {
	t.Helper()
	var listener net.Listener
	do := func(node string, fn func() error) {
		t.Helper()
		ns, err := namespace.NetOf(w.Nodes[node].PID)
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		if err := ns.Do(fn); err != nil {
			t.Fatal(err)
		}
	}
	do(to, func() (err error) { listener, err = net.Listen("tcp4", ipOf(w, to)+":0"); return err })
	defer listener.Close()
	var c connection
	do(from, func() (err error) { c.near, err = net.Dial("tcp4", listener.Addr().String()); return err })
	var err error
	if c.far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.near.Close(); _ = c.far.Close() })
	return c
}

// passes says whether a byte gets through within a time.
func (c connection) passes(within time.Duration) bool {
	if _, err := c.near.Write([]byte{1}); err != nil {
		return false
	}
	_ = c.far.SetReadDeadline(time.Now().Add(within))
	_, err := c.far.Read(make([]byte, 1<<10))
	return err == nil
}

// ping is the loss in percent and the average round trip of ICMP echoes between
// nodes, by the toolbox's ping on the host network of nobody: it is sent from
// the node's own namespace.
func roundTrip(t *testing.T, w *state.World, from, to string) time.Duration {
	t.Helper()
	c := openConnection(t, w, from, to)
	go func() {
		buf := make([]byte, 1)
		for {
			if _, err := c.far.Read(buf); err != nil {
				return
			}
			if _, err := c.far.Write(buf); err != nil {
				return
			}
		}
	}()
	least := time.Hour
	for range 5 {
		began := time.Now()
		_ = c.near.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.near.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.near.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		least = min(least, time.Since(began))
	}
	return least
}

// lostDatagrams is the share of UDP packets that do not arrive.
func lostDatagrams(t *testing.T, w *state.World, from, to string) float64 {
	t.Helper()
	socket := func(node string) *net.UDPConn {
		ns, err := namespace.NetOf(w.Nodes[node].PID)
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		var conn *net.UDPConn
		if err := ns.Do(func() (err error) {
			conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ipOf(w, node))})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	in, out := socket(to), socket(from)
	const count = 300
	for range count {
		if _, err := out.WriteTo([]byte("x"), in.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	_ = in.SetReadDeadline(time.Now().Add(time.Second))
	came := 0
	for came < count {
		if _, err := in.Read(make([]byte, 16)); err != nil {
			break
		}
		came++
	}
	return 1 - float64(came)/count
}

// transfer is how long bytes take from a node to another over TCP.
func transfer(t *testing.T, w *state.World, from, to string, size int) time.Duration {
	t.Helper()
	c := openConnection(t, w, from, to)
	began := time.Now()
	go func() { _, _ = c.near.Write(make([]byte, size)); _ = c.near.Close() }()
	_ = c.far.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := new(bytes.Buffer).ReadFrom(c.far)
	if err != nil || int(n) != size {
		t.Fatalf("%d of %d bytes came: %v", n, size, err)
	}
	return time.Since(began)
}
