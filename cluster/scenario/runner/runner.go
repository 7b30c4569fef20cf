// Package runner carries out scenarios on a lab, as a client of its supervisor.
//
//	scenario --needs, roles--> step: wait, act or expect --> event.ScenarioStep (told to the supervisor)
//
// However a run ends, its faults are healed and what it applied is deleted.
package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/mirror"
	"workbench/cluster/scenario"
	"workbench/cluster/state"
)

// Lab is what breaks and mends a lab, and records what is told.
type Lab interface {
	Act(ctx context.Context, r api.Request) error
	Inject(ctx context.Context, r api.FaultRequest) (event.FaultInjected, error)
	Heal(ctx context.Context, r api.HealRequest) (api.Healed, error)
	// Hold begins a run; its faults do not outlive it.
	Hold(ctx context.Context, r api.RunRequest) (held context.Context, release func(), err error)
	Tell(ctx context.Context, body event.Body) error
}

// Config of a run.
type Config struct {
	Scenario scenario.Scenario
	Source   mirror.Source
	Lab      Lab
	// Kubectl runs kubectl against the lab with a standard input.
	Kubectl func(ctx context.Context, stdin string, args ...string) error
	// Owner is who runs it.
	Owner string
	// Say gets a line of progress.
	Say func(line string)
	// Keep leaves what was applied.
	Keep bool
}

func (c *Config) validate() error {
	if c.Say == nil {
		c.Say = func(string) {}
	}
	switch {
	case c.Source == nil || c.Lab == nil:
		return errors.New("no lab")
	case c.Kubectl == nil:
		return errors.New("no kubectl")
	}
	return nil
}

// Times of a run that its file does not give.
const (
	// wholeWithin is how long a lab may take to be whole before the first step,
	// and after the last.
	wholeWithin = 2 * time.Minute
	// workloadWithin is how long the workload may take to be ready.
	workloadWithin = 3 * time.Minute
	// verdictWithin is how long a fault may take to be verified: a drain takes its
	// time.
	verdictWithin = 90 * time.Second
	// mendWithin bounds the clean-up, also after an interrupt.
	mendWithin = 30 * time.Second
)

// run is one run of a scenario.
type run struct {
	Config
	id    string
	world *mirror.Mirror
	roles scenario.Roles
	base  scenario.Base
	began time.Time
	// faults that the run began, and those that have names.
	faults []string
	named  map[string]string
	// applied are manifests to delete at the end, oldest first.
	applied []string
}

// Run runs a scenario. The error is nil only if every step could be done, every
// expectation held, and the lab is whole again.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("run the scenario: %w", err)
	}
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	defer unwatch()
	world, stop, err := mirror.Open(watching, cfg.Source)
	if err != nil {
		return err
	}
	defer stop()
	r := &run{Config: cfg, world: world, roles: scenario.Roles{}, named: map[string]string{}, began: time.Now()}
	r.id = cfg.Scenario.Metadata.Name + "-" + r.began.Format("150405")
	if err := r.fits(); err != nil {
		return err
	}
	return r.perform(ctx)
}

// fits refuses a lab that is too small, or broken already.
func (r *run) fits() error {
	var err error
	r.world.See(func(w *state.World) {
		err = r.Scenario.Fits(w)
		if n := len(w.Faults.Active); err == nil && n > 0 {
			err = fmt.Errorf("%d faults are on, such as %s; heal them first with: workbench heal --all", n, w.Faults.Active[0].Text)
		}
	})
	return err
}

