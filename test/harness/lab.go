package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/layout"
	"workbench/cluster/state"
	"workbench/test/require"
)

// Patience bounds every single wait. A lab boots in a few seconds on an idle
// machine; a busy one may take many times that.
const Patience = 3 * time.Minute

// Opts describe a lab. The zero value is the default lab: 3 + 3.
type Opts struct {
	ControlPlanes int // 0 means 3
	Workers       int // 0 means 3
	// Name of the lab; "" means "lab".
	Name string
	// State is the state directory; "" means one of the test's own.
	State string
	// Args are further arguments of the first `up`.
	Args []string
	// Env is what the lab's commands have in their environment besides this process's.
	Env []string
}

// Lab is a lab of the built binary.
type Lab struct {
	layout.Lab
	t      testing.TB
	opts   Opts
	bin    string
	before Host
	dumped *atomic.Bool // shared by all views of the lab
	client *api.Client
	temp   string // directory of the test's own, if the state is there
}

// New is a lab that is not booted yet. When the test ends, the lab is taken
// down and deleted, and nothing of it may be left.
func New(t testing.TB, o Opts) *Lab {
	t.Helper()
	l := Idle(t, o)
	require.Lab(t, l.opts.ControlPlanes+l.opts.Workers)
	l.before = Snapshot(t)
	open.add(l)
	t.Cleanup(l.end)
	return l
}

// Idle is a lab for commands that do not boot it; it needs no privileges.
func Idle(t testing.TB, o Opts) *Lab {
	t.Helper()
	if o.ControlPlanes == 0 {
		o.ControlPlanes = 3
	}
	if o.Workers == 0 {
		o.Workers = 3
	}
	if o.Name == "" {
		o.Name = "lab"
	}
	temp := ""
	if o.State == "" {
		temp = t.TempDir()
		o.State = filepath.Join(temp, "state")
	}
	l := &Lab{Lab: layout.Lab{State: o.State, Name: o.Name}, t: t, opts: o, bin: Binary(t), dumped: new(atomic.Bool), temp: temp}
	l.client = api.NewClient(l.Socket())
	return l
}

// Up boots a lab and waits until it runs.
func Up(t testing.TB, o Opts) *Lab {
	t.Helper()
	l := New(t, o)
	l.Boot()
	return l
}

// end deletes the lab and asserts that nothing is left.
func (l *Lab) end() {
	if l.t.Failed() {
		l.dump()
	}
	if _, err := os.Stat(l.File()); err == nil {
		if r := l.Run("down", "--purge", "--yes"); r.Code != 0 {
			l.t.Errorf("down --purge: %s", r.Stderr)
		}
	}
	if _, err := os.Stat(l.Dir()); err == nil {
		l.t.Errorf("%s is there after down --purge", l.Dir())
	}
	l.AssertClean()
	open.remove(l)
}

// shape are the arguments that make the lab.
func (l *Lab) shape() []string {
	return append([]string{
		"up", "--detach", "--control-planes", strconv.Itoa(l.opts.ControlPlanes), "--workers", strconv.Itoa(l.opts.Workers),
	}, l.opts.Args...)
}

// With is the lab for a subtest, which reports the lab's failures as its own.
func (l *Lab) With(t testing.TB) *Lab {
	t.Helper()
	sub := *l
	sub.t = t
	t.Cleanup(func() {
		if t.Failed() {
			sub.dump()
		}
	})
	return &sub
}

// Boot boots the lab, the first time or again, and waits until it runs.
func (l *Lab) Boot() {
	l.t.Helper()
	l.Must(l.shape()...)
}

// Down stops the lab and asserts that nothing of it runs.
func (l *Lab) Down() {
	l.t.Helper()
	l.Must("down")
	l.AssertClean()
}

// World is the lab's state now.
func (l *Lab) World() *state.World {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	w, err := l.client.World(ctx)
	if err != nil {
		l.t.Fatalf("read the lab's state: %v", err)
	}
	return w
}

// At is the lab's state at an instant.
func (l *Lab) At(at history.Instant) *state.World {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	w, err := l.client.At(ctx, at)
	if err != nil {
		l.t.Fatalf("read the lab's state at %s: %v", at, err)
	}
	return w
}

