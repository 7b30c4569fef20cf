package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"workbench/cluster/layout"
)

// turnVariants start from the same: image store, programs and, for the bare ones,
// certificates and files are there; the cluster has no data.
var turnVariants = []string{fresh, bareOnce, bareOrder}

// measureBoots boots new labs and bare ones by turns, as often as there are runs, and
// compares within turns: what else slows the machine down meanwhile hits all.
func measureBoots(ctx context.Context, o options, to io.Writer) (err error) {
	shape := o.shapes[len(o.shapes)-1]
	state := filepath.Join(o.dir, "state-turns")
	kept := workbench{binary: o.binary, place: layout.Lab{State: state, Name: "kept"}}
	second := workbench{binary: o.binary, place: layout.Lab{State: state, Name: "new"}}
	defer func() { err = errors.Join(err, second.clear(), kept.clear(), os.RemoveAll(state)) }()
	progress("lay out a lab of %s", shape)
	if _, _, err := kept.boot(ctx, shape, cold, 0); err != nil {
		return err
	}
	if _, err := kept.down(ctx, false); err != nil {
		return err
	}
	r := &result{}
	ready := map[string][]float64{}
	for turn := range o.runs {
		order := slices.Clone(turnVariants)
		if turn%2 == 1 {
			slices.Reverse(order)
		}
		for _, v := range order {
			one, err := bootOnce(ctx, o, kept, second, shape, v, turn+1)
			if err != nil {
				return fmt.Errorf("%s, turn %d: %w", v, turn+1, err)
			}
			r.add(one)
			ready[v] = append(ready[v], float64(one.Ready))
		}
	}
	if o.output == "json" {
		return encodeJSON(to, r.Boots)
	}
	if err := r.boots().write(to, o.output == "markdown"); err != nil {
		return err
	}
	for _, v := range turnVariants[1:] {
		var ratios []float64
		for i, own := range ready[fresh] {
			ratios = append(ratios, own/ready[v][i])
		}
		fmt.Fprintf(to, "\nall Ready, a new lab to %s: %.2f in the median of %d turns (%.2f to %.2f)\n", v,
			median(ratios, func(v float64) float64 { return v }), o.runs, slices.Min(ratios), slices.Max(ratios))
	}
	return nil
}

// bootOnce boots one lab until its app runs, and takes it down.
func bootOnce(ctx context.Context, o options, kept, second workbench, s shape, variant string, turn int) (out sample, err error) {
	limited, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done within %v", o.timeout))
	defer cancel()
	if variant == fresh {
		out, _, err = second.boot(limited, s, variant, turn)
		if err != nil {
			return out, err
		}
		out.DownMillis, err = second.down(ctx, true)
		return out, err
	}
	out, lab, err := bootBare(limited, kept.place, s, variant, turn, true, variant == bareOrder)
	return out, errors.Join(err, stopBare(lab))
}
