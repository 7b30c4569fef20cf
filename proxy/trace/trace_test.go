package trace_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/proxytest"
	"workbench/proxy/rules"
	"workbench/proxy/trace"
)

// The main goroutine keeps the main thread, as in the workbench.
func init() { runtime.LockOSThread() }

const (
	webAddress = "10.96.0.20:80"
	noAddress  = "10.96.0.21:80"
	endpointA  = "10.244.0.2:8080"
	endpointB  = "10.244.0.3:8080"
	deadEnd    = "10.244.0.9:8080" // nobody has it
)

// node has a Service with two endpoints, one without, and one whose only
// endpoint is not there.
func node(t *testing.T, mode string) *proxytest.Node {
	t.Helper()
	n := proxytest.New(t)
	services := []proxytest.Service{
		{Key: "demo/web:http", Address: webAddress, Endpoints: []string{endpointA, endpointB}},
		{Key: "demo/nobody:http", Address: noAddress},
		{Key: "demo/dead:http", Address: "10.96.0.22:80", Endpoints: []string{deadEnd}},
	}
	n.Serve(endpointA)
	n.Serve(endpointB)
	if mode == rules.IPTables {
		n.IPTablesJumps()
		n.IPTables(services)
	} else {
		n.NFTables(services)
	}
	return n
}

func config(n *proxytest.Node, mode, service, to string) trace.Config {
	return trace.Config{
		Mode: mode, Client: "w1", From: netip.MustParseAddr(proxytest.Address), FromNet: n.Net, FromNode: "w1",
		Nodes:   []trace.Node{{Name: "w1", Net: n.Net}},
		Service: service, To: netip.MustParseAddrPort(to),
		PodAt: func(ip netip.Addr) (string, string) { return "demo/pod-" + ip.String(), "w1" },
	}
}

// assertUntouched: no rule of the workbench is left.
func assertUntouched(t *testing.T, n *proxytest.Node) {
	t.Helper()
	if left := n.Run("", "nft", "list", "ruleset"); strings.Contains(left, "workbench") || strings.Contains(left, "nftrace") {
		t.Errorf("left in the namespace:\n%s", left)
	}
}

func has(t *testing.T, got event.ProxyTrace, what string, like func(event.ProxyStep) bool) {
	t.Helper()
	if !slices.ContainsFunc(got.Steps, like) {
		t.Errorf("%s is not among the steps %+v", what, got.Steps)
	}
}

func TestTraceNamesEveryRule(t *testing.T) {
	for _, mode := range []string{rules.IPTables, rules.NFTables} {
		t.Run(mode, func(t *testing.T) {
			n := node(t, mode)
			got, err := trace.Run(t.Context(), config(n, mode, "demo/web:http", webAddress))
			if err != nil {
				t.Fatal(err)
			}
			assertUntouched(t, n)
			if got.Verdict != "reply" || got.Endpoint != endpointA && got.Endpoint != endpointB || got.Latency <= 0 || len(got.Limits) > 0 {
				t.Errorf("got %+v", got)
			}
			ip, _, _ := strings.Cut(got.Endpoint, ":")
			if got.Pod != "demo/pod-"+ip {
				t.Errorf("endpoint %s is pod %s", got.Endpoint, got.Pod)
			}
			has(t, got, "the packet as it was sent", func(s event.ProxyStep) bool { return s.Packet == got.Source+" > "+webAddress })
			has(t, got, "the packet after DNAT", func(s event.ProxyStep) bool { return s.Packet == got.Source+" > "+got.Endpoint })
			if mode == rules.IPTables {
				has(t, got, "the service's rule", func(s event.ProxyStep) bool {
					return s.Chain == "KUBE-SERVICES" && s.Meaning == "to 10.96.0.20:80, which is demo/web:http" && strings.HasPrefix(s.Verdict, "jump KUBE-SVC-")
				})
				has(t, got, "the DNAT rule", func(s event.ProxyStep) bool {
					return s.Verdict == "accept" && strings.Contains(s.Rule, "--to-destination "+got.Endpoint)
				})
				// A client that is no pod is masqueraded.
				has(t, got, "the masquerade rule", func(s event.ProxyStep) bool {
					return s.Chain == "KUBE-POSTROUTING" && strings.Contains(s.Rule, "MASQUERADE")
				})
				if got.Masqueraded != "" && !strings.HasPrefix(got.Masqueraded, proxytest.Address) {
					t.Logf("seen as %s", got.Masqueraded)
				}
				return
			}
			has(t, got, "the service map", func(s event.ProxyStep) bool {
				return s.Chain == "services" && strings.HasPrefix(s.Verdict, "goto service-")
			})
			has(t, got, "the choice", func(s event.ProxyStep) bool {
				return s.Meaning == "choose by chance, one of 2" && s.Verdict == "accept"
			})
		})
	}
}