func (r *run) perform(ctx context.Context) error {
	name, meta := r.Scenario.Metadata.Name, r.Scenario.Metadata
	ctx, release, err := r.Lab.Hold(ctx, api.RunRequest{Run: r.id, Name: name, Owner: r.Owner})
	if err != nil {
		return err
	}
	defer release()
	state := event.ScenarioState{Run: r.id, Name: name, Title: meta.Title, Phase: event.ScenarioRunning, Steps: len(r.Scenario.Spec.Steps), Owner: r.Owner}
	if err := r.Lab.Tell(ctx, state); err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	r.Say(strings.TrimSuffix(name+": "+meta.Title, ": "))
	timeout := r.Scenario.Timeout()
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done within the scenario's %v", timeout))
	err = r.steps(bounded)
	cancel()
	err = errors.Join(err, r.mend(ctx))
	r.recoveries()
	state.Phase = event.ScenarioPassed
	switch {
	case ctx.Err() != nil:
		why := Interruption(ctx)
		state.Phase, state.Detail = event.ScenarioAborted, why.Error()+"; the faults are healed"
		err = errors.Join(why, err)
	case err != nil:
		state.Phase, state.Detail = event.ScenarioFailed, err.Error()
	}
	r.Say(fmt.Sprintf("%s %s after %v", name, state.Phase, time.Since(r.began).Round(100*time.Millisecond)))
	last, done := context.WithTimeout(context.WithoutCancel(ctx), mendWithin)
	defer done()
	if told := r.Lab.Tell(last, state); told != nil {
		err = errors.Join(err, fmt.Errorf("record the run: %w", told))
	}
	return err
}

// Interruption is why a run was cut short whose context ended.
func Interruption(ctx context.Context) error {
	var stopped *api.Stopped
	if errors.As(context.Cause(ctx), &stopped) {
		return stopped
	}
	return errors.New("interrupted")
}

// steps prepares the lab and does all steps.
func (r *run) steps(ctx context.Context) error {
	if err := r.whole(ctx, "before the first step"); err != nil {
		return err
	}
	r.rebase()
	if manifests := r.Scenario.Spec.Workload; manifests != "" {
		if err := r.apply(ctx, manifests); err != nil {
			return fmt.Errorf("apply the workload: %w", err)
		}
		if err := r.await(ctx, "pods ready", workloadWithin); err != nil {
			return fmt.Errorf("wait for the workload: %w", err)
		}
	}
	for i, step := range r.Scenario.Spec.Steps {
		if err := r.step(ctx, i, step); err != nil {
			return err
		}
	}
	return nil
}

// recoveries says how the lab recovered from each fault.
func (r *run) recoveries() {
	r.world.See(func(w *state.World) {
		for _, id := range r.faults {
			if report := w.Recovery.Find(id); report != nil {
				r.Say(fmt.Sprintf("%s %s: %s  (workbench report %s)", id, report.Text, report.Outcome(), id))
			}
		}
	})
}

// rebase notes what holds before something is done.
func (r *run) rebase() {
	r.world.See(func(w *state.World) { r.base = scenario.NewBase(w, time.Now()) })
}

// whole waits until all of the lab is up.
func (r *run) whole(ctx context.Context, when string) error {
	if err := r.await(ctx, "lab whole", wholeWithin); err != nil {
		return fmt.Errorf("the lab is not whole %s: %w", when, err)
	}
	return nil
}

// await waits until a condition of the grammar holds.
func (r *run) await(ctx context.Context, text string, within time.Duration) error {
	e, err := scenario.ParseExpectation(text)
	if err != nil {
		return err
	}
	return r.until(ctx, e, within)
}

// mend heals, deletes what was applied, and waits for the lab to be whole unless
// the user gave up.
func (r *run) mend(ctx context.Context) error {
	mending, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), mendWithin, fmt.Errorf("not done within %v", mendWithin))
	defer cancel()
	var errs []error
	var on []string
	r.world.See(func(w *state.World) {
		for _, f := range w.Faults.Active {
			on = append(on, f.ID)
		}
	})
	for _, id := range r.faults {
		if !slices.Contains(on, id) {
			continue
		}
		if _, err := r.Lab.Heal(mending, api.HealRequest{ID: id}); err != nil {
			errs = append(errs, err)
		} else {
			r.Say("healed " + id)
		}
	}
	args := []string{"delete", "-f", "-", "--ignore-not-found", "--wait=false"}
	deleting := mending
	if ctx.Err() == nil {
		errs = append(errs, r.whole(ctx, "after the last step"))
		args[len(args)-1] = "--timeout=" + workloadWithin.String() // the next run may want the same names
		deleting = ctx
	}
	for i := len(r.applied) - 1; i >= 0 && !r.Keep; i-- {
		if err := r.Kubectl(deleting, r.applied[i], args...); err != nil {
			errs = append(errs, fmt.Errorf("delete what was applied: %w", err))
		}
	}
	return errors.Join(errs...)
}
