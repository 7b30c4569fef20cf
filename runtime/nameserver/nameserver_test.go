package nameserver

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// open serves in front of some servers; the answers are asked for over both ways.
func open(t *testing.T, servers ...string) string {
	t.Helper()
	var streams net.Listener
	var packets net.PacketConn
	var err error
	for packets == nil { // both on one port: another process may have the one of them
		if streams, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if packets, err = net.ListenPacket("udp", streams.Addr().String()); err != nil {
			streams.Close()
			packets = nil
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Packets: packets, Streams: streams, Servers: func() []string { return servers }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return streams.Addr().String()
}

// fake answers every question with one address.
func fake(t *testing.T) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close(); streams.Close() })
	reply := func(query []byte) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(query); err != nil {
			t.Error(err)
			return nil
		}
		m.Response = true
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 5},
			Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}},
		}}
		raw, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return raw
	}
	go func() {
		buf := make([]byte, maxMessage)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(reply(buf[:n]), from)
		}
	}()
	go func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			if query, err := readMessage(conn); err == nil {
				_ = writeMessage(conn, reply(query))
			}
			conn.Close()
		}
	}()
	return packets.LocalAddr().String()
}

func lookUp(t *testing.T, network, at string) (dnsmessage.RCode, int) {
	t.Helper()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 4711, RecursionDesired: true}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("example.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
	}}
	query, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ask(t.Context(), network, at, query)
	if err != nil {
		t.Fatal(err)
	}
	var a dnsmessage.Message
	if err := a.Unpack(raw); err != nil {
		t.Fatal(err)
	}
	if a.ID != 4711 || !a.Response || len(a.Questions) != 1 {
		t.Errorf("answer %+v", a)
	}
	return a.RCode, len(a.Answers)
}

// TestAsksOthersOrSaysNo asks with a server, behind a dead one, with none, and with
// a dead one alone.
func TestAsksOthersOrSaysNo(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := dead.Addr().String()
	dead.Close()
	for _, c := range []struct {
		what    string
		servers []string
		code    dnsmessage.RCode
		answers int
	}{
		{"a server", []string{fake(t)}, dnsmessage.RCodeSuccess, 1},
		{"a server behind a dead one", []string{gone, fake(t)}, dnsmessage.RCodeSuccess, 1},
		{"no server", nil, dnsmessage.RCodeRefused, 0},
		{"a dead server", []string{gone}, dnsmessage.RCodeServerFailure, 0},
	} {
		at := open(t, c.servers...)
		for _, network := range []string{"udp", "tcp"} {
			if code, answers := lookUp(t, network, at); code != c.code || answers != c.answers {
				t.Errorf("%s over %s: %v with %d records", c.what, network, code, answers)
			}
		}
	}
}

// TestHostReadsNameServers reads a resolv.conf, and none.
func TestHostReadsNameServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if got := Host(file); got != nil {
		t.Errorf("without a file %v", got)
	}
	if err := os.WriteFile(file, []byte("search x\n# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver nonsense\noptions edns0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := Host(file), []string{"192.0.2.1:53", "[2001:db8::1]:53"}; !slices.Equal(got, want) {
		t.Errorf("servers %v, want %v", got, want)
	}
}
