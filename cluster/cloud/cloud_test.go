package cloud

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"workbench/cluster/api"
)

// network remembers what it was programmed with, and fails when told to.
type network struct {
	mu        sync.Mutex
	routes    map[netip.Prefix]string
	balancers map[string]Balancer
	broken    error
}

func (n *network) Route(routes map[netip.Prefix]string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken == nil {
		n.routes = maps.Clone(routes)
	}
	return n.broken
}

func (n *network) Balance(balancers map[string]Balancer) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken == nil {
		n.balancers = maps.Clone(balancers)
	}
	return n.broken
}

// world is a lab of two nodes and its cloud.
type world struct {
	cloud *Cloud
	net   *network
	cfg   Config
	nodes []Instance
}

func newWorld(t *testing.T, within string) *world {
	t.Helper()
	w := &world{net: &network{}, nodes: []Instance{
		{ID: "lab/w1", Name: "w1", Address: netip.MustParseAddr("10.10.0.101"), Type: "machine"},
		{ID: "lab/w2", Name: "w2", Address: netip.MustParseAddr("10.10.0.102"), Type: "machine", Shutdown: true},
	}}
	w.cfg = Config{
		Range: netip.MustParsePrefix(within), File: filepath.Join(t.TempDir(), "cloud.json"), Network: w.net,
		Instances: func() []Instance { return w.nodes },
	}
	w.open(t)
	return w
}

// open is what a start of the supervisor does.
func (w *world) open(t *testing.T) {
	t.Helper()
	var err error
	if w.cloud, err = Open(w.cfg); err != nil {
		t.Fatal(err)
	}
	*w.net = network{}
	if err := w.cloud.Restore(); err != nil {
		t.Fatal(err)
	}
}

func want(id string) Want {
	return Want{Balancer: Balancer{ID: id, Service: "default/" + id, Nodes: []string{"w2", "w1"}, Check: Check{10256, "/healthz"}}}
}

func (w *world) balancer(t *testing.T, want Want) netip.Addr {
	t.Helper()
	b, err := w.cloud.SetBalancer(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.net.balancers[want.ID].Address; got != b.Address {
		t.Errorf("balancer %s has %s, the network has %s", want.ID, b.Address, got)
	}
	return b.Address
}

func TestBalancersKeepTheirAddresses(t *testing.T) {
	w := newWorld(t, "10.64.0.0/28")
	a, b := w.balancer(t, want("a")), w.balancer(t, want("b"))
	if a.String() != "10.64.0.1" || b.String() != "10.64.0.2" {
		t.Fatalf("addresses %s and %s, want the first two of the range", a, b)
	}
	if again := w.balancer(t, want("a")); again != a {
		t.Errorf("asked again, a has %s instead of %s", again, a)
	}
	fewer := want("a")
	fewer.Nodes = []string{"w1"}
	if again := w.balancer(t, fewer); again != a {
		t.Errorf("with fewer nodes, a has %s instead of %s", again, a)
	}
	w.open(t)
	if got := w.net.balancers["b"].Address; got != b {
		t.Errorf("after a restart the network has %s for b, want %s", got, b)
	}
	if again := w.balancer(t, want("b")); again != b {
		t.Errorf("after a restart b has %s instead of %s", again, b)
	}
	if err := w.cloud.RemoveBalancer("a"); err != nil {
		t.Fatal(err)
	}
	if _, left := w.net.balancers["a"]; left {
		t.Error("a is deleted, and the network has it still")
	}
	if err := w.cloud.RemoveBalancer("a"); err != nil {
		t.Errorf("deleted twice: %v", err)
	}
	if c := w.balancer(t, want("c")); c != a {
		t.Errorf("c has %s, want %s, which is free again", c, a)
	}
}

func TestAddressesAreRefused(t *testing.T) {
	w := newWorld(t, "10.64.0.0/30")
	chosen := want("a")
	chosen.Address = netip.MustParseAddr("10.64.0.2")
	if got := w.balancer(t, chosen); got != chosen.Address {
		t.Fatalf("a has %s, want the one it asked for", got)
	}
	for name, address := range map[string]string{"taken": "10.64.0.2", "outside": "10.65.0.1", "first": "10.64.0.0", "last": "10.64.0.3"} {
		other := want("b")
		other.Address = netip.MustParseAddr(address)
		if _, err := w.cloud.SetBalancer(other); !errors.Is(err, ErrConflict) {
			t.Errorf("%s address %s: %v, want a conflict", name, address, err)
		}
	}
	w.balancer(t, want("b"))
	if _, err := w.cloud.SetBalancer(want("c")); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "loadBalancerCIDR") {
		t.Errorf("a third of two addresses: %v, want a conflict that names the remedy", err)
	}
	if _, err := w.cloud.SetBalancer(Want{Balancer: Balancer{ID: "x"}}); !errors.Is(err, ErrConflict) {
		t.Errorf("a balancer without a check: %v, want a conflict", err)
	}
}

