// Package proxytest makes network namespaces with the rules kube-proxy would
// write, for tests: real rules, real connections, no cluster.
package proxytest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"workbench/runtime/namespace"
	"workbench/runtime/namespace/namespacetest"
	"workbench/test/require"
)

// Node is a network namespace whose only interface is lo. Every address is routed
// to lo, so that a connection to a Service's address meets the rules of OUTPUT and
// arrives at an endpoint in the same namespace.
type Node struct {
	Net *namespace.Net
	t   testing.TB
}

// Address is the node's own.
const Address = "10.10.0.101"

// New makes a namespace that ends with the test; it skips where that cannot be.
func New(t testing.TB) *Node {
	t.Helper()
	require.Programs(t, "iptables-restore", "nft", "sysctl")
	ns, _ := namespacetest.Net(t)
	n := &Node{Net: ns, t: t}
	n.must(ns.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(lo); err != nil {
			return err
		}
		own, err := netlink.ParseAddr(Address + "/32")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(lo, own); err != nil {
			return err
		}
		_, all, err := net.ParseCIDR("0.0.0.0/0")
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: all, Src: own.IP, Scope: netlink.SCOPE_LINK})
	}))
	return n
}

func (n *Node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// Run runs a program in the namespace and returns what it prints.
func (n *Node) Run(stdin, program string, args ...string) string {
	n.t.Helper()
	var out, problem bytes.Buffer
	err := n.Net.Do(func() error {
		cmd := exec.Command(program, args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problem
		return cmd.Run()
	})
	if err != nil {
		n.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, problem.String())
	}
	return out.String()
}

// Serve listens at an address of the namespace, which is added to it, and closes
// every connection that comes.
func (n *Node) Serve(address string) {
	n.t.Helper()
	at := netip.MustParseAddrPort(address)
	var listener net.Listener
	n.must(n.Net.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		own, err := netlink.ParseAddr(at.Addr().String() + "/32")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(lo, own); err != nil {
			return err
		}
		listener, err = net.Listen("tcp4", address)
		return err
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	n.t.Cleanup(func() { _ = listener.Close(); <-done })
}

// Connect makes a connection to an address and closes it.
func (n *Node) Connect(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	conn, err := n.Net.DialContext(ctx, "tcp4", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Forget empties the connection tracking table.
func (n *Node) Forget() {
	n.t.Helper()
	n.must(n.Net.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) }))
}

// Sysctl sets a sysctl of the namespace.
func (n *Node) Sysctl(name, value string) {
	n.t.Helper()
	n.Run("", "sysctl", "-q", "-w", fmt.Sprintf("%s=%s", name, value))
}
