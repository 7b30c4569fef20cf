package userspace

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of UDP, which has no end of its own.
const (
	// idle is how long a session lives without a datagram: what the kernel's
	// connection tracking gives one that was not answered.
	idle = 30 * time.Second
	// mostSessions is of all ports together; the one used least recently of a port
	// ends for a new one.
	mostSessions = 4096
)

// udpSocket takes datagrams at a place.
type udpSocket struct {
	f     *Forwarder
	stand stand
	conn  *net.UDPConn

	mu       sync.Mutex
	sessions map[netip.AddrPort]*session // by client
}

// session is the datagrams of one client, both ways.
type session struct {
	client, endpoint netip.AddrPort
	conn             *net.UDPConn // to the endpoint
	used             atomic.Int64 // when the client last sent, in nanoseconds of the epoch
	answered         atomic.Bool
}

func (f *Forwarder) listenUDP(at netip.AddrPort, want stand) (socket, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, why(err)
	}
	u := &udpSocket{f: f, stand: want, conn: conn, sessions: map[netip.AddrPort]*session{}}
	f.running.Go(u.run)
	return u, nil
}

func (u *udpSocket) serves() (*service, Frontend) { return u.stand.service, u.stand.Frontend }

// refresh ends the sessions with endpoints that are no more: their clients'
// next datagrams go to others.
func (u *udpSocket) refresh() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if !u.stand.service.uses(s.endpoint) {
			u.forget(s)
		}
	}
}

// forget ends a session; its client's next datagram begins another. Callers lock.
func (u *udpSocket) forget(s *session) {
	if u.sessions[s.client] == s {
		delete(u.sessions, s.client)
	}
	_ = s.conn.Close()
}

func (u *udpSocket) close() { _ = u.conn.Close() }

func (u *udpSocket) run() {
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, s := range u.sessions {
			u.forget(s)
		}
	}()
	buffer := make([]byte, chunk)
	for {
		n, client, err := u.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // what the network says of an earlier answer to some client
		}
		if err := u.carry(plain(client), buffer[:n]); err != nil {
			u.f.Log.Warn("carry a datagram", "service", u.stand.service.key, "client", client.String(), "cause", err)
		}
	}
}

// carry sends a datagram on. One that an ended session, or one whose endpoint
// refused an earlier datagram, does not take begins another session.
func (u *udpSocket) carry(client netip.AddrPort, datagram []byte) error {
	for range 2 {
		s, err := u.session(client)
		if err != nil || s == nil {
			return err // there may be nobody for it
		}
		s.used.Store(u.f.Now().UnixNano())
		if _, err = s.conn.Write(datagram); err == nil {
			u.stand.service.tally.moved(s.endpoint, len(datagram))
			return nil
		}
		u.mu.Lock()
		u.forget(s)
		u.mu.Unlock()
	}
	return nil
}

// session is that of a client; a new one for one that has none. It is nil when
// there is no endpoint.
func (u *udpSocket) session(client netip.AddrPort) (*session, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s := u.sessions[client]; s != nil {
		return s, nil
	}
	service := u.stand.service
	c, ok := service.choose(u.stand.Frontend, client.Addr(), u.f.inside(client.Addr(), u.stand.Address.Addr()), nil, u.f.Now())
	if !ok {
		return nil, nil
	}
	if u.f.sessions.Load() >= u.f.most {
		u.endOldest()
	}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(c.endpoint))
	if err != nil {
		service.lost(client.Addr(), c.endpoint)
		return nil, why(err)
	}
	s := &session{client: client, endpoint: c.endpoint, conn: conn}
	u.sessions[client] = s
	u.f.sessions.Add(1)
	service.tally.accepted()
	service.tally.asked(c.endpoint)
	service.tally.answered(c.endpoint, true) // it is not asked: a datagram needs no consent
	u.f.running.Go(func() { u.answer(s) })
	return s, nil
}

// endOldest makes room. Callers lock.
func (u *udpSocket) endOldest() {
	var oldest *session
	for _, s := range u.sessions {
		if oldest == nil || s.used.Load() < oldest.used.Load() {
			oldest = s
		}
	}
	if oldest != nil {
		u.forget(oldest)
	}
}

// answer carries an endpoint's datagrams back until the session ends.
func (u *udpSocket) answer(s *session) {
	raw, err := s.conn.SyscallConn()
	for err == nil {
		_ = s.conn.SetReadDeadline(time.Now().Add(idle))
		var buffer *[]byte
		var n int
		buffer, n, err = receive(raw)
		if errors.Is(err, os.ErrDeadlineExceeded) && u.f.Now().Sub(time.Unix(0, s.used.Load())) < idle {
			err = nil
			continue
		}
		if err != nil {
			break
		}
		s.answered.Store(true)
		_, err = u.conn.WriteToUDPAddrPort((*buffer)[:n], s.client)
		chunks.Put(buffer)
		u.stand.service.tally.moved(s.endpoint, n)
	}
	u.mu.Lock()
	u.forget(s)
	u.mu.Unlock()
	u.f.sessions.Add(-1)
	u.stand.service.tally.left(s.endpoint, s.answered.Load())
	u.stand.service.tally.ended(s.answered.Load())
}
