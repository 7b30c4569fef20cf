package campaign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/state"
)

// lab is a scripted lab of 3+2 whose faults do nothing: it is whole a second
// after each heal.
type lab struct {
	world *state.World
	feed  chan []event.Event

	mu       sync.Mutex
	injected []string
	on       map[string]bool
	told     []event.Body
	verdict  func(n int) event.FaultVerdict
	refuse   error
	sick     bool // never green again
	stop     func(by string)
}

func newLab() *lab {
	l := &lab{world: state.New(), feed: make(chan []event.Event, 1000), on: map[string]bool{}}
	nodes := topology(3, 2)
	apply := func(bodies ...event.Body) {
		for _, b := range bodies {
			l.world.Apply(event.Event{Seq: l.world.Seq + 1, Time: time.Now(), Body: b})
		}
	}
	apply(event.LabTopology{Nodes: nodes}, event.LabPhase{Phase: event.Running})
	for _, n := range nodes {
		apply(event.NodeState{Node: n.Name, State: event.NodeRunning})
		for _, c := range n.Components {
			apply(event.ComponentState{Node: n.Name, Component: c, State: event.ComponentReady})
		}
		if n.Role == event.Worker {
			apply(event.KubeNode{Meta: event.Meta{Name: n.Name}, Ready: "True"},
				event.KubeLease{Meta: event.Meta{Namespace: "kube-node-lease", Name: n.Name}, Renewed: time.Now().Add(time.Second)})
		} else {
			role := event.RaftFollower
			if n.Name == "c1" {
				role = event.RaftLeader
			}
			apply(event.RaftStatus{Node: n.Name, Role: role, Term: 2, Lead: "c1"})
		}
	}
	apply(event.Probe{Target: "api-write", OK: true})
	return l
}

func (l *lab) say(bodies ...event.Body) {
	for _, b := range bodies {
		l.feed <- []event.Event{{Time: time.Now(), Body: b}}
	}
}

func (l *lab) World(context.Context) (*state.World, error) { return l.world, nil }

func (l *lab) Follow(ctx context.Context, _ uint64, emit func([]event.Event)) error {
	for {
		select {
		case batch := <-l.feed:
			emit(batch)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *lab) Act(context.Context, api.Request) error { return errors.New("campaigns do not act") }

func (l *lab) Inject(_ context.Context, r api.FaultRequest) (event.FaultInjected, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Yes {
		return event.FaultInjected{}, errors.New("a campaign must not confirm dangers")
	}
	if l.refuse != nil {
		return event.FaultInjected{}, l.refuse
	}
	l.injected = append(l.injected, r.Text)
	n := len(l.injected)
	f := event.FaultInjected{ID: fmt.Sprint("f", n), Text: r.Text}
	l.on[f.ID] = true
	v := event.FaultLanded
	if l.verdict != nil {
		v = l.verdict(n)
	}
	l.say(f, event.FaultVerified{ID: f.ID, Verdict: v, Evidence: []string{"seen"}})
	return f, nil
}

func (l *lab) Heal(_ context.Context, r api.HealRequest) (api.Healed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on[r.ID] {
		return api.Healed{}, errors.New("no such fault")
	}
	delete(l.on, r.ID)
	l.say(event.FaultEnded{ID: r.ID, Cause: "healed"})
	time.AfterFunc(time.Second, func() { l.say(event.Probe{Target: "api-write", OK: !l.sick, Error: "no answer"}) })
	return api.Healed{IDs: []string{r.ID}}, nil
}

func (l *lab) Hold(ctx context.Context, _ api.RunRequest) (context.Context, func(), error) {
	held, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = func(by string) { cancel(&api.Stopped{By: by}) }
	return held, func() { cancel(nil) }, nil
}

func (l *lab) Tell(_ context.Context, body event.Body) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, body)
	return nil
}

// last is how the run ended, as it was told.
func (l *lab) last() event.ScenarioPhase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told[len(l.told)-1].(event.ScenarioState).Phase
}

