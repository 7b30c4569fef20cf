package balancer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"workbench/runtime/balancer"
)

// backend answers each line with its name until it is closed.
type backend struct {
	address string
	close   func()
}

func startBackend(t *testing.T, name string) backend {
	t.Helper()
	listener := listen(t)
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			all.Go(func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					fmt.Fprintf(conn, "%s %s\n", name, lines.Text())
				}
				fmt.Fprintf(conn, "%s ends\n", name)
			})
		}
	})
	stop := sync.OnceFunc(func() { cancel(); _ = listener.Close(); all.Wait() })
	t.Cleanup(stop)
	return backend{address: listener.Addr().String(), close: stop}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// checks decides over the health of backends.
type checks struct {
	mu    sync.Mutex
	bad   map[string]error
	asked chan string   // told of each check, until over
	over  chan struct{} // closed when nobody listens any more
}

func (c *checks) set(address string, bad error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad == nil {
		c.bad = map[string]error{}
	}
	c.bad[address] = bad
}

func (c *checks) check(ctx context.Context, address string) error {
	c.mu.Lock()
	bad := c.bad[address]
	c.mu.Unlock()
	if c.asked != nil {
		select {
		case c.asked <- address:
		case <-c.over:
		case <-ctx.Done():
		}
	}
	return bad
}

// rounds waits until every backend was asked again: the answer before counts.
func (c *checks) rounds(addresses ...string) {
	seen := map[string]int{}
	for slices.ContainsFunc(addresses, func(address string) bool { return seen[address] < 4 }) {
		seen[<-c.asked]++
	}
}

// A backend that is not well loses its connections; one that is not ready only if
// there is another.
var (
	errUnwell = errors.New("not well")
	unready   = balancer.Unready{Status: "500"}
)

// run runs a balancer until the test ends; stop ends it and waits.
func run(t *testing.T, cfg balancer.Config) (address string, stop func()) {
	t.Helper()
	cfg.Listener = listen(t)
	b, err := balancer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return cfg.Listener.Addr().String(), stop
}

// ask says a line over a new connection and returns who answered.
func ask(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return say(t, conn)
}

func say(t *testing.T, conn net.Conn) string {
	t.Helper()
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		return ""
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(line, " ")
	return name
}

func TestSpreads(t *testing.T) {
	a, b, c := startBackend(t, "a"), startBackend(t, "b"), startBackend(t, "c")
	address, _ := run(t, balancer.Config{Backends: []string{a.address, b.address, c.address}, Every: time.Hour})
	count := map[string]int{}
	for range 30 {
		count[ask(t, address)]++
	}
	for _, name := range []string{"a", "b", "c"} {
		if count[name] < 5 {
			t.Errorf("of 30 connections %v went to each, want them spread", count)
		}
	}
}

// TestAvoidsTheUnwell holds that connections go to backends that serve, that
// existing ones are cut when theirs no longer does, and that it is used again
// when it is well.
func TestAvoidsTheUnwell(t *testing.T) {
	a, b := startBackend(t, "a"), startBackend(t, "b")
	health := &checks{asked: make(chan string), over: make(chan struct{})}
	defer close(health.over)
	address, _ := run(t, balancer.Config{Backends: []string{a.address, b.address}, Every: 50 * time.Millisecond, Check: health.check})
	rounds := func() { health.rounds(a.address, b.address) }
	rounds()
	toA := reach(t, address, "a")
	health.set(a.address, errUnwell)
	rounds()
	if _, err := toA.Read(make([]byte, 1)); err == nil {
		t.Error("the connection to a backend that is not well was not cut")
	}
	for range 10 {
		if who := ask(t, address); who != "b" {
			t.Errorf("%q answered, want b", who)
		}
	}
	health.set(a.address, nil)
	rounds()
	var who []string
	for range 10 {
		who = append(who, ask(t, address))
	}
	if !slices.Contains(who, "a") {
		t.Errorf("%v answered: the backend that is well again is not used", who)
	}
}

// reach connects until it is the backend of that name that answers.
func reach(t *testing.T, address, name string) net.Conn {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if say(t, conn) == name {
			return conn
		}
	}
}

// TestKeepsTheSlow holds that the connections to a backend that lives are cut
// only when clients have another to go to.
func TestKeepsTheSlow(t *testing.T) {
	for _, unwell := range []error{balancer.Silent{Cause: context.DeadlineExceeded}, balancer.Unready{Status: "500"}} {
		a, b := startBackend(t, "a"), startBackend(t, "b")
		health := &checks{asked: make(chan string), over: make(chan struct{})}
		address, _ := run(t, balancer.Config{Backends: []string{a.address, b.address}, Every: 10 * time.Millisecond, Check: health.check})
		t.Cleanup(func() { close(health.over) })
		health.rounds(a.address, b.address)
		toA := reach(t, address, "a")
		health.set(b.address, unwell)
		health.rounds(a.address, b.address)
		health.set(a.address, unwell)
		health.rounds(a.address, b.address)
		if who := say(t, toA); who != "a" {
			t.Errorf("%v: %q answered over the connection to a, which is the best there is", unwell, who)
		}
		health.set(b.address, nil)
		health.rounds(a.address, b.address)
		if _, err := toA.Read(make([]byte, 1)); err == nil {
			t.Errorf("%v: the connection was not cut when there was a better backend", unwell)
		}
	}
}

