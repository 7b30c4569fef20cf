package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/journal"
	"workbench/cluster/state"
)

// lab is a journal and its fold, without a cluster below.
type lab struct {
	t       *testing.T
	mu      sync.Mutex
	journal *journal.Journal
	past    *history.History
	world   *state.World
	acts    []api.Request
	downs   []string
	clock   time.Time // of the last event; one is a second after the other
}

func (l *lab) emit(body event.Body) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock = l.clock.Add(time.Second)
	e := event.Event{Time: l.clock, Body: body}
	seq, err := l.journal.Append(e)
	if err != nil {
		l.t.Fatal(err)
	}
	e.Seq = seq
	l.world.Apply(e)
	l.past.Keep(e, l.world, l.journal.Written())
}

func (l *lab) World() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return json.Marshal(l.world)
}

func (l *lab) Reader(after uint64) api.Reader { return l.journal.Reader(after) }
func (l *lab) Last() uint64                   { return l.journal.Last() }

func (l *lab) Act(_ context.Context, r api.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acts = append(l.acts, r)
	if r.Target == "nobody" {
		return errors.New("no node \"nobody\" in lab lab")
	}
	return nil
}

func (l *lab) Down(cause string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.downs = append(l.downs, cause)
}

// serve serves a lab on a socket until the test ends.
func serve(t *testing.T, socket string) (*lab, *api.Client) {
	t.Helper()
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal"), journal.Options{MaxBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	past, err := history.Open(history.Config{Log: history.OfJournal(j), Every: 20, Pace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, journal: j, past: past, world: state.New()}
	listener, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.Handler(l, past)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
		_ = past.Close()
		_ = j.Close()
	})
	return l, api.NewClient(socket)
}

func socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "sock")
}

func TestWorld(t *testing.T) {
	l, client := serve(t, socket(t))
	l.emit(event.LabTopology{Name: "mine", Nodes: []event.TopologyNode{{Name: "c1", Components: []string{"etcd"}}}})
	l.emit(event.LabPhase{Phase: event.Running})
	w, err := client.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w.Topology.Name != "mine" || w.Phase != event.Running || w.Seq != 2 || w.Nodes["c1"].Components["etcd"] == nil {
		t.Errorf("world %+v", w)
	}
	w.Apply(event.Event{Seq: 3, Body: event.KubePod{Meta: event.Meta{Name: "p"}}}) // its maps can be written
}