func TestTraceOfARefusal(t *testing.T) {
	for _, mode := range []string{rules.IPTables, rules.NFTables} {
		t.Run(mode, func(t *testing.T) {
			n := node(t, mode)
			got, err := trace.Run(t.Context(), config(n, mode, "demo/nobody:http", noAddress))
			if err != nil {
				t.Fatal(err)
			}
			assertUntouched(t, n)
			if got.Verdict == "reply" || got.Endpoint != "" || !strings.Contains(got.Detail, "ended on w1 in ") {
				t.Errorf("got %+v", got)
			}
			has(t, got, "the rule that rejects", func(s event.ProxyStep) bool {
				return strings.HasPrefix(s.Verdict, "drop") && strings.Contains(strings.ToLower(s.Rule), "reject")
			})
		})
	}
}

func TestTraceOfADeadEndpoint(t *testing.T) {
	n := node(t, rules.IPTables)
	got, err := trace.Run(t.Context(), config(n, rules.IPTables, "demo/dead:http", "10.96.0.22:80"))
	if err != nil {
		t.Fatal(err)
	}
	assertUntouched(t, n)
	if got.Verdict != "no reply" || got.Endpoint != deadEnd || got.Latency < 900*time.Millisecond {
		t.Errorf("got %+v", got)
	}
}

// TestAbortedTraceLeavesNothing ends a trace while it waits for an answer, which it
// does for a second: where this comes too late for that, it is tried again.
func TestAbortedTraceLeavesNothing(t *testing.T) {
	n := node(t, rules.NFTables)
	cfg := config(n, rules.NFTables, "demo/dead:http", "10.96.0.22:80")
	aborted := func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := trace.Run(ctx, cfg)
			done <- err
		}()
		for !strings.Contains(n.Run("", "nft", "list", "tables"), "workbench-trace") {
			if len(done) > 0 {
				break
			}
		}
		cancel()
		err := <-done
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("aborted: %v", err)
		}
		assertUntouched(t, n)
		return err != nil
	}
	for range 20 {
		if aborted() {
			return
		}
	}
	t.Error("not aborted in 20 traces")
}

// TestTraceWhenANodeEnds ends the client's node while it waits for an answer: the
// trace has an end, and says what it does not know.
func TestTraceWhenANodeEnds(t *testing.T) {
	n := node(t, rules.IPTables)
	cfg := config(n, rules.IPTables, "demo/dead:http", "10.96.0.22:80")
	gone := make(chan struct{})
	cfg.Nodes[0].Gone = gone
	cfg.PodAt = func(netip.Addr) (string, string) {
		close(gone) // it asks when the connection is over
		return "demo/dead", "w2"
	}
	got, err := trace.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	assertUntouched(t, n)
	if got.Verdict != "no reply" || !strings.Contains(got.Detail, "w1, where the client is, ended during the trace") || len(got.Limits) != 1 {
		t.Errorf("got %+v", got)
	}
}