// TestKeepsTheOnlyOne holds that connections to the only backend outlast two checks
// that did not reach it, and are cut when none does.
func TestKeepsTheOnlyOne(t *testing.T) {
	a := startBackend(t, "a")
	answers, over := make(chan error), make(chan struct{})
	address, _ := run(t, balancer.Config{Backends: []string{a.address}, Every: 10 * time.Millisecond,
		Check: func(context.Context, string) error {
			select {
			case err := <-answers:
				return err
			case <-over:
				return nil
			}
		}})
	t.Cleanup(func() { close(over) })
	unreached := balancer.Unreached{Cause: context.DeadlineExceeded}
	answers <- nil
	toA := reach(t, address, "a")
	for _, err := range []error{unreached, unreached, nil, unreached, unreached, nil} {
		answers <- err
	}
	if who := say(t, toA); who != "a" {
		t.Errorf("%q answered over the connection to a, which is the only one", who)
	}
	for range 3 {
		answers <- unreached
	}
	if _, err := toA.Read(make([]byte, 1)); err == nil {
		t.Error("the connection to a backend that is gone was not cut")
	}
}

// TestLastResort holds that with no backend known to be well, each is tried:
// a check can be wrong.
func TestLastResort(t *testing.T) {
	gone := startBackend(t, "gone")
	b := startBackend(t, "b")
	health := &checks{}
	health.set(gone.address, unready)
	health.set(b.address, unready)
	address, _ := run(t, balancer.Config{Backends: []string{gone.address, b.address}, Every: time.Hour, Check: health.check})
	gone.close() // its address is nobody else's: the balancer has one
	for range 4 {
		if who := ask(t, address); who != "b" {
			t.Errorf("%q answered, want b", who)
		}
	}
	b.close()
	if who := ask(t, address); who != "" {
		t.Errorf("%q answered when nobody can", who)
	}
}

// TestHolds holds that who comes before any backend has served waits for the first,
// and after that for none.
func TestHolds(t *testing.T) {
	a := startBackend(t, "a")
	health := &checks{asked: make(chan string), over: make(chan struct{})}
	defer close(health.over)
	health.set(a.address, unready)
	address, _ := run(t, balancer.Config{Backends: []string{a.address}, Every: 50 * time.Millisecond, Check: health.check, Hold: time.Hour})
	answer := make(chan string, 1)
	go func() { answer <- ask(t, address) }()
	health.rounds(a.address)
	select {
	case who := <-answer:
		t.Errorf("%q answered before it was well", who)
	default:
	}
	health.set(a.address, nil)
	health.rounds(a.address)
	if who := <-answer; who != "a" {
		t.Errorf("%q answered, want a", who)
	}
	health.set(a.address, unready)
	health.rounds(a.address)
	if who := ask(t, address); who != "a" {
		t.Errorf("%q answered as the last resort, want a", who)
	}
}

// TestHoldsNoLonger holds that who waited as long as it was to, without any backend
// that serves, is sent to one that does not.
func TestHoldsNoLonger(t *testing.T) {
	a := startBackend(t, "a")
	unwell := func(context.Context, string) error { return unready }
	address, _ := run(t, balancer.Config{Backends: []string{a.address}, Every: time.Hour, Check: unwell, Hold: time.Millisecond})
	if who := ask(t, address); who != "a" {
		t.Errorf("%q answered, want a", who)
	}
}

// TestHalfClose holds that the end of one direction leaves the other open, as
// HTTP/1.0 clients and `kubectl exec` with closed input need.
func TestHalfClose(t *testing.T) {
	a := startBackend(t, "a")
	address, _ := run(t, balancer.Config{Backends: []string{a.address}, Every: time.Hour})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "one")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || string(all) != "a one\na ends\n" {
		t.Errorf("read %q, %v after closing the write side", all, err)
	}
}

func TestRunEndsEverything(t *testing.T) {
	a := startBackend(t, "a")
	address, stop := run(t, balancer.Config{Backends: []string{a.address}, Every: time.Second})
	var open []net.Conn
	for range 5 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if say(t, conn) != "a" {
			t.Fatal("no answer")
		}
		open = append(open, conn)
	}
	stop()
	for _, conn := range open {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlives the balancer")
		}
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("the listener outlives the balancer")
	}
}

// TestStopWhileConnecting stops a balancer while it connects to a backend: the
// connection that comes too late may not keep it.
func TestStopWhileConnecting(t *testing.T) {
	a := startBackend(t, "a")
	dialing := make(chan struct{}, 2)
	address, stop := run(t, balancer.Config{
		Backends: []string{a.address}, Every: time.Hour,
		Check: (&checks{}).check,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialing <- struct{}{}
			<-ctx.Done()
			return net.Dial(network, address) // it was made already when the end came
		},
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-dialing
	stop()
}

func TestNewRefuses(t *testing.T) {
	listener := listen(t)
	defer listener.Close()
	for what, cfg := range map[string]balancer.Config{
		"listener": {Backends: []string{"a:1"}, Every: 1},
		"backends": {Listener: listener, Every: 1},
		"interval": {Listener: listener, Backends: []string{"a:1"}},
	} {
		if _, err := balancer.New(cfg); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("a configuration without %s gives %v", what, err)
		}
	}
}
