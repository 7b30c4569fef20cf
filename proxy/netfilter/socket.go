package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Socket is a netlink socket in a network namespace, of which is read what is
// there, without waiting. It is used by one goroutine at a time, from anywhere.
type Socket struct {
	*netlink.Conn
	raw      syscall.RawConn
	in       []byte
	sequence uint32
}

// Open opens a socket in a network namespace.
func Open(ns *namespace.Net) (*Socket, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns.FD()})
	if err != nil {
		return nil, fmt.Errorf("open netfilter socket: %w", err)
	}
	raw, err := nl.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open netfilter socket: %w", err), nl.Close())
	}
	return &Socket{Conn: nl, raw: raw, in: make([]byte, 32<<10)}, nil
}

// Subscribe opens a socket that keeps what the kernel says to multicast groups until
// it is taken, as far as its receive buffer holds that, in bytes.
func Subscribe(ns *namespace.Net, buffer int, groups ...uint32) (*Socket, error) {
	s, err := Open(ns)
	if err != nil {
		return nil, err
	}
	// Beyond net.core.rmem_max only with CAP_NET_ADMIN; less is no failure.
	_ = s.SetReadBuffer(buffer)
	for _, group := range groups {
		if err := s.JoinGroup(group); err != nil {
			return nil, errors.Join(fmt.Errorf("join netfilter's group %d: %w", group, err), s.Close())
		}
	}
	return s, nil
}

// Said calls take with all that was said since it was last called, in order. Missed
// is true when there was more than the buffer holds.
func (s *Socket) Said(take func(netlink.Message) error) (missed bool, err error) {
	for {
		err := s.Pending(take)
		if !errors.Is(err, unix.ENOBUFS) {
			return missed, err
		}
		missed = true
	}
}

// Ask sends a request that has one answer at most and calls take with that. The
// kernel has answered when the request is sent. It marks some of these answers as
// the first of several, so that whoever waits for their end waits for ever.
func (s *Socket) Ask(request netlink.Message, take func(netlink.Message) error) error {
	return s.request(request, take)
}

// Dump sends a request that has many answers and calls take with each. The kernel
// makes them as they are read, so that there is nothing to wait for.
func (s *Socket) Dump(request netlink.Message, take func(netlink.Message) error) error {
	ended := false
	err := s.request(request, func(m netlink.Message) error {
		if m.Header.Type != netlink.Done {
			return take(m)
		}
		ended = true
		return refusal(m)
	})
	if err == nil && !ended {
		return errors.New("receive from netfilter: the answer has no end")
	}
	return err
}

func (s *Socket) request(request netlink.Message, take func(netlink.Message) error) error {
	s.sequence++
	request.Header.Sequence = s.sequence
	request.Header.Length = uint32(unix.NLMSG_HDRLEN + len(request.Data))
	out, err := request.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode netfilter message: %w", err)
	}
	failed := s.raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return true
	})
	if err = errors.Join(failed, err); err != nil {
		return fmt.Errorf("ask netfilter: %w", err)
	}
	return s.Pending(func(m netlink.Message) error {
		switch {
		case m.Header.Sequence != s.sequence:
			return nil
		case m.Header.Type == netlink.Error:
			return refusal(m)
		}
		return take(m)
	})
}

// refusal is the error of a struct nlmsgerr; 0 is none.
func refusal(m netlink.Message) error {
	if len(m.Data) < 4 {
		return fmt.Errorf("read netfilter message: %d bytes of an error", len(m.Data))
	}
	if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// Pending calls take with all messages that have arrived, of which it may keep
// nothing.
func (s *Socket) Pending(take func(netlink.Message) error) error {
	for {
		n, err := s.receive()
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("receive from netfilter: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(s.in[:n])
		if err != nil {
			return fmt.Errorf("receive from netfilter: %w", err)
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
func (s *Socket) receive() (n int, err error) {
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
