// Package nameserver answers DNS questions by asking others: the way out of a lab
// for names, and for nothing else. It looks at no more than a message's header.
package nameserver

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// Bounds.
const (
	timeout    = 2 * time.Second // of one question to one server
	maxMessage = 64 << 10
	maxAsked   = 256              // questions at once; more are dropped, as a network would
	idle       = 10 * time.Second // of a connection
	header     = 12               // bytes of a message
)

// Codes of answers that are our own.
const (
	servfail = 2
	refused  = 5
)

// Config of a server.
type Config struct {
	Packets net.PacketConn
	Streams net.Listener
	// Servers are whom to ask, in order, as IP:port; none refuses every question.
	Servers func() []string
}

// Run answers until ctx ends, and closes what it listens on.
func Run(ctx context.Context, c Config) error {
	s := &server{Config: c, room: make(chan struct{}, maxAsked)}
	stop := context.AfterFunc(ctx, func() { _, _ = c.Packets.Close(), c.Streams.Close() })
	defer stop()
	errs := make(chan error, 2)
	go func() { errs <- s.packets(ctx) }()
	go func() { errs <- s.streams(ctx) }()
	err := <-errs
	_, _ = c.Packets.Close(), c.Streams.Close()
	err = errors.Join(err, <-errs)
	s.all.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type server struct {
	Config
	room chan struct{}
	all  sync.WaitGroup
}

// spawn answers in the background if there is room.
func (s *server) spawn(answer func()) bool {
	select {
	case s.room <- struct{}{}:
		s.all.Go(func() {
			defer func() { <-s.room }()
			answer()
		})
		return true
	default:
		return false
	}
}

func (s *server) packets(ctx context.Context) error {
	buf := make([]byte, maxMessage)
	for {
		n, from, err := s.Packets.ReadFrom(buf)
		if err != nil {
			return fmt.Errorf("answer questions of names: %w", err)
		}
		if n < header {
			continue
		}
		query := append([]byte(nil), buf[:n]...)
		s.spawn(func() { _, _ = s.Packets.WriteTo(s.answer(ctx, "udp", query), from) })
	}
}

func (s *server) streams(ctx context.Context) error {
	for {
		conn, err := s.Streams.Accept()
		if err != nil {
			return fmt.Errorf("answer questions of names: %w", err)
		}
		if !s.spawn(func() { s.stream(ctx, conn) }) {
			_ = conn.Close()
		}
	}
}

// stream answers the questions of a connection, one after another.
func (s *server) stream(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r := bufio.NewReader(conn)
	for {
		_ = conn.SetDeadline(time.Now().Add(idle))
		query, err := readMessage(r)
		if err != nil || len(query) < header {
			return
		}
		if err := writeMessage(conn, s.answer(ctx, "tcp", query)); err != nil {
			return
		}
	}
}

// answer is the first answer of a server; an answer of our own when there is none.
func (s *server) answer(ctx context.Context, network string, query []byte) []byte {
	servers := s.Servers()
	if len(servers) == 0 {
		return own(query, refused)
	}
	for _, at := range servers {
		if a, err := ask(ctx, network, at, query); err == nil {
			return a
		}
	}
	return own(query, servfail)
}

// own is an answer without records.
func own(query []byte, code byte) []byte {
	a := append([]byte(nil), query...)
	a[2] |= 0x80       // a response
	a[2] &^= 0x06      // neither authoritative nor cut
	a[3] = 0x80 | code // recursion is available
	clear(a[6:10])     // no answers, no authorities
	return a
}

func ask(ctx context.Context, network, at string, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	if network == "tcp" {
		if err := writeMessage(conn, query); err != nil {
			return nil, err
		}
		return readMessage(bufio.NewReader(conn))
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, maxMessage)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if n >= header && buf[0] == query[0] && buf[1] == query[1] && buf[2]&0x80 != 0 {
			return buf[:n], nil
		}
	}
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, m)
	return m, err
}

func writeMessage(w io.Writer, m []byte) error {
	if len(m) > 0xffff {
		return errors.New("message too long")
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}

// Host are the name servers of this machine, from a file such as /etc/resolv.conf;
// none where there is no such file, or it names none.
func Host(file string) []string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(fields[1]); err == nil {
			out = append(out, netip.AddrPortFrom(ip, 53).String())
		}
	}
	return out
}
