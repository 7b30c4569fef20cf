// Package soak breaks a lab of its own at random for as long as one likes, and
// holds that it always recovers, that nothing acknowledged is lost, and that
// nothing is left on the machine.
//
//	go tool task soak -- --faults 1000 --seed 7
package soak

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"testing"

	"workbench/test/harness"
)

var (
	faults  = flag.Int("faults", 100, "how many faults")
	seed    = flag.Uint64("seed", 1, "what the faults are drawn with")
	planes  = flag.Int("control-planes", 3, "control planes of the lab")
	workers = flag.Int("workers", 2, "workers of the lab")
	overlap = flag.Int("overlap", 2, "how many faults may be on at the same time")
)

func TestSoak(t *testing.T) {
	lab := harness.Up(t, harness.Opts{ControlPlanes: *planes, Workers: *workers, Name: "soak"})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cmd := exec.CommandContext(ctx, harness.Binary(t), "--state-dir", lab.State, "--name", lab.Name, "campaign", "--yes",
		"--faults", strconv.Itoa(*faults), "--seed", strconv.FormatUint(*seed, 10), "--overlap", strconv.Itoa(*overlap))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		t.Fatalf("the campaign: %v", err)
	}
	lab.Must("down", "--purge", "--yes")
	lab.AssertClean()
	if !t.Failed() {
		fmt.Println("left on the machine 0 processes, namespaces, mounts, control groups, listeners")
	}
}