func TestFollowSeesAllInOrder(t *testing.T) {
	l, client := serve(t, socket(t))
	const before, after = 30, 200
	for range before {
		l.emit(event.LabPhase{Phase: event.Booting})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	first := make(chan struct{})
	var once sync.Once
	var seqs []uint64
	followed := make(chan error, 1)
	go func() {
		followed <- client.Follow(ctx, 10, func(events []event.Event) {
			once.Do(func() { close(first) })
			for _, e := range events {
				seqs = append(seqs, e.Seq)
			}
			if len(seqs) == before-10+after {
				cancel(enough)
			}
		})
	}()
	<-first
	for range after {
		l.emit(event.LabPhase{Phase: event.Running})
	}
	if err := <-followed; !errors.Is(err, enough) {
		t.Errorf("Follow ended with %v, want the cause", err)
	}
	for i, seq := range seqs {
		if want := uint64(11 + i); seq != want {
			t.Fatalf("event %d comes where %d should", seq, want)
		}
	}
}

func TestEventsEnds(t *testing.T) {
	l, client := serve(t, socket(t))
	count := func(after uint64) (n int) {
		t.Helper()
		if err := client.Events(t.Context(), after, func(events []event.Event) { n += len(events) }); err != nil {
			t.Error(err)
		}
		return n
	}
	if n := count(0); n != 0 {
		t.Errorf("an empty journal has %d events", n)
	}
	for range 7 {
		l.emit(event.LabPhase{Phase: event.Booting})
	}
	for after, want := range map[uint64]int{0: 7, 5: 2, 7: 0, 99: 0} {
		if n := count(after); n != want {
			t.Errorf("after %d there are %d events, want %d", after, n, want)
		}
	}
}

func TestFollowTellsTheEndOfTheSupervisor(t *testing.T) {
	path := socket(t)
	l, client := serve(t, path)
	l.emit(event.LabPhase{Phase: event.Running})
	seen, followed := make(chan struct{}), make(chan error, 1)
	go func() { followed <- client.Follow(context.Background(), 0, func([]event.Event) { close(seen) }) }()
	<-seen
	// Closing the journal ends every reader, as the end of the process does.
	if err := l.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-followed; err == nil || !strings.Contains(err.Error(), "supervisor is gone") {
		t.Errorf("Follow ends with %v", err)
	}
}

func TestActAndDown(t *testing.T) {
	l, client := serve(t, socket(t))
	if err := client.Act(t.Context(), api.Request{Verb: "node.kill", Target: "c1"}); err != nil {
		t.Error(err)
	}
	if err := client.Act(t.Context(), api.Request{Verb: "node.kill", Target: "nobody"}); err == nil || err.Error() != `no node "nobody" in lab lab` {
		t.Errorf("a refusal arrives as %v", err)
	}
	if len(l.acts) != 2 || l.acts[0] != (api.Request{Verb: "node.kill", Target: "c1"}) {
		t.Errorf("the lab was asked %+v", l.acts)
	}
	if err := client.Down(t.Context()); err != nil || len(l.downs) != 1 {
		t.Errorf("down: %v, asked %v", err, l.downs)
	}
}

func (l *lab) Tell(body event.Body) { l.emit(body) }

// TestTell holds that clients can tell what they do with a lab, bounded, and
// nothing of the lab itself.
func TestTell(t *testing.T) {
	l, client := serve(t, socket(t))
	if err := client.Tell(t.Context(), event.ScenarioState{Run: "x-1", Name: "x", Phase: event.ScenarioRunning, Detail: "a\x1b[2Jb" + strings.Repeat("ä", 5000)}); err != nil {
		t.Fatal(err)
	}
	if err := client.Tell(t.Context(), event.ScenarioStep{Run: "x-1", Text: "expect leader", Outcome: event.ScenarioHeld}); err != nil {
		t.Fatal(err)
	}
	s := l.world.Scenario
	if s == nil || s.Run != "x-1" || len(s.Done) != 1 || !strings.HasPrefix(s.Detail, "a [2Jb") || len(s.Detail) > 1100 || !utf8.ValidString(s.Detail) {
		t.Errorf("recorded %+v", s)
	}
	if err := client.Tell(t.Context(), event.NodeState{Node: "c1", State: event.NodeKilled}); err == nil || !strings.Contains(err.Error(), "node.state is observed, not told") {
		t.Errorf("a made up event is answered with %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	l := &lab{t: t}
	handler := api.Handler(l, l.past)
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"GET", "/v1/events?after=minus-one", "", http.StatusBadRequest},
		{"POST", "/v1/act", "{", http.StatusBadRequest},
		{"POST", "/v1/act", `{"verb":"` + strings.Repeat("x", 65<<10) + `"}`, http.StatusBadRequest},
		{"GET", "/v1/act", "", http.StatusMethodNotAllowed},
		{"GET", "/v2/world", "", http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.code {
			t.Errorf("%s %.40s is answered with %d, want %d", c.method, c.path, w.Code, c.code)
		}
	}
	if len(l.acts) > 0 {
		t.Errorf("the lab was asked %+v", l.acts)
	}
}

func TestNotRunning(t *testing.T) {
	path := socket(t)
	client := api.NewClient(path)
	if _, err := client.World(t.Context()); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("without a socket: %v", err)
	}
	if err := client.Ping(t.Context()); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("a ping without a socket: %v", err)
	}
	listener, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// The name of a dead supervisor's socket stays.
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	if err := client.Act(t.Context(), api.Request{Verb: "node.kill"}); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("with the socket of a dead supervisor: %v", err)
	}
	serve(t, path) // which does not disturb the next one
	if _, err := client.World(t.Context()); err != nil {
		t.Error(err)
	}
	if err := client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLongPaths are longer than the kernel takes for a socket.
func TestLongPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sock")
	l, client := serve(t, path)
	l.emit(event.LabPhase{Phase: event.Running})
	if w, err := client.World(t.Context()); err != nil || w.Phase != event.Running {
		t.Errorf("world %+v, %v", w, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("the socket is %v, %v; want a socket with mode 0600", info, err)
	}
	if _, err := api.Listen(filepath.Join(dir, "absent", "sock")); err == nil {
		t.Error("listening in an absent directory succeeds")
	}
}
