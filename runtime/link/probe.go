package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"workbench/runtime/namespace"
)

// End is one end of a link to measure.
type End struct {
	NS   *namespace.Net
	Addr netip.Addr // its own
}

// Shot is a series of packets to send.
type Shot struct {
	Packets int
	Every   time.Duration // 0 sends them as fast as it goes
	Bytes   int           // of each; at least 16
	// Wait is how long to wait for the last.
	Wait time.Duration
}

// Measure is what became of a series of packets.
type Measure struct {
	Sent, Arrived int
	// Median, Least and Most are one-way delays.
	Median, Least, Most time.Duration
	// Bits is the rate, in bits/s, at which they arrived after the first; 0 when
	// fewer than two did.
	Bits float64
}

// Lost is the share of packets that did not arrive, 0 to 1.
func (m Measure) Lost() float64 {
	if m.Sent == 0 {
		return 0
	}
	return 1 - float64(m.Arrived)/float64(m.Sent)
}

// OneWay sends UDP packets from one end and receives them at the other. Both
// sockets are this process's, so what it measures is one direction alone, by one
// clock.
func OneWay(ctx context.Context, from, to End, s Shot) (Measure, error) {
	in, err := listen(to)
	if err != nil {
		return Measure{}, fmt.Errorf("measure a link: %w", err)
	}
	defer in.Close()
	out, err := listen(from)
	if err != nil {
		return Measure{}, fmt.Errorf("measure a link: %w", err)
	}
	defer out.Close()
	began := time.Now()
	var arrivals []arrival
	var receiving sync.WaitGroup
	receiving.Go(func() { arrivals = receive(in, began, s.Packets) })
	sent, err := send(ctx, out, in.LocalAddr(), began, s)
	wait := s.Wait
	if err != nil {
		wait = 0
	}
	if deadline := in.SetReadDeadline(time.Now().Add(wait)); deadline != nil {
		_ = in.Close()
	}
	receiving.Wait()
	if err != nil {
		return Measure{}, fmt.Errorf("measure a link: %w", err)
	}
	return summarise(sent, s.Bytes, arrivals), nil
}

// arrival is a packet that came through; times are since the beginning.
type arrival struct{ sent, came time.Duration }

func listen(e End) (*net.UDPConn, error) {
	var conn *net.UDPConn
	err := e.NS.Do(func() error {
		var err error
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.Addr, 0)))
		return err
	})
	return conn, err
}

func send(ctx context.Context, out *net.UDPConn, to net.Addr, began time.Time, s Shot) (int, error) {
	buf := make([]byte, max(s.Bytes, 16))
	ticker := time.NewTicker(max(s.Every, time.Microsecond))
	defer ticker.Stop()
	for i := range s.Packets {
		if i > 0 && s.Every > 0 {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return i, context.Cause(ctx)
			}
		}
		binary.BigEndian.PutUint64(buf, uint64(i))
		binary.BigEndian.PutUint64(buf[8:], uint64(time.Since(began)))
		if _, err := out.WriteTo(buf, to); err != nil {
			return i, err
		}
	}
	return s.Packets, nil
}

func receive(in *net.UDPConn, began time.Time, most int) []arrival {
	var out []arrival
	buf := make([]byte, 64<<10)
	for len(out) < most {
		n, err := in.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return out
		}
		if err != nil || n < 16 {
			continue
		}
		out = append(out, arrival{time.Duration(binary.BigEndian.Uint64(buf[8:])), time.Since(began)})
	}
	return out
}

func summarise(sent, size int, arrivals []arrival) Measure {
	m := Measure{Sent: sent, Arrived: len(arrivals)}
	if len(arrivals) == 0 {
		return m
	}
	var delays []time.Duration
	for _, a := range arrivals {
		delays = append(delays, a.came-a.sent)
	}
	slices.Sort(delays)
	m.Median, m.Least, m.Most = delays[len(delays)/2], delays[0], delays[len(delays)-1]
	if took := arrivals[len(arrivals)-1].came - arrivals[0].came; took > 0 {
		m.Bits = float64((len(arrivals)-1)*size*8) / took.Seconds()
	}
	return m
}
