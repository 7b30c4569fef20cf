package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"workbench/cluster/scenario"
	"workbench/cluster/state"
)

// expect waits for a condition as its text says, and at most so long where it
// says nothing; 0 is not at all.
func (r *run) expect(ctx context.Context, text string, within time.Duration) error {
	text, err := r.bind(text)
	if err != nil {
		return err
	}
	e, err := scenario.ParseExpectation(text)
	if err != nil {
		return err
	}
	if e.Within > 0 {
		within = e.Within
	}
	if err := r.until(ctx, e, within); err != nil || e.For == 0 {
		return err
	}
	return r.throughout(ctx, e)
}

// until waits until an expectation holds.
func (r *run) until(ctx context.Context, e scenario.Expectation, within time.Duration) error {
	why := ""
	holds := func(w *state.World) (held bool) {
		held, why = e.Check(scenario.View{Now: w, Base: r.base})
		return held
	}
	if within == 0 {
		var held bool
		r.world.See(func(w *state.World) { held = holds(w) })
		if !held {
			return errors.New(why)
		}
		return nil
	}
	waiting, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not within %v", within))
	defer cancel()
	if err := r.world.Await(waiting, holds); err != nil {
		return fmt.Errorf("%w: %s", err, why)
	}
	return nil
}

// throughout waits and refuses the first moment at which an expectation does not
// hold.
func (r *run) throughout(ctx context.Context, e scenario.Expectation) error {
	over := errors.New("held")
	began := time.Now()
	waiting, cancel := context.WithTimeoutCause(ctx, e.For, over)
	defer cancel()
	why := ""
	err := r.world.Await(waiting, func(w *state.World) bool {
		var held bool
		held, why = e.Check(scenario.View{Now: w, Base: r.base})
		return !held
	})
	switch {
	case errors.Is(err, over):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("it held for %v of %v only: %s", time.Since(began).Round(time.Millisecond), e.For, why)
}
