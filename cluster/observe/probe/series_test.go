package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"workbench/cluster/event"
)

// script makes a target that succeeds (|), fails (x) or has nothing to ask (.)
// and returns the events.
func script(t *testing.T, batch int, signs string) []event.Probe {
	t.Helper()
	var events []event.Probe
	next := 0
	s := &series{
		Config: Config{Timeout: time.Second, Batch: batch, Emit: func(b event.Body) { events = append(events, b.(event.Probe)) }},
		Target: Target{Name: "t", Try: func(context.Context) error {
			next++
			return map[byte]error{'|': nil, 'x': errors.New("it fails"), '.': ErrIdle}[signs[next-1]]
		}},
	}
	for range signs {
		s.probe(t.Context())
	}
	return events
}

// TestBatches holds which successes one event may tell: those before it, and
// never the first after a failure.
func TestBatches(t *testing.T) {
	for signs, want := range map[string][]string{
		"||||||||":     {"3|", "3|"},
		"|||":          nil,
		"||x":          {"2x"},
		"||xx|||||||x": {"2x", "0x", "0|", "3|", "2x"},
		"|.|.|.|":      {"3|"},
		"....":         nil,
		"x|":           {"0x", "0|"},
	} {
		var got []string
		for _, e := range script(t, 4, signs) {
			sign := "|"
			if !e.OK {
				sign = "x"
			}
			got = append(got, string(rune('0'+len(e.Earlier)))+sign)
			last := time.Duration(1 << 62)
			for _, s := range e.Earlier {
				if s.Ago > last || s.Ago < 0 {
					t.Errorf("%s: earlier probes are out of order: %+v", signs, e.Earlier)
				}
				last = s.Ago
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: events %q, want %q", signs, got, want)
		}
	}
}

// TestOff holds that nothing is asked or told while the pulse is off, and that what
// was found before counts for nothing afterwards.
func TestOff(t *testing.T) {
	asked, off := 0, false
	var told []event.Probe
	s := &series{
		Config: Config{
			Timeout: time.Second, Batch: 2, Off: func() bool { return off },
			Emit: func(b event.Body) { told = append(told, b.(event.Probe)) },
		},
		Target: Target{Name: "t", Try: func(context.Context) error { asked++; return nil }},
	}
	s.probe(t.Context())
	off = true
	s.probe(t.Context())
	if asked != 1 || len(told) > 0 {
		t.Errorf("off: asked %d times, told %v", asked, told)
	}
	off = false
	s.probe(t.Context())
	if len(told) > 0 {
		t.Errorf("a probe from before it was off is told: %+v", told)
	}
	s.probe(t.Context())
	if asked != 3 || len(told) != 1 || len(told[0].Earlier) != 1 {
		t.Errorf("on again: asked %d times, told %+v", asked, told)
	}
}

// TestCalm holds how often is asked while all is calm, and that a target that fails
// is asked as often as ever.
func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, calm, broken := 0, true, errors.New("it fails")
		var fail error
		s := &series{
			Config: Config{
				Interval: time.Second, Timeout: time.Second, Batch: 1, Emit: func(event.Body) {}, Calm: func() bool { return calm },
			},
			Target: Target{Name: "t", Try: func(context.Context) error { asked++; return fail }},
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(ctx)
		}()
		in := func(seconds int) int {
			before := asked
			time.Sleep(time.Duration(seconds) * time.Second)
			synctest.Wait()
			return asked - before
		}
		time.Sleep(time.Millisecond) // off the ticks
		if got := in(40); got != 40/Seldom {
			t.Errorf("calm: asked %d times in 40 intervals", got)
		}
		calm = false
		if got := in(40); got != 40 {
			t.Errorf("not calm: asked %d times in 40 intervals", got)
		}
		calm, fail = true, broken
		if got := in(40); got < 37 {
			t.Errorf("failing: asked %d times in 40 intervals", got)
		}
		fail = nil
		if got := in(40); got > 40/Seldom+1 {
			t.Errorf("calm again: asked %d times in 40 intervals", got)
		}
		stop()
		<-done
	})
}

func TestService(t *testing.T) {
	status, connections := http.StatusOK, 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections++
		}
	}
	server.Start()
	defer server.Close()
	address := server.Listener.Addr().String()
	dial := func(ctx context.Context, network, to string) (net.Conn, error) {
		if to != "10.96.1.2:80" {
			t.Errorf("dialled %s", to)
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	here := true
	target := Service("w1", func() (Ask, Dial, bool) {
		return Ask{URL: url.URL{Scheme: "http", Host: "10.96.1.2:80", Path: "/healthz"}}, dial, here
	})
	if target.Name != "service/w1" {
		t.Errorf("it is called %s", target.Name)
	}
	for code, ok := range map[int]bool{200: true, 404: true, 500: false, 503: false} {
		status = code
		if err := target.Try(t.Context()); (err == nil) != ok {
			t.Errorf("status %d: %v", code, err)
		}
	}
	if connections != 4 {
		t.Errorf("%d connections for 4 requests: each must be chosen an endpoint of its own", connections)
	}
	here = false
	if err := target.Try(t.Context()); !errors.Is(err, ErrIdle) {
		t.Errorf("without a Service: %v", err)
	}
}

func TestServiceVerifies(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	ask := func(cfg *tls.Config) error {
		a := Ask{URL: url.URL{Scheme: "https", Host: server.Listener.Addr().String(), Path: "/livez"}, TLS: cfg}
		return a.from(t.Context(), (&net.Dialer{}).DialContext)
	}
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig
	if err := ask(&tls.Config{RootCAs: trusting.RootCAs, ServerName: "example.com"}); err != nil {
		t.Errorf("the right server: %v", err)
	}
	if err := ask(&tls.Config{RootCAs: trusting.RootCAs, ServerName: "kubernetes.default.svc"}); err == nil {
		t.Error("a server with another name passes")
	}
}

func TestDNS(t *testing.T) {
	server, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go answer(server)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	for domain, ok := range map[string]bool{"cluster.local": true, "elsewhere.local": false} {
		target := DNS("w1", domain, func() (string, Dial, bool) { return server.LocalAddr().String(), dial, true })
		if err := target.Try(t.Context()); (err == nil) != ok {
			t.Errorf("%s in %s: %v", target.Name, domain, err)
		}
	}
}

// answer knows the address of the API in cluster.local.
func answer(conn net.PacketConn) {
	buf := make([]byte, 512)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
			continue
		}
		q := m.Questions[0]
		m.Response, m.Additionals = true, nil
		if q.Name.String() != "KUBERNETES.default.svc.cluster.local." {
			m.RCode = dnsmessage.RCodeNameError
		} else if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 5},
				Body:   &dnsmessage.AResource{A: [4]byte{10, 96, 0, 1}},
			}}
		}
		if raw, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(raw, from)
		}
	}
}
