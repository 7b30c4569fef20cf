package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"workbench/cluster/layout"
)

// pulsed is what the pulse costs: processor time of all of a lab at rest with it
// less that without it, as a share of one processor.
type pulsed struct {
	Shape string `json:"shape"`
	CPUs  int    `json:"cpus"`
	// Lab is all processes of the lab; Supervisor, which asks, is one of them.
	Lab        []share `json:"lab"`
	Supervisor []share `json:"supervisor"`
}

// share is one turn.
type share struct {
	Off float64 `json:"off"`
	On  float64 `json:"on"`
}

// pulseTurns is how often the pulse is switched off and on again, and turnSettles
// how long each state lasts before it counts.
const (
	pulseTurns  = 6
	turnSettles = 3 * time.Second
)

// measurePulse boots a lab and measures it at rest, by turns without the pulse and
// with it.
func measurePulse(ctx context.Context, o options, to io.Writer) (err error) {
	shape := o.shapes[len(o.shapes)-1]
	place := layout.Lab{State: filepath.Join(o.dir, "pulse"), Name: "pulse"}
	w := workbench{binary: o.binary, place: place}
	defer func() { err = errors.Join(err, w.clear(), os.RemoveAll(place.State)) }()
	progress("boot a lab of %s", shape)
	_, pid, err := w.boot(ctx, shape, fresh, 1)
	if err != nil {
		return err
	}
	if err := pass(ctx, o.settle); err != nil {
		return err
	}
	out := pulsed{Shape: shape.String(), CPUs: runtime.NumCPU()}
	for turn := range pulseTurns {
		var lab, supervisor [2]float64
		for i, state := range []string{"off", "on"} {
			if said, err := w.command(ctx, "pulse", state).CombinedOutput(); err != nil {
				return fmt.Errorf("pulse %s: %w: %s", state, err, tail(said))
			}
			if err := pass(ctx, turnSettles); err != nil {
				return err
			}
			if lab[i], supervisor[i], err = shares(ctx, pid, o.window); err != nil {
				return err
			}
		}
		out.Lab = append(out.Lab, share{lab[0], lab[1]})
		out.Supervisor = append(out.Supervisor, share{supervisor[0], supervisor[1]})
		progress("turn %d: lab %.1f %% off, %.1f %% on; supervisor %.1f %%, %.1f %%", turn+1, 100*lab[0], 100*lab[1], 100*supervisor[0], 100*supervisor[1])
	}
	if o.output == "json" {
		return encodeJSON(to, out)
	}
	fmt.Fprintf(to, "the pulse of a lab of %s at rest, in %% of one of %d processors; medians of %d turns of %v each\n", out.Shape, out.CPUs, pulseTurns, o.window)
	for _, p := range []struct {
		name string
		all  []share
	}{{"lab", out.Lab}, {"supervisor", out.Supervisor}} {
		var more []float64
		for _, s := range p.all {
			more = append(more, s.On-s.Off)
		}
		fmt.Fprintf(to, "%-12s without %.1f, with %.1f, more by %.1f (%.1f to %.1f)\n", p.name,
			100*median(p.all, func(s share) float64 { return s.Off }), 100*median(p.all, func(s share) float64 { return s.On }),
			100*median(more, func(v float64) float64 { return v }), 100*slices.Min(more), 100*slices.Max(more))
	}
	return nil
}

// shares are what a process with all below it, and it alone, take of one
// processor.
func shares(ctx context.Context, pid int, window time.Duration) (all, alone float64, err error) {
	read := func() (time.Duration, time.Duration, error) {
		tree, err := treeCPU(pid)
		if err != nil {
			return 0, 0, err
		}
		own, err := stat(pid)
		return tree, own.own, err
	}
	began := time.Now()
	tree, own, err := read()
	if err != nil {
		return 0, 0, err
	}
	if err := pass(ctx, window); err != nil {
		return 0, 0, err
	}
	treeAfter, ownAfter, err := read()
	took := float64(time.Since(began))
	return float64(treeAfter-tree) / took, float64(ownAfter-own) / took, err
}
