package applet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

func pingCommands() []command {
	return []command{{"ping", "[-c COUNT] [-i SECONDS] [-W SECONDS] [-s BYTES] [-q] HOST: send echo requests", ping}}
}

// pinger sends to one address. A raw socket needs CAP_NET_RAW; without it an ICMP
// datagram socket may be allowed, whose identifier the kernel chooses.
type pinger struct {
	call        Call
	conn        *icmp.PacketConn
	target      net.IP
	destination net.Addr
	v6, raw     bool
	size        int
	wait        time.Duration
}

func ping(c Call) error {
	flags := c.flags()
	count := flags.IntP("count", "c", 0, "")
	interval := flags.StringP("interval", "i", "1", "")
	wait := flags.StringP("timeout", "W", "2", "")
	size := flags.IntP("size", "s", 56, "")
	quiet := flags.BoolP("quiet", "q", false, "")
	flags.BoolP("numeric", "n", false, "")
	flags.BoolP("four", "4", false, "")
	six := flags.BoolP("six", "6", false, "")
	deadline := flags.StringP("deadline", "w", "infinity", "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *size < 0 || *size > 65_000 {
		return errors.New("want one host, and a size of 0 to 65000 bytes")
	}
	every, err := duration(*interval)
	if err != nil {
		return err
	}
	limit, err := duration(*deadline)
	if err != nil {
		return err
	}
	p := &pinger{call: c, size: *size}
	if p.wait, err = duration(*wait); err != nil {
		return err
	}
	network := "ip4"
	if *six || strings.Contains(flags.Arg(0), ":") {
		network, p.v6 = "ip6", true
	}
	address, err := net.ResolveIPAddr(network, flags.Arg(0))
	if err != nil {
		return err
	}
	p.target = address.IP
	if err := p.open(); err != nil {
		return fmt.Errorf("open an ICMP socket: %w (needs CAP_NET_RAW)", err)
	}
	defer p.conn.Close()
	fmt.Fprintf(c.Out, "PING %s (%s): %d data bytes\n", flags.Arg(0), p.target, p.size)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var trips []time.Duration
	sent := 0
	for ticker := time.NewTicker(max(every, time.Millisecond)); ; {
		trip, err := p.once(sent)
		sent++
		if err == nil {
			trips = append(trips, trip)
			if !*quiet {
				fmt.Fprintf(c.Out, "%d bytes from %s: seq=%d time=%.3f ms\n", p.size+8, p.target, sent-1, milliseconds(trip))
			}
		} else if !*quiet {
			fmt.Fprintf(c.Out, "seq=%d: %v\n", sent-1, err)
		}
		if sent == *count {
			break
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	return p.summary(flags.Arg(0), sent, trips)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (p *pinger) open() error {
	raw, datagram, local := "ip4:icmp", "udp4", "0.0.0.0"
	if p.v6 {
		raw, datagram, local = "ip6:ipv6-icmp", "udp6", "::"
	}
	conn, err := icmp.ListenPacket(raw, local)
	if err == nil {
		p.conn, p.raw, p.destination = conn, true, &net.IPAddr{IP: p.target}
		return nil
	}
	if conn, datagramErr := icmp.ListenPacket(datagram, local); datagramErr == nil {
		p.conn, p.destination = conn, &net.UDPAddr{IP: p.target}
		return nil
	}
	return err
}

// once sends one request and waits for its answer.
func (p *pinger) once(sequence int) (time.Duration, error) {
	kind, protocol := icmp.Type(ipv4.ICMPTypeEcho), 1
	if p.v6 {
		kind, protocol = ipv6.ICMPTypeEchoRequest, 58
	}
	identity := os.Getpid() & 0xffff
	body, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{ID: identity, Seq: sequence & 0xffff, Data: make([]byte, p.size)}}).Marshal(nil)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if _, err := p.conn.WriteTo(body, p.destination); err != nil {
		return 0, err
	}
	if err := p.conn.SetReadDeadline(start.Add(p.wait)); err != nil {
		return 0, err
	}
	buffer := make([]byte, 66_000)
	for {
		n, from, err := p.conn.ReadFrom(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, errors.New("no answer")
		}
		if err != nil {
			return 0, err
		}
		message, err := icmp.ParseMessage(protocol, buffer[:n])
		if err != nil {
			continue
		}
		switch answer := message.Body.(type) {
		case *icmp.Echo:
			reply := message.Type == ipv4.ICMPTypeEchoReply || message.Type == ipv6.ICMPTypeEchoReply
			if reply && answer.Seq == sequence&0xffff && (!p.raw || answer.ID == identity) {
				return time.Since(start), nil
			}
		case *icmp.DstUnreach:
			return 0, fmt.Errorf("%s says: destination unreachable", from)
		}
	}
}

func (p *pinger) summary(host string, sent int, trips []time.Duration) error {
	fmt.Fprintf(p.call.Out, "\n--- %s ping statistics ---\n%d packets transmitted, %d packets received, %d%% packet loss\n",
		host, sent, len(trips), 100*(sent-len(trips))/sent)
	if len(trips) == 0 {
		return status(1)
	}
	low, high, sum := trips[0], trips[0], time.Duration(0)
	for _, trip := range trips {
		low, high, sum = min(low, trip), max(high, trip), sum+trip
	}
	fmt.Fprintf(p.call.Out, "round-trip min/avg/max = %.3f/%.3f/%.3f ms\n", milliseconds(low), milliseconds(sum/time.Duration(len(trips))), milliseconds(high))
	return nil
}
