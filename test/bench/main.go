// Command bench measures a workbench binary on this machine: how long a lab
// takes to boot, what it costs, and how long the steps of failure recovery
// take, against the same components started bare (package bare).
//
//	go run ./test/bench [-workbench bin/workbench] [-runs 3] [-shapes 1+1,3+3] [-o table|json|markdown]
//	go run ./test/bench -only boot [-runs 5] [-shapes 3+3]
//	go run ./test/bench -only watch [-watch-rate 2000] [-watch-for 1m]
//	go run ./test/bench -only pulse [-shapes 3+3] [-window 10s]
//
// It needs root. Everything it starts ends with it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"workbench/test/bench/bare"
)

// The main goroutine keeps the main thread: a bare node forks from it, and what
// dies with its parent's thread dies with the process.
func init() { runtime.LockOSThread() }

func main() {
	var err error
	switch filepath.Base(os.Args[0]) {
	case bare.LabRole:
		err = bare.LabMain()
	case bare.NodeRole:
		err = bare.NodeMain()
	default:
		err = run(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// options of a benchmark.
type options struct {
	binary  string
	dir     string
	runs    int
	shapes  []shape
	output  string
	settle  time.Duration
	window  time.Duration
	timeout time.Duration
	bare    bool
	tour    bool
	// only names the one part to measure; "" measures boots, costs and recovery.
	only      string
	watchRate int
	watchAPI  int
	watchFor  time.Duration
}

func parse(args []string) (options, error) {
	var o options
	var shapes string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.binary, "workbench", "bin/workbench", "binary to measure")
	f.StringVar(&o.dir, "dir", "", "state directory, on the disk to measure (default: a temporary one)")
	f.IntVar(&o.runs, "runs", 3, "how often each is measured; the median counts")
	f.StringVar(&shapes, "shapes", "1+1,3+3", "control planes + workers, separated by commas")
	f.StringVar(&o.output, "o", "table", "table, json or markdown")
	f.DurationVar(&o.settle, "settle", 20*time.Second, "how long a lab is left alone before it counts as at rest")
	f.DurationVar(&o.window, "window", 10*time.Second, "how long a lab at rest is measured")
	f.DurationVar(&o.timeout, "boot-timeout", 3*time.Minute, "how long one measurement may take")
	f.BoolVar(&o.bare, "bare", true, "measure the bare starter as well")
	f.BoolVar(&o.tour, "tour", true, "measure failure recovery as well")
	f.StringVar(&o.only, "only", "", "boot: only boots, of new labs and bare ones by turns; watch: only how many changes a lab bears; pulse: only what the pulse costs")
	f.IntVar(&o.watchRate, "watch-rate", 2000, "changes a second")
	f.IntVar(&o.watchAPI, "watch-api", 100, "how many of them through the API; the others are transactions of etcd")
	f.DurationVar(&o.watchFor, "watch-for", time.Minute, "how long changes are written")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if !slices.Contains([]string{"", "boot", "watch", "pulse"}, o.only) {
		return o, fmt.Errorf("-only %s: want boot, watch or pulse", o.only)
	}
	for one := range strings.SplitSeq(shapes, ",") {
		var s shape
		if _, err := fmt.Sscanf(one, "%d+%d", &s.ControlPlanes, &s.Workers); err != nil || s.ControlPlanes < 1 || s.Workers < 1 {
			return o, fmt.Errorf("-shapes %s: want such as 3+3", one)
		}
		o.shapes = append(o.shapes, s)
	}
	if o.output != "table" && o.output != "json" && o.output != "markdown" {
		return o, fmt.Errorf("-o %s: want table, json or markdown", o.output)
	}
	if o.runs < 1 {
		return o, fmt.Errorf("-runs %d: want 1 or more", o.runs)
	}
	var err error
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return o, err
	}
	if _, err := os.Stat(o.binary); err != nil {
		return o, fmt.Errorf("%w; build it with: go tool task build", err)
	}
	if os.Geteuid() != 0 {
		return o, fmt.Errorf("labs need root; run: sudo go tool task bench")
	}
	return o, nil
}

func run(args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "workbench-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	switch o.only {
	case "boot":
		return measureBoots(ctx, o, os.Stdout)
	case "watch":
		return measureWatch(ctx, o, os.Stdout)
	case "pulse":
		return measurePulse(ctx, o, os.Stdout)
	}
	r := &result{Began: time.Now()}
	if err := r.describe(o); err != nil {
		return err
	}
	for i := 1; i <= o.runs && err == nil; i++ {
		for _, s := range o.shapes {
			if err = r.round(ctx, o, s, i); err != nil {
				break
			}
		}
	}
	r.finish()
	if len(r.Boots) > 0 {
		if writeErr := r.write(os.Stdout, o.output); writeErr != nil {
			return writeErr
		}
	}
	return err
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
