package campaign

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/mirror"
	"workbench/cluster/scenario"
	"workbench/cluster/scenario/runner"
	"workbench/cluster/state"
)

// Config of a campaign.
type Config struct {
	Source mirror.Source
	Lab    runner.Lab
	// Stores are written to and checked.
	Stores []Store
	// Dir takes the pictures of violations.
	Dir string
	// Faults is how many there are; Duration ends the campaign earlier, 0 does not.
	Faults   int
	Duration time.Duration
	Seed     uint64
	// Kinds of faults to draw from; none is all of them.
	Kinds []string
	// Overlap is how many faults may be on at the same time.
	Overlap int
	// Converge is how long the lab may take to be whole after faults are healed.
	Converge time.Duration
	Owner    string
	// Say gets a line of progress.
	Say func(line string)
}

func (c *Config) validate() error {
	if c.Say == nil {
		c.Say = func(string) {}
	}
	switch {
	case c.Source == nil || c.Lab == nil:
		return errors.New("no lab")
	case c.Faults < 1:
		return fmt.Errorf("%d faults: want 1 or more", c.Faults)
	case c.Duration < 0 || c.Converge <= 0:
		return fmt.Errorf("a duration of %v and %v to converge: want positive ones", c.Duration, c.Converge)
	}
	return nil
}

// campaign is one run.
type campaign struct {
	Config
	id       string
	world    *mirror.Mirror
	random   *Generator
	checkers []*Checker
	began    time.Time
	result   Result
	step     int
}

// mendWithin bounds the healing at the end, also after an interrupt.
const mendWithin = 30 * time.Second

// errViolation is why a campaign stops before its last fault.
var errViolation = errors.New("the campaign stopped at a violation")

// Run runs a campaign. The result holds what was done also where the error is not
// nil: a violation, an interrupt, or that the lab is gone.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if err := cfg.validate(); err != nil {
		return Result{}, fmt.Errorf("run a campaign: %w", err)
	}
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	defer unwatch()
	world, stop, err := mirror.Open(watching, cfg.Source)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	c := &campaign{Config: cfg, world: world, began: time.Now()}
	c.result = Result{Seed: cfg.Seed, Asked: cfg.Faults}
	c.id = "campaign-" + c.began.Format("150405")
	if err := c.prepare(); err != nil {
		return c.result, err
	}
	return c.perform(ctx)
}

// prepare refuses a lab that is broken already, or too small.
func (c *campaign) prepare() error {
	var nodes []event.TopologyNode
	on := 0
	c.world.See(func(w *state.World) { nodes, on = w.Topology.Nodes, len(w.Faults.Active) })
	if on > 0 {
		return fmt.Errorf("%d faults are on; heal them first with: workbench heal --all", on)
	}
	var err error
	if c.random, err = NewGenerator(nodes, c.Seed, c.Kinds, c.Overlap); err != nil {
		return err
	}
	for _, s := range c.Stores {
		c.checkers = append(c.checkers, NewChecker(s, fmt.Sprintf("wbc-%d-%s.", c.Seed, c.began.UTC().Format("20060102-150405")), c.Dir))
	}
	return nil
}

func (c *campaign) perform(ctx context.Context) (Result, error) {
	ctx, release, err := c.Lab.Hold(ctx, api.RunRequest{Run: c.id, Name: state.Campaign, Owner: c.Owner})
	if err != nil {
		return c.result, err
	}
	defer release()
	told := event.ScenarioState{Run: c.id, Name: state.Campaign, Title: fmt.Sprintf("%d random faults, seed %d", c.Faults, c.Seed), Phase: event.ScenarioRunning, Steps: c.Faults, Owner: c.Owner}
	if err := c.Lab.Tell(ctx, told); err != nil {
		return c.result, fmt.Errorf("record the campaign: %w", err)
	}
	c.Say(fmt.Sprintf("campaign of %d faults, seed %d", c.Faults, c.Seed))
	writing, stopWriting := context.WithCancel(ctx)
	var writers sync.WaitGroup
	err = c.converge(ctx)
	if err == nil {
		for _, k := range c.checkers {
			writers.Go(func() { k.Run(writing) })
		}
		err = c.groups(ctx)
	}
	stopWriting()
	writers.Wait()
	err = errors.Join(err, c.finish(ctx))
	c.result.finish(time.Since(c.began))
	told.Phase, told.Detail = event.ScenarioPassed, c.result.Line()
	switch {
	case ctx.Err() != nil:
		why := runner.Interruption(ctx)
		told.Phase, err = event.ScenarioAborted, errors.Join(why, err)
		told.Detail = why.Error() + "; " + told.Detail
	case err != nil:
		told.Phase, told.Detail = event.ScenarioFailed, err.Error()
	}
	c.result.Phase = told.Phase
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendWithin)
	defer cancel()
	if tellErr := c.Lab.Tell(last, told); tellErr != nil {
		err = errors.Join(err, fmt.Errorf("record the campaign: %w", tellErr))
	}
	return c.result, err
}

