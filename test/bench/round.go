package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"workbench/cluster/layout"
	"workbench/test/bench/bare"
)

// Variants of a boot.
const (
	cold        = "cold"                // no image store, no certificates, nothing
	fresh       = "new lab"             // the machine's image store is there
	resume      = "resume"              // a lab that was down
	bareOnce    = "bare, all at once"   // new cluster data
	bareOrder   = "bare, in order"      // new cluster data
	bareResumed = "bare, resume, order" // its data again
)

var variants = []string{cold, fresh, resume, bareOnce, bareOrder, bareResumed}

// round measures everything once for one shape. Bare labs and the workbench
// take turns, so that a busy minute of the machine does not hit one side only.
func (r *result) round(ctx context.Context, o options, s shape, run int) (err error) {
	state := filepath.Join(o.dir, fmt.Sprintf("state-%s-%d", s, run))
	first := workbench{binary: o.binary, place: layout.Lab{State: state, Name: "first"}}
	second := workbench{binary: o.binary, place: layout.Lab{State: state, Name: "second"}}
	defer func() { err = errors.Join(err, first.clear(), second.clear(), os.RemoveAll(state)) }()
	if err := r.boot(ctx, o, first, s, cold, run); err != nil {
		return err
	}
	if err := r.boot(ctx, o, first, s, resume, run); err != nil {
		return err
	}
	if o.bare {
		for _, v := range []string{bareOnce, bareOrder, bareResumed} {
			if err := r.bootBare(ctx, o, first.place, s, v, run); err != nil {
				return err
			}
		}
	}
	return r.boot(ctx, o, second, s, fresh, run)
}

// boot measures one boot of the workbench, a lab at rest, and its end.
func (r *result) boot(ctx context.Context, o options, w workbench, s shape, variant string, run int) error {
	limited, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done within %v", o.timeout))
	defer cancel()
	one, pid, err := w.boot(limited, s, variant, run)
	if err != nil {
		return fmt.Errorf("%s, %s, run %d: %w", s, variant, run, err)
	}
	if variant != resume {
		if err := one.rest(ctx, pid, o); err != nil {
			return err
		}
	}
	if variant == fresh && s == o.shapes[len(o.shapes)-1] {
		own, err := w.measureOwn(ctx, pid, run, o.window)
		if err != nil {
			return fmt.Errorf("measure the app: %w", err)
		}
		r.Own = append(r.Own, own)
	}
	if variant == fresh && o.tour && s.ControlPlanes >= 3 && s.Workers >= 2 {
		limited, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done within %v", o.timeout))
		defer cancel()
		report, err := w.fail(limited)
		r.Failures = append(r.Failures, report)
		if err != nil {
			return err
		}
	}
	if one.DownMillis, err = w.down(ctx, false); err != nil {
		return err
	}
	r.add(one)
	return nil
}

func (r *result) bootBare(ctx context.Context, o options, place layout.Lab, s shape, variant string, run int) (err error) {
	limited, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done within %v", o.timeout))
	defer cancel()
	one, lab, err := bootBare(limited, place, s, variant, run, variant != bareResumed, variant != bareOnce)
	defer func() { err = errors.Join(err, stopBare(lab)) }()
	if err != nil {
		return fmt.Errorf("%s, %s, run %d: %w", s, variant, run, err)
	}
	if variant != bareResumed {
		if err := one.rest(ctx, lab.PID, o); err != nil {
			return err
		}
	}
	r.add(one)
	return nil
}

func stopBare(lab *bare.Lab) error {
	if lab == nil {
		return nil
	}
	return lab.Stop()
}
