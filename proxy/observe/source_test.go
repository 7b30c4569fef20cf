package observe_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/proxy/observe"
	"workbench/proxy/proxytest"
	"workbench/proxy/rules"
)

// The main goroutine keeps the main thread, as in the workbench.
func init() { runtime.LockOSThread() }

// reader is a running source, folded into a world.
type reader struct {
	t       *testing.T
	mu      sync.Mutex
	world   *state.World
	changed chan struct{}
}

func read(t *testing.T, n *proxytest.Node, mode string) *reader {
	t.Helper()
	r := &reader{t: t, world: state.New(), changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- observe.Run(ctx, observe.Config{Node: "w1", Mode: mode, Net: n.Net, Emit: r.emit, Log: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *reader) emit(body event.Body) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.world.Apply(event.Event{Time: time.Now(), Body: body})
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// patience bounds what should take a second.
const patience = 20 * time.Second

// await waits until the node's rules are as wanted.
func (r *reader) await(what string, wanted func(*state.ProxyNode) bool) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		n := r.world.Proxy.Nodes["w1"]
		ok := n != nil && wanted(n)
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			text, _ := json.Marshal(n)
			r.t.Fatalf("not within %v: %s\n%s", patience, what, text)
		}
	}
}

func connect(t *testing.T, n *proxytest.Node, address string, times int) {
	t.Helper()
	for range times {
		if err := n.Connect(address); err != nil {
			t.Fatal(err)
		}
	}
}

// modes are how rules are written and read.
func modes() map[string]func(*proxytest.Node, []proxytest.Service) {
	return map[string]func(*proxytest.Node, []proxytest.Service){
		rules.IPTables: (*proxytest.Node).IPTables, rules.NFTables: (*proxytest.Node).NFTables,
	}
}

const (
	webAddress = "10.96.0.20:80"
	endpointA  = "10.244.0.2:8080"
	endpointB  = "10.244.0.3:8080"
)

// TestCountsSurviveRewrites: conns, hits and rejections agree with what was done,
// and grow on when all rules are written anew.
func TestCountsSurviveRewrites(t *testing.T) {
	for mode, write := range modes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			n := proxytest.New(t)
			n.Sysctl("net.netfilter.nf_conntrack_acct", "1")
			if mode == rules.IPTables {
				n.IPTablesJumps()
			}
			web := []proxytest.Service{{Key: "demo/web:http", Address: webAddress, Endpoints: []string{endpointA, endpointB}}, {Key: "demo/nobody", Address: "10.96.0.21:80"}}
			n.Serve(endpointA)
			n.Serve(endpointB)
			write(n, web)
			r := read(t, n, mode)
			r.await("the services", func(n *state.ProxyNode) bool {
				return len(n.Services) == 2 && len(n.Services["demo/web:http"].Endpoints) == 2 && n.Services["demo/nobody"].Refused == "reject"
			})
			connect(t, n, webAddress, 10)
			if err := n.Connect("10.96.0.21:80"); err == nil {
				t.Error("connected to a Service without endpoints")
			}
			refused := uint64(1)
			counted := func(conns uint64, entries int) func(*state.ProxyNode) bool {
				return func(n *state.ProxyNode) bool {
					s := n.Services["demo/web:http"]
					if s == nil {
						return false
					}
					c, sum := s.Count, uint64(0)
					for _, e := range c.Endpoints {
						sum += e.Conns
					}
					if c.Conns != conns || sum != conns || c.Entries != entries {
						return false
					}
					nobody := n.Services["demo/nobody"].Count.Rejected
					return nobody == refused && (mode == rules.NFTables || c.Hits == conns)
				}
			}
			r.await("ten connections", counted(10, 10))
			// The same rules, all written anew, and one endpoint less.
			write(n, web)
			connect(t, n, webAddress, 5)
			if err := n.Connect("10.96.0.21:80"); err == nil {
				t.Error("connected to a Service without endpoints")
			}
			refused = 2
			r.await("fifteen connections", counted(15, 15))
			// Written anew, with nobody looking in between: twice what they were, and
			// once something else.
			for range 3 {
				connect(t, n, webAddress, 2)
				if err := n.Connect("10.96.0.21:80"); err == nil {
					t.Error("connected to a Service without endpoints")
				}
				write(n, web)
			}
			refused = 5
			r.await("twenty-one connections", counted(21, 21))
			web[0].Endpoints = []string{endpointB}
			write(n, web)
			r.await("one endpoint", func(n *state.ProxyNode) bool {
				sync := n.LastSync()
				return len(n.Services["demo/web:http"].Endpoints) == 1 && sync != nil && sync.Removed > 0 && len(sync.Changes) > 0
			})
			connect(t, n, webAddress, 2)
			r.await("twenty-three connections", counted(23, 23))
			// The connections to the endpoint that is gone are still known.
			r.await("entries of the endpoint that is gone", func(n *state.ProxyNode) bool {
				return n.Services["demo/web:http"].Count.Endpoints[endpointA].Entries > 0
			})
			n.Forget()
			r.await("no entries", func(n *state.ProxyNode) bool {
				c := n.Services["demo/web:http"].Count
				return c.Entries == 0 && c.Conns == 23 && c.Packets >= 5*23 && c.Bytes > 0
			})
			write(n, nil)
			r.await("no services", func(n *state.ProxyNode) bool { return len(n.Services) == 0 })
			write(n, web)
			r.await("the totals of before", func(n *state.ProxyNode) bool {
				s := n.Services["demo/web:http"]
				return s != nil && s.Count.Conns == 23
			})
		})
	}
}

func TestWrongConfigIsRefused(t *testing.T) {
	n := proxytest.New(t)
	err := observe.Run(t.Context(), observe.Config{Node: "w1", Mode: "ipvs", Net: n.Net, Emit: func(event.Body) {}, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Error("accepted mode ipvs")
	}
}

// cpu is the processor time of this process and of the children it waited for.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	total := time.Duration(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return total
}

// BenchmarkRefresh measures the processor time of reading 500 services of four
// endpoints: a listing after a change, the counters of a second in which
// connections began, and a second in which nothing happened.
func BenchmarkRefresh(b *testing.B) {
	for mode, write := range modes() {
		n := proxytest.New(b)
		if mode == rules.IPTables {
			n.IPTablesJumps()
		}
		write(n, proxytest.Services(500, 4))
		for _, what := range []string{"listing", "counters", "idle"} {
			b.Run(mode+"/"+what, func(b *testing.B) {
				refresh, stop, err := observe.Refresher(b.Context(), observe.Config{Node: "w1", Mode: mode, Net: n.Net, Emit: func(event.Body) {}, Log: slog.New(slog.DiscardHandler)}, what)
				if err != nil {
					b.Fatal(err)
				}
				defer stop()
				began := cpu(b)
				for b.Loop() {
					if err := refresh(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((cpu(b)-began).Microseconds())/1000/float64(b.N), "cpu-ms/op")
			})
		}
	}
}
