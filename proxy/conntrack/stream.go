package conntrack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

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

// Stream is the events of connections that begin and end.
type Stream struct {
	nl     *netlink.Conn
	missed func()
}

// Listen begins to listen in a network namespace. The kernel reports events
// while somebody listens (net.netfilter.nf_conntrack_events=2 is its default).
// Missed is called from Run when the kernel had more than the buffer holds.
func Listen(ns *namespace.Net, missed func()) (*Stream, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns.FD()})
	if err != nil {
		return nil, fmt.Errorf("open conntrack socket: %w", err)
	}
	// Beyond net.core.rmem_max only with CAP_NET_ADMIN; less is no failure.
	_ = nl.SetReadBuffer(buffer)
	for _, group := range []uint32{groupNew, groupDestroy} {
		if err := nl.JoinGroup(group); err != nil {
			return nil, errors.Join(fmt.Errorf("listen to conntrack events: %w", err), nl.Close())
		}
	}
	return &Stream{nl: nl, missed: missed}, nil
}

// Run calls began and ended with the entries until ctx ends, then closes the
// socket and returns nil.
func (s *Stream) Run(ctx context.Context, began, ended func(Entry)) error {
	defer s.nl.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.nl.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		messages, err := s.nl.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			s.missed()
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return fmt.Errorf("receive conntrack events: %w", err)
		}
		for _, m := range messages {
			e, ok, err := parse(m)
			switch {
			case err != nil || !ok:
			case m.Header.Type == messageNew:
				began(e)
			case m.Header.Type == messageEnd:
				ended(e)
			}
		}
	}
}

// Table calls take with every entry of IPv4 that exists now.
func Table(ns *namespace.Net, take func(Entry)) error {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns.FD()})
	if err != nil {
		return fmt.Errorf("open conntrack socket: %w", err)
	}
	defer nl.Close()
	replies, err := nl.Execute(netlink.Message{
		Header: netlink.Header{Type: messageGet, Flags: netlink.Request | netlink.Dump},
		Data:   []byte{familyIPv4, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return fmt.Errorf("list conntrack entries: %w", err)
	}
	for _, m := range replies {
		e, ok, err := parse(m)
		if err != nil {
			return err
		}
		if ok {
			take(e)
		}
	}
	return nil
}
