package node

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/runtime/mount"
	"workbench/runtime/namespace"
	"workbench/test/require"
)

// The main goroutine keeps the main thread, as in the agent: node.Init forks
// from it.
func init() { runtime.LockOSThread() }

// Components of these tests are this program under other names.
const (
	onceRole = "node-test-once" // listens on a Unix socket and stops after the first connection
	tapRole  = "node-test-tap"  // tells an event of its own, and something that is none
	lateRole = "node-test-late" // delays a shutdown, as a kubelet does
)

// TestMain is, under the names of the inits and components, those.
func TestMain(m *testing.M) {
	var err error
	switch filepath.Base(os.Args[0]) {
	case namespace.LabInitRole:
		err = namespace.LabInit()
	case namespace.NodeInitRole:
		err = Init()
	case onceRole:
		err = listenOnce("/run/once.sock")
	case tapRole:
		err = tap()
	case lateRole:
		err = late()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func listenOnce(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	_, _ = conn.Read(make([]byte, 1)) // until the probe has gone
	if err := listener.Close(); err != nil {
		return err
	}
	untilTerminated()
	return nil
}

func untilTerminated() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
}

func tap() error {
	pipe := os.NewFile(EventsFD, "events")
	e := event.Event{Time: time.Unix(1000, 0), Body: event.RaftLog{Node: "n1", Text: "told through the pipe"}}
	if err := json.NewEncoder(pipe).Encode(e); err != nil {
		return err
	}
	_, err := fmt.Fprintln(pipe, "no event at all")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(pipe).Encode(e); err != nil {
		return err
	}
	untilTerminated()
	return nil
}

// recorded are the events of a node, in order.
type recorded struct {
	mu     sync.Mutex
	events []event.Event
	more   chan struct{} // closed and replaced with every event
}

func (r *recorded) emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.more)
	r.more = make(chan struct{})
}

// patience bounds every wait.
const patience = 30 * time.Second

// rig is a running node.
type rig struct {
	*Handle
	t     *testing.T
	dir   string // its root, on the host
	lab   *namespace.Lab
	seen  recorded
	after int // events that were awaited already
}

// boot starts a lab with one node, which ends with the test.
func boot(t *testing.T) *rig {
	t.Helper()
	require.Root(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "root"), seen: recorded{more: make(chan struct{})}}
	log := filepath.Join(t.TempDir(), "init.log")
	if r.lab, err = namespace.StartLab(self, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.lab.Close(); err != nil {
			t.Error(err)
		}
		if raw, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("init says %s", raw)
		}
	})
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conn, err := r.lab.Node("n1", log)
	if err != nil {
		t.Fatal(err)
	}
	if r.Handle, err = Accept("n1", conn, r.seen.emit); err != nil {
		t.Fatal(err)
	}
	return r
}

// bootNode is boot with a node that is configured.
func bootNode(t *testing.T) *rig {
	t.Helper()
	r := boot(t)
	if err := r.Configure(t.Context(), r.config()); err != nil {
		t.Fatal(err)
	}
	return r
}

// config shows the test program in the node under the names of its components.
func (r *rig) config() Config {
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	bin := filepath.Join(filepath.Dir(r.dir), "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		r.t.Fatal(err)
	}
	for _, role := range []string{onceRole, tapRole, lateRole} {
		raw, err := os.ReadFile(self)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, role), raw, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	return Config{
		Name: "n1", Sample: 50 * time.Millisecond, Sysctls: map[string]string{"net/ipv4/ip_forward": "1", "absent/setting": "1"},
		Root: mount.Root{Dir: r.dir, Binds: []mount.Bind{{Source: bin, Target: "/opt/test"}}},
	}
}

// script is a component that runs a shell script.
func script(name, text string) Component {
	return Component{Name: name, Path: "/bin/sh", Args: []string{"-c", text}, Log: "/var/log/" + name + ".log", Grace: patience}
}

// start starts a component and waits until it is ready.
func (r *rig) start(c Component) event.ComponentState {
	r.t.Helper()
	if err := r.Start(r.t.Context(), c); err != nil {
		r.t.Fatal(err)
	}
	return r.await(c.Name, event.ComponentReady)
}

// await waits for the next event that says a component is in a state.
func (r *rig) await(name string, state event.ComponentPhase) event.ComponentState {
	r.t.Helper()
	return awaitBody(r, fmt.Sprintf("%s to be %s", name, state), func(c event.ComponentState) bool {
		return c.Component == name && c.State == state
	})
}

// awaitBody waits for the next event of a type that is as wanted.
func awaitBody[T event.Body](r *rig, what string, wanted func(T) bool) T {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.seen.mu.Lock()
		events, more := slices.Clone(r.seen.events), r.seen.more
		r.seen.mu.Unlock()
		for i := r.after; i < len(events); i++ {
			if b, ok := events[i].Body.(T); ok && wanted(b) {
				r.after = i + 1
				return b
			}
		}
		select {
		case <-more:
		case <-deadline:
			var states []string
			for _, e := range events[r.after:] {
				if c, ok := e.Body.(event.ComponentState); ok {
					states = append(states, fmt.Sprintf("%s is %s (%s)", c.Component, c.State, c.Cause))
				}
			}
			r.t.Fatalf("waited %v for %s; %d events since, and components: %v", patience, what, len(events)-r.after, tail(states))
		}
	}
}

func tail(lines []string) []string { return lines[max(0, len(lines)-10):] }

// log is what a component has printed.
func (r *rig) log(name string) string {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, "var/log", name+".log"))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(raw)
}
