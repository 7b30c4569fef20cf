package ui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"go.uber.org/goleak"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
)

// recording is a backend that plays a journal.
type recording struct {
	events []event.Event
	// snapshot is how many of them are in the first world.
	snapshot int
	// breaks ends the stream after that many events more, that many times.
	breaks []int
	acts   chan string

	mu     sync.Mutex
	worlds int
}

func (r *recording) World(context.Context) (*state.World, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.worlds++
	w := state.New()
	for _, e := range r.events[:r.snapshot] {
		w.Apply(e)
	}
	return w, nil
}

func (r *recording) Follow(ctx context.Context, after uint64, emit func([]event.Event)) error {
	for i, e := range r.events[after:] {
		if len(r.breaks) > 0 && i == r.breaks[0] {
			r.breaks = r.breaks[1:]
			r.mu.Lock()
			r.snapshot = int(after) + i
			r.mu.Unlock()
			return io.ErrUnexpectedEOF
		}
		emit([]event.Event{e})
	}
	<-ctx.Done()
	return ctx.Err()
}

func (r *recording) Window(ctx context.Context, at history.Instant) (history.Window, error) {
	h, err := history.Open(history.Config{Log: recordedLog(r.events)})
	if err != nil {
		return history.Window{}, err
	}
	defer h.Close()
	return h.Window(ctx, at)
}

func (r *recording) Act(_ context.Context, verb, target string) error {
	if r.acts != nil {
		r.acts <- verb + " " + target
	}
	return errors.New("this is a recording")
}

func (r *recording) Command(args ...string) *exec.Cmd {
	return exec.Command("sh", "-c", `printf 'first\nsecond\n'; echo "$0 $*" >&2; exec sleep 600`, strings.Join(args, " "))
}

// screenful is an output that a test can wait on for a text.
type screenful struct {
	mu      sync.Mutex
	buffer  bytes.Buffer
	changed chan struct{}
}

func (s *screenful) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer.Write(p)
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screenful) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.buffer.String(), text)
}

// waits until a text was printed after the last wait; a watchdog ends a test
// that waits in vain.
func (s *screenful) waits(t *testing.T, text string) {
	t.Helper()
	watchdog := time.After(20 * time.Second)
	for !s.has(text) {
		select {
		case <-s.changed:
		case <-watchdog:
			t.Fatalf("%q was never printed", text)
		}
	}
	s.mu.Lock()
	s.buffer.Reset()
	s.mu.Unlock()
}

func TestRunLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	in, keys := io.Pipe()
	out := &screenful{changed: make(chan struct{}, 1)}
	backend := &recording{events: readJournal(t, running), acts: make(chan string, 1)}
	type result struct {
		quit Quit
		err  error
	}
	done := make(chan result, 1)
	go func() {
		quit, err := Run(context.Background(), Config{Backend: backend, Input: in, Output: out, Environ: []string{"TERM=xterm-256color"}, Screen: "lab"})
		done <- result{quit, err}
	}()
	press := func(s string) {
		if _, err := keys.Write([]byte(s)); err != nil {
			t.Error(err)
		}
	}
	out.waits(t, "\x1b[?1049h") // the alternate screen: the app reads keys
	press("q")
	press("d")
	r := <-done
	if r.err != nil || r.quit != Down {
		t.Errorf("quit %v, %v", r.quit, r.err)
	}
	_ = keys.Close()
}

func TestRunEndsWithContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	in, keys := io.Pipe()
	out := &screenful{changed: make(chan struct{}, 1)}
	cause := errors.New("the lab is going down")
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := Run(ctx, Config{Backend: &recording{events: readJournal(t, running)}, Input: in, Output: out, Environ: []string{"TERM=xterm"}})
		done <- err
	}()
	out.waits(t, "\x1b[?1049h")
	stop(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	_ = keys.Close()
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {Backend: &recording{}, Theme: "plaid"}, {Backend: &recording{}, Screen: "kitchen"}} {
		if _, err := Run(context.Background(), cfg); err == nil {
			t.Errorf("%+v must be refused", cfg)
		}
	}
}

// The pump must bring every event once and in order, however slow the receiver
// is and however often the stream breaks.
func TestPumpBringsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := readJournal(t, storyLength)
		backend := &recording{events: events, snapshot: 100, breaks: []int{3, 250}}
		ctx, stop := context.WithCancel(t.Context())
		var got []event.Event
		worlds, batches, lost := 0, 0, 0
		var owned sync.WaitGroup
		owned.Go(func() {
			pump(ctx, backend, func(msg tea.Msg) {
				time.Sleep(70 * time.Millisecond) // a slow terminal
				switch m := msg.(type) {
				case worldMsg:
					worlds++
				case eventsMsg:
					got, batches = append(got, m.events...), batches+1
				case lostMsg:
					lost++
				}
			})
		})
		time.Sleep(time.Minute)
		stop()
		owned.Wait()
		if worlds != 3 || lost != 2 {
			t.Errorf("%d worlds and %d losses", worlds, lost)
		}
		if len(got) != len(events)-100 {
			t.Fatalf("%d of %d events arrived", len(got), len(events)-100)
		}
		for i, e := range got {
			if e.Seq != uint64(101+i) {
				t.Fatalf("event %d arrived in place of %d", e.Seq, 101+i)
			}
		}
		if batches > 10 {
			t.Errorf("%d batches for one burst", batches)
		}
	})
}