func (l *lab) run(ctx context.Context, t *testing.T, m *memory, change func(*Config)) (Result, error) {
	t.Helper()
	time.AfterFunc(time.Second, func() { l.say(event.Probe{Target: "api-write", OK: true}) })
	cfg := Config{Source: l, Lab: l, Stores: []Store{m}, Dir: t.TempDir(), Faults: 12, Seed: 5, Overlap: 2, Converge: time.Minute}
	if change != nil {
		change(&cfg)
	}
	return Run(ctx, cfg)
}

func TestCampaign(t *testing.T) {
	var runs [2][]string
	for i := range runs {
		synctest.Test(t, func(t *testing.T) {
			l, m := newLab(), newMemory()
			r, err := l.run(t.Context(), t, m, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Faults != 12 || r.Landed != 12 || r.Acknowledged < 100 || r.Found.Made < 30 || !r.OK() || len(r.Leaks) > 0 || r.Converge.P50 < 900 || r.Converge.Max < r.Converge.P99 {
				t.Errorf("%+v", r)
			}
			if len(l.on) > 0 || len(m.values) > 0 || l.last() != event.ScenarioPassed {
				t.Errorf("left %v and %v, it %s", l.on, m.values, l.last())
			}
			var text strings.Builder
			if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "campaign passed") || !strings.Contains(text.String(), "12 run, 12 landed") {
				t.Errorf("%v\n%s", err, text.String())
			}
			runs[i] = l.injected
		})
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Errorf("the same seed gave\n%q\nthen\n%q", runs[0], runs[1])
	}
}

// TestStopsAtTheFirst holds that a campaign ends where something is wrong, and
// that its faults are healed.
func TestStopsAtTheFirst(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*lab, *memory)
		says    string
		most    int // faults
	}{
		"mismatch": {func(l *lab, _ *memory) {
			l.verdict = func(n int) event.FaultVerdict {
				return map[bool]event.FaultVerdict{true: event.FaultMismatch, false: event.FaultLanded}[n == 4]
			}
		}, "f4 did not land: seen", 4},
		"no convergence": {func(l *lab, _ *memory) { l.sick = true }, "has not converged within 1m0s: api-write fails: no answer", 3},
		"a lost write":   {func(_ *lab, m *memory) { m.lose = func(key, _ string) bool { return strings.HasSuffix(key, "m1-30") } }, "m1-30 was acknowledged and is not there", 6},
		"beyond the limit": {func(l *lab, _ *memory) {
			l.refuse = &api.Danger{Text: "kill c1", Reasons: []string{"etcd loses its quorum"}}
		}, "etcd loses its quorum", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, m := newLab(), newMemory()
				c.prepare(l, m)
				r, err := l.run(t.Context(), t, m, nil)
				if err == nil || !strings.Contains(err.Error(), c.says) || !errors.Is(err, errViolation) {
					t.Fatalf("got %v, want %q", err, c.says)
				}
				if r.Faults > c.most || len(l.on) > 0 || !strings.Contains(r.Violation, c.says) || l.last() != event.ScenarioFailed {
					t.Errorf("%d faults, left %v, it %s: %s", r.Faults, l.on, l.last(), r.Violation)
				}
				time.Sleep(2 * time.Minute) // what the lab still has to say
			})
		})
	}
}

func TestInterrupted(t *testing.T) {
	for _, after := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 5 * time.Second, 11 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l, m := newLab(), newMemory()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			r, err := l.run(ctx, t, m, nil)
			if err == nil || len(l.on) > 0 || len(m.values) > 0 || r.Violation != "" || l.last() != event.ScenarioAborted || r.Phase != event.ScenarioAborted {
				t.Errorf("after %v: %v, left %v and %v, %s", after, err, l.on, m.values, r.Violation)
			}
			time.Sleep(2 * time.Minute)
		})
	}
}

func TestConfigIsRefused(t *testing.T) {
	l := newLab()
	for name, cfg := range map[string]Config{
		"no lab":    {Faults: 1, Converge: 1},
		"no faults": {Source: l, Lab: l, Converge: 1},
		"no time":   {Source: l, Lab: l, Faults: 1},
		"a kind":    {Source: l, Lab: l, Faults: 1, Converge: 1, Overlap: 1, Kinds: []string{"smash"}},
	} {
		if _, err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	if len(l.told) > 0 {
		t.Errorf("told %v", l.told)
	}
}
