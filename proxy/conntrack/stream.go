package conntrack

import (
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/proxy/netfilter"
	"workbench/runtime/namespace"
)

// Multicast groups of conntrack events, and its messages.
const (
	groupNew     = 1 // NFNLGRP_CONNTRACK_NEW
	groupDestroy = 3 // NFNLGRP_CONNTRACK_DESTROY
	messageNew   = netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK << 8)
	messageGet   = netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK<<8 | 1)
	messageEnd   = netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK<<8 | 2)
)

// buffer is the receive buffer: some thousand events.
const buffer = 4 << 20

// Stream is the connections that begin and end. The kernel keeps what it says
// until it is taken. It is used by one goroutine at a time.
type Stream struct{ in *netfilter.Socket }

// Listen begins to listen in a network namespace. The kernel reports events
// while somebody listens (net.netfilter.nf_conntrack_events=2 is its default).
func Listen(ns *namespace.Net) (*Stream, error) {
	in, err := netfilter.Subscribe(ns, buffer, groupNew, groupDestroy)
	if err != nil {
		return nil, fmt.Errorf("listen to conntrack events: %w", err)
	}
	return &Stream{in}, nil
}

// Close closes the socket.
func (s *Stream) Close() error { return s.in.Close() }

// Take calls began and ended with the entries of what happened since it was last
// called, in order. Missed is true when more happened than the buffer holds.
func (s *Stream) Take(began, ended func(Entry)) (missed bool, err error) {
	return s.in.Said(func(m netlink.Message) error {
		e, ok, err := parse(m)
		switch {
		case err != nil || !ok:
		case m.Header.Type == messageNew:
			began(e)
		case m.Header.Type == messageEnd:
			ended(e)
		}
		return nil
	})
}
