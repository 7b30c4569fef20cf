package runner

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
	"workbench/cluster/scenario"
	"workbench/cluster/state"
)

// lab is a scripted lab of three control planes: a fault on the leader's node
// lets another lead after a second, a heal brings the node back after one.
type lab struct {
	mu       sync.Mutex
	world    *state.World
	feed     chan []event.Event
	told     []event.Body
	did      []string
	faults   int
	verdict  event.FaultVerdict
	inactive bool // nothing follows from faults
	stop     func(by string)
}

func newLab() *lab {
	l := &lab{world: state.New(), feed: make(chan []event.Event, 100), verdict: event.FaultLanded}
	var nodes []event.TopologyNode
	for _, name := range []string{"c1", "c2", "c3"} {
		nodes = append(nodes, event.TopologyNode{Name: name, Role: event.ControlPlane, Components: []string{"etcd"}})
	}
	apply := func(body event.Body) {
		l.world.Apply(event.Event{Seq: l.world.Seq + 1, Time: time.Now(), Body: body})
	}
	apply(event.LabTopology{Nodes: nodes})
	apply(event.LabPhase{Phase: event.Running})
	for _, n := range nodes {
		apply(event.NodeState{Node: n.Name, State: event.NodeRunning})
		apply(event.ComponentState{Node: n.Name, Component: "etcd", State: event.ComponentReady})
	}
	for _, body := range led("c1", 2, "c2", "c3") {
		apply(body)
	}
	return l
}

func led(leader string, term uint64, followers ...string) []event.Body {
	out := []event.Body{event.RaftStatus{Node: leader, Role: event.RaftLeader, Term: term, Lead: leader}}
	for _, f := range followers {
		out = append(out, event.RaftStatus{Node: f, Role: event.RaftFollower, Term: term, Lead: leader})
	}
	return out
}

func (l *lab) say(bodies ...event.Body) {
	var batch []event.Event
	for _, b := range bodies {
		batch = append(batch, event.Event{Time: time.Now(), Body: b})
	}
	l.feed <- batch
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

func (l *lab) Act(_ context.Context, r api.Request) error {
	l.note("act " + r.Verb + " " + r.Target)
	return nil
}

func (l *lab) Hold(ctx context.Context, _ api.RunRequest) (context.Context, func(), error) {
	held, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = func(by string) { cancel(&api.Stopped{By: by}) }
	return held, func() { cancel(nil) }, nil
}

func (l *lab) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.did = append(l.did, text)
}

func (l *lab) Inject(_ context.Context, r api.FaultRequest) (event.FaultInjected, error) {
	l.note("fault " + r.Text)
	l.faults++
	f := event.FaultInjected{ID: fmt.Sprint("f", l.faults), Text: r.Text}
	verified := event.FaultVerified{ID: f.ID, Verdict: l.verdict, Evidence: []string{"seen"}}
	if l.inactive {
		l.say(f, verified)
	} else {
		l.say(f, event.NodeState{Node: "c1", State: event.NodeKilled}, verified) // as a lab tells of it: the evidence first
		time.AfterFunc(time.Second, func() { l.say(led("c2", 3, "c3")...) })
	}
	return f, nil
}

func (l *lab) Heal(_ context.Context, r api.HealRequest) (api.Healed, error) {
	l.note("heal " + r.ID)
	l.say(event.FaultEnded{ID: r.ID, Cause: "healed"})
	if !l.inactive {
		time.AfterFunc(time.Second, func() {
			l.say(event.NodeState{Node: "c1", State: event.NodeRunning}, event.ComponentState{Node: "c1", Component: "etcd", State: event.ComponentReady})
			l.say(led("c2", 3, "c1", "c3")...)
		})
	}
	return api.Healed{IDs: []string{r.ID}}, nil
}

func (l *lab) Tell(_ context.Context, body event.Body) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, body)
	return nil
}

func (l *lab) run(ctx context.Context, t *testing.T, steps string) error {
	t.Helper()
	text := "apiVersion: workbench/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nspec:\n  needs: {controlPlanes: 3}\n  timeout: 3m\n  workload: the workload\n  steps:\n" + steps
	s, err := scenario.Load("x.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return Run(ctx, Config{Scenario: s, Source: l, Lab: l, Kubectl: func(_ context.Context, stdin string, args ...string) error {
		l.note(strings.TrimSpace("kubectl " + strings.Join(args, " ") + " " + stdin))
		return nil
	}})
}

func (l *lab) phase() event.ScenarioPhase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told[len(l.told)-1].(event.ScenarioState).Phase
}

func TestPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		err := l.run(t.Context(), t, `
  - {fault: "kill ${leader}", as: power}
  - expect: leader changed within 10s
  - expect: member c2 leads for 5s
  - scale: a/web 3
  - {setImage: a/web x=y}
  - rollout: restart a/web
  - act: component.restart c2/etcd
  - {after: 2s, heal: power}
  - {when: member c1 follows within 5s}
  - expect: member ${leader} follows
`)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"kubectl apply -f - the workload", "fault kill c1 --for 3m0s", "kubectl --namespace a scale --replicas=3 deployment/web",
			"kubectl --namespace a set image deployment/web x=y", "kubectl --namespace a rollout restart deployment/web",
			"act component.restart c2/etcd", "heal f1", "kubectl delete -f - --ignore-not-found --timeout=3m0s the workload",
		}
		if !slices.Equal(l.did, want) {
			t.Errorf("did %q", l.did)
		}
		var outcomes []string
		for _, b := range l.told {
			if step, ok := b.(event.ScenarioStep); ok && step.Outcome != event.ScenarioBegan {
				outcomes = append(outcomes, fmt.Sprint(step.Index, " ", step.Text, " ", step.Outcome))
			}
		}
		if len(outcomes) != 10 || outcomes[0] != "0 fault kill c1 done" || outcomes[1] != "1 expect leader changed within 10s held" || outcomes[9] != "9 expect member c1 follows held" {
			t.Errorf("told %q", outcomes)
		}
		if l.phase() != event.ScenarioPassed {
			t.Errorf("it %s", l.phase())
		}
	})
}

// TestFails holds that the run fails at the first step that does, and mends.
func TestFails(t *testing.T) {
	for name, c := range map[string]struct {
		steps, says string
		prepare     func(*lab)
	}{
		"not within":  {"  - {fault: kill c1}\n  - expect: leader changed within 500ms\n  - act: component.restart c1/etcd\n", "not within 500ms: ", nil},
		"not at once": {"  - {fault: kill c1}\n  - expect: leader changed\n", "step 2: expect leader changed: ", nil},
		"not for":     {"  - {fault: kill c1}\n  - expect: no leader for 5s\n", "of 5s only: c2 leads", nil},
		"mismatch":    {"  - {fault: kill c1}\n  - act: component.restart c1/etcd\n", "the fault did not land: f1 mismatch\nseen", func(l *lab) { l.verdict = event.FaultMismatch }},
		"no role":     {"  - {fault: \"kill ${worker}\"}\n", "nothing plays ${worker}: the lab has no worker", nil},
		"timeout":     {"  - after: 1h\n", "not done within the scenario's 3m0s", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab()
				if c.prepare != nil {
					c.prepare(l)
				}
				err := l.run(t.Context(), t, c.steps)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("got %v, want %q", err, c.says)
				}
				if l.phase() != event.ScenarioFailed {
					t.Errorf("it %s", l.phase())
				}
				if l.faults > 0 && !slices.Contains(l.did, "heal f1") {
					t.Errorf("not healed: %q", l.did)
				}
				if slices.ContainsFunc(l.did, func(s string) bool { return strings.HasPrefix(s, "act") }) {
					t.Errorf("it went on: %q", l.did)
				}
				if !slices.ContainsFunc(l.did, func(s string) bool { return strings.HasPrefix(s, "kubectl delete") }) {
					t.Errorf("the workload is left: %q", l.did)
				}
			})
		})
	}
}

// TestAborts interrupts a run at many moments: its fault is healed each time.
func TestAborts(t *testing.T) {
	for _, after := range []time.Duration{0, 100 * time.Millisecond, time.Second, 1500 * time.Millisecond, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab()
			ctx, cancel := context.WithTimeoutCause(t.Context(), after, errors.New("ctrl+c"))
			defer cancel()
			err := l.run(ctx, t, "  - {after: 500ms, fault: kill c1}\n  - expect: leader changed within 10s\n  - after: 1h\n")
			if err == nil {
				t.Fatal("an interrupted run passed")
			}
			if began := l.faults > 0; began != slices.Contains(l.did, "heal f1") {
				t.Errorf("after %v: %q", after, l.did)
			}
		})
	}
}

// TestIsStopped asks a run to stop, as another process may.
func TestIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		time.AfterFunc(3*time.Second, func() { l.stop("ada") })
		err := l.run(t.Context(), t, "  - fault: kill c1\n  - after: 1h\n")
		if err == nil || !strings.Contains(err.Error(), "stopped by ada") || !slices.Contains(l.did, "heal f1") || l.phase() != event.ScenarioAborted {
			t.Errorf("got %v, %q, %s", err, l.did, l.phase())
		}
	})
}

func TestRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.world.Apply(event.Event{Body: event.FaultInjected{ID: "f9", Text: "kill c3"}})
		if err := l.run(t.Context(), t, "  - after: 1s\n"); err == nil || !strings.Contains(err.Error(), "heal them first") || len(l.did) > 0 {
			t.Errorf("a lab with faults: %v, %q", err, l.did)
		}
		small := newLab()
		small.world.Topology.Nodes = small.world.Topology.Nodes[:1]
		if err := small.run(t.Context(), t, "  - after: 1s\n"); err == nil || !strings.Contains(err.Error(), "at least 3 control planes") || len(small.told) > 0 {
			t.Errorf("a lab too small: %v", err)
		}
	})
}