// groups runs groups of faults until there were enough, or one found something.
func (c *campaign) groups(ctx context.Context) error {
	for c.result.Faults < c.Faults && (c.Duration == 0 || time.Since(c.began) < c.Duration) {
		group := c.random.Next()
		group = group[:min(len(group), c.Faults-c.result.Faults)]
		var texts []string
		for _, p := range group {
			texts = append(texts, p.Text)
		}
		began := time.Now()
		told := event.ScenarioStep{Run: c.id, Index: c.step, Text: strings.Join(texts, " + "), Outcome: event.ScenarioBegan}
		c.step++
		if err := c.Lab.Tell(ctx, told); err != nil {
			return fmt.Errorf("record the campaign: %w", err)
		}
		detail, err := c.group(ctx, group)
		told.Outcome, told.Detail, told.Took = event.ScenarioHeld, detail, time.Since(began)
		if err != nil {
			told.Outcome, told.Detail = event.ScenarioBroke, err.Error()
			c.result.Violation = fmt.Sprintf("%s: %v", told.Text, err)
		}
		c.Say(fmt.Sprintf("%4d/%d  %-46s %s", c.result.Faults, c.Faults, told.Text, told.Detail))
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendWithin)
		tellErr := c.Lab.Tell(last, told)
		cancel()
		switch {
		case ctx.Err() != nil:
			c.result.Violation = ""
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("%w: %s: %w", errViolation, told.Text, err)
		case tellErr != nil:
			return fmt.Errorf("record the campaign: %w", tellErr)
		}
	}
	return nil
}

// group lets faults be on together, heals them, and verifies what is left.
func (c *campaign) group(ctx context.Context, group []Planned) (string, error) {
	var ids, all []string
	defer func() { c.heal(ctx, ids) }() // those that an error left on
	var hold time.Duration
	for _, p := range group {
		// The supervisor refuses, too, what goes beyond the blast radius.
		f, err := c.Lab.Inject(ctx, api.FaultRequest{Text: p.Text, Owner: c.Owner, Run: c.id})
		if err != nil {
			return "", err
		}
		ids, all = append(ids, f.ID), append(all, f.ID)
		c.result.Faults++
		v, err := runner.Verdict(ctx, c.world, f.ID)
		switch {
		case err != nil:
			return "", err
		case v.Verdict == event.FaultMismatch:
			return "", fmt.Errorf("%s did not land: %s", f.ID, strings.Join(v.Evidence, "; "))
		case v.Verdict == event.FaultLanded:
			c.result.Landed++
		default:
			c.result.Inconclusive++
			c.result.Unverified = append(c.result.Unverified, fmt.Sprintf("%s %s: %s", f.ID, f.Text, strings.Join(v.Evidence, "; ")))
		}
		hold = max(hold, p.Hold)
	}
	timer := time.NewTimer(hold)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	for len(ids) > 0 {
		if _, err := c.Lab.Heal(ctx, api.HealRequest{ID: ids[0]}); err != nil {
			return "", err
		}
		ids = ids[1:]
	}
	healed := time.Now()
	if err := c.converge(ctx); err != nil {
		return "", err
	}
	took := time.Since(healed)
	c.result.converged = append(c.result.converged, took)
	if err := c.verify(ctx); err != nil {
		return "", err
	}
	detail := fmt.Sprintf("converged in %v, %d writes acknowledged so far", took.Round(time.Millisecond), c.acknowledged())
	c.world.See(func(w *state.World) {
		for _, id := range all {
			if report := w.Recovery.Find(id); report != nil {
				detail += "; " + id + ": " + report.Outcome()
			}
		}
	})
	return detail, nil
}

func (c *campaign) acknowledged() (n int64) {
	for _, k := range c.checkers {
		n += k.acknowledged.Load()
	}
	return n
}

// heal ends faults, also when ctx has ended.
func (c *campaign) heal(ctx context.Context, ids []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendWithin)
	defer cancel()
	for _, id := range ids {
		if _, err := c.Lab.Heal(ctx, api.HealRequest{ID: id}); err != nil {
			c.Say(err.Error())
		}
	}
}

// converge waits until the whole lab is up, and every probe has succeeded since.
func (c *campaign) converge(ctx context.Context) error {
	green, err := scenario.ParseExpectation("pulse green")
	if err != nil {
		return err
	}
	why := ""
	var base scenario.Base
	c.world.See(func(w *state.World) { base = scenario.NewBase(w, time.Now()) })
	waiting, cancel := context.WithTimeoutCause(ctx, c.Converge, fmt.Errorf("the lab has not converged within %v", c.Converge))
	defer cancel()
	err = c.world.Await(waiting, func(w *state.World) bool {
		if why = scenario.Broken(w); why == "" {
			_, why = green.Check(scenario.View{Now: w, Base: base})
		}
		return why == ""
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %s", err, why)
	}
	return err
}

// verify checks what was written since the last time.
func (c *campaign) verify(ctx context.Context) error {
	var errs []error
	for _, k := range c.checkers {
		f, err := k.Verify(ctx)
		c.result.add(f)
		if err == nil && !f.OK() {
			err = fmt.Errorf("%s:\n%s", k.store.Name(), f)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// finish verifies the last writes, removes what was written, and looks for what
// the campaign left.
func (c *campaign) finish(ctx context.Context) error {
	for _, k := range c.checkers {
		c.result.Acknowledged += k.acknowledged.Load()
		c.result.Unknown += k.unknown.Load()
	}
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*cleanWithin)
	defer cancel()
	var errs []error
	if c.result.OK() && ctx.Err() == nil && c.result.Violation == "" {
		errs = append(errs, c.verify(cleaning))
	}
	// The keys of a violation are evidence, and stay.
	for _, k := range c.checkers {
		if !c.result.OK() {
			break
		}
		left, err := k.Clean(cleaning)
		errs = append(errs, err)
		for _, key := range left {
			c.result.Leaks = append(c.result.Leaks, "key "+key)
		}
	}
	c.world.See(func(w *state.World) {
		for _, f := range w.Faults.Active {
			c.result.Leaks = append(c.result.Leaks, "fault "+f.ID+" "+f.Text)
		}
		for link := range w.Faults.Links {
			c.result.Leaks = append(c.result.Leaks, "link "+link)
		}
	})
	if n := len(c.result.Leaks); n > 0 {
		errs = append(errs, fmt.Errorf("%d things are left: %s", n, strings.Join(c.result.Leaks, ", ")))
	}
	return errors.Join(errs...)
}
