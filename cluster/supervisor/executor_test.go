package supervisor

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

	"workbench/cluster/event"
	"workbench/cluster/plan"
)

// trail records what an execution did.
type trail struct {
	mu     sync.Mutex
	began  []string // in order
	ended  []string
	events []event.Body
}

func (tr *trail) emit(b event.Body) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.events = append(tr.events, b)
}

// run takes the time that durations say, and fails where failures say so.
func (tr *trail) run(durations map[string]time.Duration, failures map[string]error) func(context.Context, plan.Step) error {
	return func(ctx context.Context, s plan.Step) error {
		tr.mu.Lock()
		tr.began = append(tr.began, s.ID)
		tr.mu.Unlock()
		select {
		case <-time.After(durations[s.ID]):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := failures[s.ID]; err != nil {
			return err
		}
		tr.mu.Lock()
		tr.ended = append(tr.ended, s.ID)
		tr.mu.Unlock()
		return nil
	}
}

func step(id string, after ...string) plan.Step {
	return plan.Step{ID: id, Title: "Do " + id, After: after}
}

func TestExecuteKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := []plan.Step{step("c", "b"), step("b", "a"), step("a"), step("d", "a", "c")}
		var tr trail
		if err := execute(t.Context(), steps, tr.emit, tr.run(map[string]time.Duration{"a": time.Second, "b": time.Second}, nil)); err != nil {
			t.Fatal(err)
		}
		if want := []string{"a", "b", "c", "d"}; !slices.Equal(tr.began, want) {
			t.Errorf("order %v, want %v", tr.began, want)
		}
	})
}

func TestExecuteRunsInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var steps []plan.Step
		took := map[string]time.Duration{}
		for i := range 10 {
			id := fmt.Sprint(i)
			steps, took[id] = append(steps, step(id)), time.Minute
		}
		steps = append(steps, step("last", "3", "7"))
		began := time.Now()
		var tr trail
		if err := execute(t.Context(), steps, tr.emit, tr.run(took, nil)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("ten steps of a minute that need not wait took %v", took)
		}
	})
}

func TestExecuteAfterAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := []plan.Step{
			step("slow"), step("quick"), step("needed"),
			{ID: "any", After: []string{"needed"}, AfterAny: []string{"slow", "quick"}},
			// What it names is of no such execution: a node that starts alone.
			{ID: "alone", After: []string{"elsewhere"}, AfterAny: []string{"slow", "elsewhere"}},
		}
		at := map[string]time.Duration{}
		var mu sync.Mutex
		began := time.Now()
		var tr trail
		run := tr.run(map[string]time.Duration{"slow": time.Hour, "quick": time.Second, "needed": time.Minute}, nil)
		err := execute(t.Context(), steps, tr.emit, func(ctx context.Context, s plan.Step) error {
			mu.Lock()
			at[s.ID] = time.Since(began)
			mu.Unlock()
			return run(ctx, s)
		})
		if err != nil {
			t.Fatal(err)
		}
		if at["any"] != time.Minute {
			t.Errorf("it began after %v; want after what it needs and the quicker of the others, 1m", at["any"])
		}
		if at["alone"] != 0 {
			t.Errorf("a step that waits for nothing here began after %v", at["alone"])
		}
	})
}

func TestExecuteFirstFailureCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		steps := []plan.Step{step("good"), step("bad"), step("long"), step("next", "bad"), step("never", "long")}
		began := time.Now()
		var tr trail
		err := execute(t.Context(), steps, tr.emit, tr.run(
			map[string]time.Duration{"bad": time.Second, "long": time.Hour},
			map[string]error{"bad": broken},
		))
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "step bad") {
			t.Errorf("it failed with %v, want the step's own failure with its name", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it ended after %v, want at the failure", took)
		}
		if !slices.Equal(tr.ended, []string{"good"}) {
			t.Errorf("steps %v ended well", tr.ended)
		}
		if slices.Contains(tr.began, "next") || slices.Contains(tr.began, "never") {
			t.Errorf("steps %v began", tr.began)
		}
		testOutcomes(t, tr.events, map[string]string{"good": "", "bad": "broken", "long": "step bad: broken"}) // why it was cancelled
	})
}

// testOutcomes holds that each step that began is told, with its outcome.
func testOutcomes(t *testing.T, events []event.Body, want map[string]string) {
	t.Helper()
	started, done := map[string]bool{}, map[string]string{}
	for _, b := range events {
		switch e := b.(type) {
		case event.StepStarted:
			started[e.ID] = true
			if e.Total != 5 || e.Title != "Do "+e.ID {
				t.Errorf("told of the start as %+v", e)
			}
		case event.StepDone:
			if !started[e.ID] {
				t.Errorf("step %s was done before it began", e.ID)
			}
			done[e.ID] = e.Error
		}
	}
	for id, why := range want {
		if got, ok := done[id]; !ok || got != why {
			t.Errorf("the end of step %s was told as %q (%v), want %q", id, got, ok, why)
		}
	}
	if len(done) != len(want) {
		t.Errorf("the ends of %v were told", done)
	}
}

func TestExecuteCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		var tr trail
		err := execute(ctx, []plan.Step{step("long"), step("next", "long")}, tr.emit, tr.run(map[string]time.Duration{"long": time.Hour}, nil))
		if !errors.Is(err, why) {
			t.Errorf("it ended with %v, want the cause of the cancellation", err)
		}
		if slices.Contains(tr.began, "next") {
			t.Error("a step began after the cancellation")
		}
	})
}
