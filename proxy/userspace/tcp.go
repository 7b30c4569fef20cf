package userspace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long each endpoint that is tried has to answer, as upstream's
// userspace proxier had it (pkg/proxy/userspace: EndpointDialTimeouts) until
// Kubernetes 1.26.
var patience = [...]time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}

// acceptRest is the pause after an accept that failed, for lack of descriptors.
const acceptRest = 50 * time.Millisecond

// tcpSocket accepts connections at a place.
type tcpSocket struct {
	f        *Forwarder
	stand    stand
	listener *net.TCPListener
}

func (f *Forwarder) listenTCP(at netip.AddrPort, want stand) (socket, error) {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, why(err)
	}
	t := &tcpSocket{f: f, stand: want, listener: l}
	f.running.Go(t.accept)
	return t, nil
}

// why is the innermost reason: the address is known already.
func why(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

func (t *tcpSocket) serves() (*service, Frontend) { return t.stand.service, t.stand.Frontend }
func (t *tcpSocket) refresh()                     {}
func (t *tcpSocket) close()                       { _ = t.listener.Close() }

func (t *tcpSocket) accept() {
	for {
		conn, err := t.listener.AcceptTCP()
		switch {
		case err == nil:
			t.f.running.Go(func() { t.carry(conn) })
		case errors.Is(err, net.ErrClosed):
			return
		default:
			t.f.Log.Warn("accept a connection", "service", t.stand.service.key, "cause", err)
			select {
			case <-time.After(acceptRest):
			case <-t.f.ctx.Done():
			}
		}
	}
}

// carry serves one client to its end.
func (t *tcpSocket) carry(client *net.TCPConn) {
	defer client.Close()
	s := t.stand.service
	s.tally.accepted()
	endpoint, conn := t.reach(client)
	if conn == nil {
		_ = client.SetLinger(0) // the client sees a reset, and not an empty answer
		s.tally.ended(false)
		return
	}
	defer conn.Close()
	defer context.AfterFunc(t.f.ctx, func() {
		_ = client.Close()
		_ = conn.Close()
	})()
	var copying sync.WaitGroup
	copying.Go(func() { t.copy(conn, client, endpoint) })
	copying.Go(func() { t.copy(client, conn, endpoint) })
	copying.Wait()
	s.tally.left(endpoint, true)
	s.tally.ended(true)
}

// reach connects to an endpoint: to another one when the first does not answer.
func (t *tcpSocket) reach(client *net.TCPConn) (netip.AddrPort, *net.TCPConn) {
	from := plain(client.RemoteAddr().(*net.TCPAddr).AddrPort())
	s, record := t.stand.service, &Record{Client: from, Listener: t.stand.Address, Service: t.stand.service.key, Kind: t.stand.Kind, At: t.f.Now()}
	inside := t.f.inside(from.Addr(), t.stand.Address.Addr())
	var tried, refused []netip.AddrPort
	for _, timeout := range patience {
		c, ok := s.choose(t.stand.Frontend, from.Addr(), inside, tried, t.f.Now())
		if !ok {
			// Those that were only slow get more time.
			tried = slices.Clone(refused)
			if c, ok = s.choose(t.stand.Frontend, from.Addr(), inside, tried, t.f.Now()); !ok {
				break
			}
		}
		t.f.records.change(record, func(r *Record) {
			r.Attempts = append(r.Attempts, Attempt{Endpoint: c.endpoint, Of: c.of, Kept: c.kept})
		})
		s.tally.asked(c.endpoint)
		began := t.f.Now()
		conn, err := t.dial(c.endpoint, timeout)
		s.tally.answered(c.endpoint, err == nil)
		t.f.records.change(record, func(r *Record) {
			last := &r.Attempts[len(r.Attempts)-1]
			last.Took = t.f.Now().Sub(began)
			if err != nil {
				last.Error = err.Error()
			} else {
				last.Source, r.Done = plain(conn.LocalAddr().(*net.TCPAddr).AddrPort()), true
			}
		})
		if err == nil {
			return c.endpoint, conn
		}
		s.lost(from.Addr(), c.endpoint)
		tried = append(tried, c.endpoint)
		if !errors.Is(err, errSlow) {
			refused = append(refused, c.endpoint)
		}
	}
	t.f.records.change(record, func(r *Record) { r.Done = true })
	return netip.AddrPort{}, nil
}

// errSlow is that of an endpoint that may still answer.
var errSlow = errors.New("no answer")

func (t *tcpSocket) dial(to netip.AddrPort, timeout time.Duration) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(t.f.ctx, "tcp4", to.String())
	var slow net.Error
	switch {
	case err == nil:
		return conn.(*net.TCPConn), nil
	case errors.As(err, &slow) && slow.Timeout():
		return nil, fmt.Errorf("%w within %v", errSlow, timeout)
	}
	return nil, why(err)
}

// copy carries one direction until its sender ends it. A reset is passed on.
func (t *tcpSocket) copy(to, from *net.TCPConn, endpoint netip.AddrPort) {
	raw, err := from.SyscallConn()
	for err == nil {
		var buffer *[]byte
		var n int
		if buffer, n, err = receive(raw); err != nil {
			break
		}
		if n > 0 {
			_, err = to.Write((*buffer)[:n])
			t.stand.service.tally.moved(endpoint, n)
		}
		chunks.Put(buffer)
		if n == 0 {
			_ = to.CloseWrite()
			return
		}
	}
	for _, conn := range []*net.TCPConn{to, from} {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
}