// Rewind is the lab's state at an instant, as the app comes to it: folded from the
// stretch of the past that the instant is in.
func (l *Lab) Rewind(at history.Instant) *state.World {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	win, err := l.client.Window(ctx, at)
	if err != nil {
		l.t.Fatalf("read the lab's past at %s: %v", at, err)
	}
	w, err := win.Base()
	if err != nil {
		l.t.Fatalf("read the lab's past at %s: %v", at, err)
	}
	for _, e := range win.Events[:win.Reach(at)] {
		w.Apply(e)
	}
	return w
}

// Await waits until the lab's state is as wanted and returns it; what says for
// what, in words.
func (l *Lab) Await(what string, wanted func(*state.World) bool) *state.World {
	l.t.Helper()
	w, err := l.follow(func(w *state.World, _ event.Event) bool { return wanted(w) })
	if err != nil {
		l.t.Fatalf("wait for %s: %v", what, err)
	}
	return w
}

// AwaitGone waits until no supervisor answers.
func (l *Lab) AwaitGone() {
	l.t.Helper()
	_, err := l.follow(func(*state.World, event.Event) bool { return false })
	if errors.Is(err, errPatience) {
		l.t.Fatalf("wait for the supervisor to end: %v", err)
	}
}

var errPatience = fmt.Errorf("not within %v", Patience)

// errSeen is the cause of a follow that has seen what it waits for.
type errSeen struct{}

func (errSeen) Error() string { return "seen" }

// follow folds the lab's events until wanted holds. It is asked first with the
// present state and an empty event.
func (l *Lab) follow(wanted func(*state.World, event.Event) bool) (*state.World, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Patience, errPatience)
	defer cancel()
	w, err := l.client.World(ctx)
	if err != nil {
		return nil, err
	}
	if wanted(w, event.Event{}) {
		return w, nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := false
	err = l.client.Follow(ctx, w.Seq, func(events []event.Event) {
		for _, e := range events {
			if done {
				return
			}
			w.Apply(e)
			if done = wanted(w, e); done {
				stop(errSeen{})
			}
		}
	})
	if done {
		return w, nil
	}
	return w, err
}

// Eventually runs a command until it succeeds and returns its standard output.
// It tries again with the lab's next event, of which there are several a second.
func (l *Lab) Eventually(what string, args ...string) string {
	l.t.Helper()
	last := l.Run(args...)
	if last.Code == 0 {
		return last.Stdout
	}
	_, err := l.follow(func(_ *state.World, e event.Event) bool {
		if last.Code != 0 && e.Body != nil {
			last = l.Run(args...)
		}
		return last.Code == 0
	})
	if err != nil {
		l.t.Fatalf("wait until %s: %v\nworkbench %s: %s", what, err, strings.Join(args, " "), last.Stderr)
	}
	return last.Stdout
}

// Follow calls seen with every event after a sequence number until it says
// that it is done, or the supervisor ends: then it returns false.
func (l *Lab) Follow(after uint64, seen func(event.Event) (done bool)) bool {
	l.t.Helper()
	ctx, stop := context.WithTimeoutCause(context.Background(), Patience, errPatience)
	defer stop()
	done := false
	err := l.client.Follow(ctx, after, func(events []event.Event) {
		for _, e := range events {
			if done = done || seen(e); done {
				stop()
				return
			}
		}
	})
	if !done && errors.Is(err, errPatience) {
		l.t.Fatalf("follow events: %v", err)
	}
	return done
}

// Events are the events of the journal after a sequence number.
func (l *Lab) Events(after uint64) []event.Event {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var all []event.Event
	if err := l.client.Events(ctx, after, func(events []event.Event) { all = append(all, events...) }); err != nil {
		l.t.Fatalf("read events: %v", err)
	}
	return all
}

// Kubectl runs kubectl against the lab and returns what it prints.
func (l *Lab) Kubectl(args ...string) string {
	l.t.Helper()
	return l.Must(append([]string{"kubectl"}, args...)...)
}

// Object decodes what `kubectl get ... -o json` prints.
func (l *Lab) Object(into any, args ...string) {
	l.t.Helper()
	out := l.Kubectl(append(append([]string{"get"}, args...), "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		l.t.Fatalf("kubectl get %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Apply applies a manifest.
func (l *Lab) Apply(manifest string) {
	l.t.Helper()
	if r := l.Input(manifest, "kubectl", "apply", "-f", "-"); r.Code != 0 {
		l.t.Fatalf("kubectl apply: %s", r.Stderr)
	}
}