// Samples wait for a lull; a change is shown within a frame.
func TestBatcherPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher[int]()
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		var at []time.Duration
		var owned sync.WaitGroup
		owned.Go(func() { b.run(ctx, func([]int) { at = append(at, time.Since(began)) }) })
		b.add([]int{1}, false)
		time.Sleep(lull + 100*time.Millisecond)
		b.add([]int{2}, false)
		time.Sleep(100 * time.Millisecond)
		b.add([]int{3}, true)
		time.Sleep(time.Second)
		b.add([]int{4}, true)
		time.Sleep(time.Second)
		stop()
		owned.Wait()
		want := []time.Duration{lull, lull + 200*time.Millisecond, lull + 1200*time.Millisecond + burst}
		if len(at) != 3 || at[0] != want[0] || at[1] != want[1] || at[2] != want[2] {
			t.Errorf("batches at %v, want %v", at, want)
		}
	})
}

// What handling a batch takes is part of the pace: under load frames follow each
// other as fast as they can be drawn, and no faster than they are shown.
func TestBatcherKeepsPaceUnderLoad(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{0: frame, frame / 2: frame, 2 * frame: 2*frame + burst} {
		synctest.Test(t, func(t *testing.T) {
			b := newBatcher[int]()
			ctx, stop := context.WithCancel(t.Context())
			var at []time.Time
			var owned sync.WaitGroup
			owned.Go(func() {
				b.run(ctx, func([]int) {
					at = append(at, time.Now())
					time.Sleep(took)
				})
			})
			for range 500 {
				b.add([]int{1}, true)
				time.Sleep(time.Millisecond)
			}
			stop()
			owned.Wait()
			if len(at) < 5 {
				t.Fatalf("%d batches", len(at))
			}
			for i := 2; i < len(at)-1; i++ { // the last goes when the reader ends
				if gap := at[i].Sub(at[i-1]); gap < want || gap > want+time.Millisecond {
					t.Errorf("a batch that takes %v: %v between two, want %v", took, gap, want)
				}
			}
		})
	}
}

// A pager gets what its command prints, and stops it when it closes.
func TestPageStopsItsCommand(t *testing.T) {
	defer goleak.VerifyNone(t)
	msgs := make(chan tea.Msg, 16)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var owned sync.WaitGroup
	c := courier{backend: &recording{}, send: func(m tea.Msg) { msgs <- m }, spawn: func(f func(context.Context)) {
		owned.Go(func() { f(ctx) })
	}}
	stop := c.Page(4, []string{"kubectl", "logs"})
	var lines []string
	for len(lines) < 3 {
		msg := (<-msgs).(pageMsg)
		lines = append(lines, msg.lines...)
	}
	if strings.Join(lines, ",") != "first,second,kubectl logs " {
		t.Errorf("printed %q", lines)
	}
	stop()
	stop()
	owned.Wait()
	for {
		if msg := (<-msgs).(pageMsg); msg.done {
			if msg.err == nil || msg.id != 4 {
				t.Errorf("a killed command ends with an error: %+v", msg)
			}
			return
		}
	}
}

func TestActRefusalArrives(t *testing.T) {
	msgs := make(chan tea.Msg, 1)
	c := courier{backend: &recording{}, send: func(m tea.Msg) { msgs <- m }, spawn: func(f func(context.Context)) { f(t.Context()) }}
	c.Act("node.kill", "w2")
	if got := (<-msgs).(noteMsg); !got.bad || got.text != "node.kill w2 refused: this is a recording" {
		t.Errorf("got %+v", got)
	}
}

func TestPlain(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	events := readJournal(t, storyLength)
	out := &screenful{changed: make(chan struct{}, 1)}
	done := make(chan error, 1)
	go func() { done <- Plain(ctx, &recording{events: events, snapshot: 1}, out) }()
	out.waits(t, "pod kube-system/coredns-5d78c9869d-m3c7d")
	stop()
	if err := <-done; err != nil {
		t.Errorf("an end that was asked for is none: %v", err)
	}
	if err := Plain(t.Context(), &recording{events: events, snapshot: 1}, brokenPipe{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a broken output must end it: %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