func TestRoutes(t *testing.T) {
	w := newWorld(t, "10.64.0.0/28")
	cidr := netip.MustParsePrefix("10.244.3.0/24")
	for range 2 {
		if err := w.cloud.SetRoute(Route{cidr, "w1"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.cloud.SetRoute(Route{netip.MustParsePrefix("10.244.4.0/24"), "w9"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a route to a node that is none: %v", err)
	}
	w.net.broken = errors.New("no such link")
	if err := w.cloud.SetRoute(Route{cidr, "w2"}); err == nil {
		t.Error("the network failed, the route did not")
	}
	if got := w.cloud.Routes(); len(got) != 1 || got[0] != (Route{cidr, "w1"}) {
		t.Errorf("routes %v, want the one that was made", got)
	}
	w.open(t)
	if w.net.routes[cidr] != "w1" {
		t.Errorf("after a restart the network has %v", w.net.routes)
	}
	if err := w.cloud.RemoveRoute(cidr); err != nil || len(w.net.routes) != 0 {
		t.Errorf("removed (%v), and the network has %v", err, w.net.routes)
	}
}

// TestAPI takes the way of the cloud-controller-manager: over the socket.
func TestAPI(t *testing.T) {
	w := newWorld(t, "10.64.0.0/28")
	socket := filepath.Join(t.TempDir(), "sock")
	client := NewClient(socket)
	client.pause = time.Millisecond
	// It is asked before it listens, as when the supervisor is starting.
	early := make(chan error)
	go func() {
		_, err := client.Instance(t.Context(), "w1")
		early <- err
	}()
	serve(t, socket, Handler(w.cloud))
	if err := <-early; err != nil {
		t.Errorf("asked before the cloud was there: %v", err)
	}

	if i, err := client.Instance(t.Context(), "w2"); err != nil || i != w.nodes[1] {
		t.Errorf("instance %+v, %v; want %+v", i, err, w.nodes[1])
	}
	if _, err := client.Instance(t.Context(), "w3"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an instance that is none: %v", err)
	}
	route := Route{netip.MustParsePrefix("10.244.3.0/24"), "w1"}
	if err := client.SetRoute(t.Context(), route); err != nil {
		t.Error(err)
	}
	if got, err := client.Routes(t.Context()); err != nil || len(got) != 1 || got[0] != route {
		t.Errorf("routes %v, %v", got, err)
	}
	if err := client.RemoveRoute(t.Context(), route.CIDR); err != nil {
		t.Error(err)
	}
	b, err := client.SetBalancer(t.Context(), want("a"))
	if err != nil || b.Address.String() != "10.64.0.1" || fmt.Sprint(b.Nodes) != "[w1 w2]" {
		t.Errorf("balancer %+v, %v", b, err)
	}
	if have, err := client.Balancer(t.Context(), "a"); err != nil || have.Address != b.Address {
		t.Errorf("balancer %+v, %v", have, err)
	}
	other := want("b")
	other.Address = b.Address
	if _, err := client.SetBalancer(t.Context(), other); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "default/a") {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := client.RemoveBalancer(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := client.Balancer(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a balancer that is gone: %v", err)
	}
}

func serve(t *testing.T, socket string, handler http.Handler) {
	t.Helper()
	listener, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
}
