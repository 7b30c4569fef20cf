package conntrack

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// socket is a netlink socket of which is read what is there, without waiting.
type socket struct {
	nl  *netlink.Conn
	raw syscall.RawConn
	in  []byte
}

func open(ns *namespace.Net) (socket, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns.FD()})
	if err != nil {
		return socket{}, fmt.Errorf("open conntrack socket: %w", err)
	}
	raw, err := nl.SyscallConn()
	if err != nil {
		return socket{}, errors.Join(fmt.Errorf("open conntrack socket: %w", err), nl.Close())
	}
	return socket{nl: nl, raw: raw, in: make([]byte, 32<<10)}, nil
}

// Close closes the socket.
func (s socket) Close() error { return s.nl.Close() }

// pending calls take with all messages that have arrived, of which it may keep
// nothing.
func (s socket) pending(take func(netlink.Message) error) error {
	for {
		n, err := s.receive()
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("receive from conntrack: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(s.in[:n])
		if err != nil {
			return fmt.Errorf("receive from conntrack: %w", err)
		}
		for _, m := range messages {
			h := netlink.Header{Type: netlink.HeaderType(m.Header.Type), Flags: netlink.HeaderFlags(m.Header.Flags), Sequence: m.Header.Seq}
			if err := take(netlink.Message{Header: h, Data: m.Data}); err != nil {
				return err
			}
		}
	}
}

// receive reads one datagram, or returns EAGAIN.
func (s socket) receive() (n int, err error) {
	failed := s.raw.Read(func(fd uintptr) bool {
		for {
			n, _, err = unix.Recvfrom(int(fd), s.in, unix.MSG_DONTWAIT)
			if !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}
