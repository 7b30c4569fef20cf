// Package tracing runs a command as a traced one: what it asks of the API carries
// a trace's ID, and the lab records what comes of that until its pods are Ready.
//
//	command -> proxy (loopback; adds traceparent) -> kube-apiserver -> etcd
//	supervisor: kubelets record -> journal -> state.CommandTrace -> waterfall
package tracing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/mirror"
	"workbench/cluster/state"
)

// Config of a traced command.
type Config struct {
	Client     *api.Client
	Kubeconfig string   // the lab's
	Args       []string // the command and its arguments
	// Kubectl is the file of the workbench's own: the command's kubectl.
	Kubectl string
	// Timeout is how long to wait, after the command, for its pods.
	Timeout time.Duration

	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Result of a traced command.
type Result struct {
	Trace    state.CommandTrace
	Progress state.Progress
	Exit     int
}

// Times of a trace.
const (
	lease = 30 * time.Minute // at most, the command included
	// quiet is how long nothing may have come of the command before it counts as
	// done; upstream's exporters keep spans for half a second.
	quiet = 1200 * time.Millisecond
	// patience is how long the first pod of something that makes pods is awaited.
	patience = 5 * time.Second
	look     = 100 * time.Millisecond
	grace    = 3 * time.Second // for an interrupted command to end by itself
)

// Run runs the command and waits for what comes of it. When ctx ends while it
// waits, it ends the trace as it is. An error is of the trace, not the command.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if len(cfg.Args) == 0 {
		return Result{}, errors.New("trace: no command; give one after --, such as: workbench trace -- kubectl apply -f x.yaml")
	}
	whole := context.WithoutCancel(ctx)
	lab, stop, err := mirror.Open(whole, cfg.Client)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	id := newID(16)
	p, err := newProxy(id, cfg.Kubeconfig)
	if err != nil {
		return Result{}, fmt.Errorf("trace: %w", err)
	}
	defer p.close()
	cmd, clean, err := cfg.command(p)
	if err != nil {
		return Result{}, fmt.Errorf("trace: %w", err)
	}
	defer clean()
	if err := cfg.Client.BeginTrace(whole, api.TraceRequest{TraceStarted: event.TraceStarted{ID: id, Command: Redact(cfg.Args)}, Lease: lease}); err != nil {
		return Result{}, err
	}
	r := run{Config: cfg, id: id, proxy: p, lab: lab}
	end := event.TraceEnded{ID: id, Exit: -1, Cause: "not started"}
	began := time.Now()
	runErr := r.execute(ctx, cmd)
	end.Ran = time.Since(began)
	if cmd.ProcessState != nil {
		if end.Exit = cmd.ProcessState.ExitCode(); end.Exit < 0 {
			end.Exit = 128 + signalOf(cmd.ProcessState)
		}
		end.Cause = r.settle(ctx)
	}
	r.tell(whole)
	out := Result{Exit: end.Exit}
	lab.See(func(w *state.World) {
		if t := w.Trace(id); t != nil {
			out.Progress = w.Progress(t)
		}
	})
	if err := cfg.Client.EndTrace(whole, end); err != nil {
		return out, errors.Join(runErr, err)
	}
	err = lab.Await(whole, func(w *state.World) bool {
		t := w.Trace(id)
		if t == nil || t.Open() {
			return t == nil
		}
		out.Trace = *t
		return true
	})
	return out, errors.Join(runErr, err)
}

// run is a command under way.
type run struct {
	Config
	id    string
	proxy *proxy
	lab   *mirror.Mirror
}

// command is the command with a kubeconfig that leads to the proxy, and the
// embedded kubectl before any other.
func (c Config) command(p *proxy) (cmd *exec.Cmd, clean func(), err error) {
	dir, err := os.MkdirTemp("", "workbench-trace-")
	if err != nil {
		return nil, nil, err
	}
	clean = func() { _ = os.RemoveAll(dir) }
	file, bin := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "bin")
	if err := errors.Join(os.WriteFile(file, p.kube, 0o600), os.Mkdir(bin, 0o700), os.Symlink(c.Kubectl, filepath.Join(bin, "kubectl"))); err != nil {
		clean()
		return nil, nil, err
	}
	name := c.Args[0]
	if name == "kubectl" {
		name = filepath.Join(bin, name)
	}
	cmd = exec.Command(name, c.Args[1:]...)
	cmd.Args[0] = c.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.Env = append(os.Environ(), "KUBECONFIG="+file, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return cmd, clean, nil
}

// execute runs the command and tells its requests as they end.
func (r *run) execute(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", r.Args[0], err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }() // its code is what counts
	tick := time.NewTicker(look)
	defer tick.Stop()
	// A terminal's interrupt came to the command as well; it is ended where it stays.
	stay := context.AfterFunc(ctx, func() {
		select {
		case <-done:
		case <-time.After(grace):
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	})
	defer stay()
	for {
		select {
		case <-done:
			return nil
		case <-tick.C:
			r.tell(context.WithoutCancel(ctx))
		}
	}
}

// tell records the requests that ended.
func (r *run) tell(ctx context.Context) {
	const most = 100
	for spans := r.proxy.take(); len(spans) > 0; {
		n := min(len(spans), most)
		if err := r.Client.Tell(ctx, event.TraceSpans{Spans: spans[:n]}); err != nil {
			return // the lab is gone: what waits for it says so
		}
		spans = spans[n:]
	}
}

// settle waits until nothing more comes of the command, and says why it ended.
func (r *run) settle(ctx context.Context) string {
	exited := time.Now()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		r.tell(context.WithoutCancel(ctx))
		var p state.Progress
		gone := false
		r.lab.See(func(w *state.World) {
			t := w.Trace(r.id)
			if gone = t == nil || !t.Open(); !gone {
				p = w.Progress(t)
			}
		})
		idle := time.Since(exited)
		if p.Last.After(exited) {
			idle = time.Since(p.Last)
		}
		switch {
		case gone:
			return "lost"
		case len(p.Waiting) == 0 && idle >= quiet && p.Pods > 0:
			return "settled"
		case len(p.Waiting) == 0 && idle >= quiet && (!p.Expects || idle >= patience):
			return "no pods"
		case time.Since(exited) >= r.Timeout:
			return "timeout"
		}
		select {
		case <-ctx.Done():
			return "interrupted"
		case <-tick.C:
		}
	}
}

// Redact is a command line without the values of its flags, which may be secret,
// but for those that say what it is about.
func Redact(args []string) string {
	open := map[string]bool{"-n": true, "--namespace": true, "-f": true, "--filename": true, "-k": true, "--image": true, "--replicas": true, "-l": true}
	out := []string{filepath.Base(args[0])}
	hide := false
	for _, a := range args[1:] {
		name, _, valued := strings.Cut(a, "=")
		switch {
		case strings.HasPrefix(a, "-"):
			hide = !valued && !open[name]
			if valued && !open[name] {
				a = name + "=…"
			}
		case hide:
			a, hide = "…", false
		case valued:
			a = name + "=…"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}
