package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"workbench/cluster/api"
	"workbench/cluster/demo"
	"workbench/cluster/layout"
)

// shape of a lab.
type shape struct{ ControlPlanes, Workers int }

func (s shape) String() string { return fmt.Sprintf("%d+%d", s.ControlPlanes, s.Workers) }

// sample is one boot.
type sample struct {
	Shape   string `json:"shape"`
	Variant string `json:"variant"`
	Run     int    `json:"run"`
	stages
	// CPUSeconds of all processes of the lab until all stages were reached, and
	// what everything else on the machine used meanwhile.
	CPUSeconds       float64 `json:"cpuSeconds"`
	OthersCPUSeconds float64 `json:"othersCPUSeconds"`
	// After the window of rest: memory of all processes of the lab, and the share
	// of one processor that all used.
	Processes  int     `json:"processes,omitempty"`
	PSSBytes   int64   `json:"pssBytes,omitempty"`
	IdleCPU    float64 `json:"idleCPU,omitempty"`
	DownMillis int64   `json:"downMs,omitempty"`
}

// workbench drives the binary under test.
type workbench struct {
	binary string
	place  layout.Lab
}

func (w workbench) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.binary, append([]string{"--state-dir", w.place.State, "--name", w.place.Name}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// boot starts the lab and measures until all stages are reached.
func (w workbench) boot(ctx context.Context, s shape, variant string, run int) (sample, int, error) {
	out := sample{Shape: s.String(), Variant: variant, Run: run}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	before, err := machineBusy()
	if err != nil {
		return out, 0, err
	}
	began := time.Now()
	cmd := w.command(ctx, "up", "--detach", "--control-planes", strconv.Itoa(s.ControlPlanes), "--workers", strconv.Itoa(s.Workers))
	type end struct {
		after int64
		cpu   time.Duration
	}
	ended := make(chan end, 1)
	go func() {
		said, err := cmd.CombinedOutput()
		e := end{after: time.Since(began).Milliseconds()}
		if err != nil {
			cancel(fmt.Errorf("up: %w: %s", err, tail(said)))
		} else {
			e.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		ended <- e
	}()
	out.stages, err = observer{
		began: began, kubeconfig: w.place.Kubeconfig(), workers: s.Workers, pod: fmt.Sprintf("bench-%d", began.UnixNano()),
	}.observe(ctx)
	if err != nil {
		cancel(err)
		<-ended
		return out, 0, err
	}
	e := <-ended
	out.Command = e.after
	pid, err := find("supervisor", "--state-dir", w.place.State, "--name", w.place.Name)
	if err != nil {
		return out, 0, err
	}
	cpu, err := treeCPU(pid)
	if err != nil {
		return out, pid, err
	}
	return out, pid, out.account(cpu+e.cpu, before)
}

// account notes the processor time of a boot.
func (s *sample) account(cpu, busyBefore time.Duration) error {
	busy, err := machineBusy()
	if err != nil {
		return err
	}
	s.CPUSeconds = cpu.Seconds()
	s.OthersCPUSeconds = max(0, (busy - busyBefore - cpu).Seconds())
	return nil
}

// rest measures a lab that nobody uses, once it has settled: components give
// back what their start took.
func (s *sample) rest(ctx context.Context, pid int, o options) error {
	if err := pass(ctx, o.settle); err != nil {
		return err
	}
	began := time.Now()
	before, err := treeCPU(pid)
	if err != nil {
		return err
	}
	if err := pass(ctx, o.window); err != nil {
		return err
	}
	after, err := treeUsage(pid)
	if err != nil {
		return err
	}
	s.IdleCPU = float64(after.CPU-before) / float64(time.Since(began))
	s.Processes, s.PSSBytes = after.Processes, after.PSS
	return nil
}

// pass lets a window of measurement pass.
func pass(ctx context.Context, window time.Duration) error {
	select {
	case <-time.After(window):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// down stops the lab and returns how long the command took.
func (w workbench) down(ctx context.Context, purge bool) (int64, error) {
	args := []string{"down"}
	if purge {
		args = append(args, "--purge", "--yes")
	}
	began := time.Now()
	if said, err := w.command(ctx, args...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("down: %w: %s", err, tail(said))
	}
	return time.Since(began).Milliseconds(), nil
}

// fail runs the demo's tour in the lab, for the times of failure recovery.
func (w workbench) fail(ctx context.Context) (demo.Report, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", w.place.Kubeconfig())
	if err != nil {
		return demo.Report{}, err
	}
	return demo.Run(ctx, demo.Config{Client: api.NewClient(w.place.Socket()), REST: cfg})
}

// clear ends whatever of the lab is left.
func (w workbench) clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := os.Stat(w.place.File()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	_, err := w.down(ctx, true)
	return err
}

func tail(said []byte) string {
	const most = 600
	if len(said) > most {
		said = said[len(said)-most:]
	}
	return string(said)
}
