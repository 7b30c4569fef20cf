package trace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/runtime/namespace"
)

// outcome is what became of a connection.
type outcome struct {
	source  netip.AddrPort
	latency time.Duration
	conn    net.Conn // nil when there is none
	err     error
}

// connect makes one connection from a namespace. It chooses its port before it
// sends anything, and calls ready with it.
func connect(ctx context.Context, ns *namespace.Net, from netip.Addr, to netip.AddrPort, ready func(netip.AddrPort) error) outcome {
	var o outcome
	var began time.Time
	dialer := net.Dialer{KeepAlive: -1, ControlContext: func(_ context.Context, _, _ string, raw syscall.RawConn) error {
		var err error
		if controlErr := raw.Control(func(fd uintptr) { o.source, err = bind(int(fd), from) }); controlErr != nil {
			return controlErr
		}
		if err != nil {
			return err
		}
		err = ready(o.source)
		began = time.Now()
		return err
	}}
	o.err = ns.Do(func() error {
		var err error
		o.conn, err = dialer.DialContext(ctx, "tcp4", to.String())
		return err
	})
	if !began.IsZero() {
		o.latency = time.Since(began)
	}
	return o
}

// bind gives a socket an address and a free port.
func bind(fd int, address netip.Addr) (netip.AddrPort, error) {
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: address.As4()}); err != nil {
		return netip.AddrPort{}, fmt.Errorf("bind to %s: %w", address, err)
	}
	got, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("bind to %s: %w", address, err)
	}
	in4, ok := got.(*unix.SockaddrInet4)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("bind to %s: got no IPv4 address", address)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), uint16(in4.Port)), nil
}

// verdict is the outcome in a word.
func (o outcome) verdict() string {
	var timeout net.Error
	switch {
	case o.err == nil:
		return "reply"
	case errors.Is(o.err, unix.ECONNREFUSED):
		return "refused"
	case errors.As(o.err, &timeout) && timeout.Timeout(), errors.Is(o.err, context.DeadlineExceeded):
		return "no reply"
	case errors.Is(o.err, unix.EHOSTUNREACH), errors.Is(o.err, unix.ENETUNREACH):
		return "unreachable"
	}
	return "failed"
}

// tell writes the outcome down; late says that the time for it was over.
func (o outcome) tell(out *event.ProxyTrace, late bool) {
	out.Source, out.Latency, out.Verdict = o.source.String(), o.latency, o.verdict()
	if errors.Is(o.err, context.Canceled) || late && o.err != nil && out.Verdict == "failed" {
		out.Verdict = "no reply"
	}
	if out.Verdict == "failed" {
		out.Detail = o.err.Error()
	}
}
