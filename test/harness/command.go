package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Result is what came of a command.
type Result struct {
	Stdout, Stderr string
	Code           int // exit code; -1 if a signal ended it
}

// args puts the lab's global flags in front.
func (l *Lab) args(args []string) []string {
	return append([]string{"--state-dir", l.State, "--name", l.Name}, args...)
}

// environ is the environment of the lab's commands.
func (l *Lab) environ() []string { return append(os.Environ(), l.opts.Env...) }

// Run runs a workbench command on the lab, without a terminal.
func (l *Lab) Run(args ...string) Result {
	l.t.Helper()
	return l.Input("", args...)
}

// Input is Run with a standard input.
func (l *Lab) Input(stdin string, args ...string) Result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, l.bin, l.args(args)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = strings.NewReader(stdin), &out, &errOut, l.environ()
	err := open.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	r := Result{Stdout: out.String(), Stderr: errOut.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatalf("workbench %s: %v", strings.Join(args, " "), err)
	}
	if ctx.Err() != nil {
		l.t.Fatalf("workbench %s: not done within %v\n%s%s", strings.Join(args, " "), 2*Patience, r.Stdout, r.Stderr)
	}
	return r
}

// Must is Run that has to succeed; it returns the standard output.
func (l *Lab) Must(args ...string) string {
	l.t.Helper()
	r := l.Run(args...)
	if r.Code != 0 {
		l.t.Fatalf("workbench %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, tail(r.Stdout, 30), r.Stderr)
	}
	return r.Stdout
}

// Refused runs a command that has to fail and to say all of what on standard
// error.
func (l *Lab) Refused(args []string, what ...string) {
	l.t.Helper()
	r := l.Run(args...)
	if r.Code == 0 {
		l.t.Errorf("workbench %s: succeeded, want a refusal that says %q", strings.Join(args, " "), what)
		return
	}
	for _, w := range what {
		if !strings.Contains(r.Stderr, w) {
			l.t.Errorf("workbench %s says %q, want it to say %q", strings.Join(args, " "), strings.TrimSpace(r.Stderr), w)
		}
	}
}

// Process is a command that runs beside the test.
type Process struct {
	cmd  *exec.Cmd
	out  *transcript // both outputs
	done chan struct{}
	// ready is closed when the process has said so; see Supervise.
	ready chan struct{}
}

// Begin starts a workbench command and does not wait for it.
func (l *Lab) Begin(args ...string) *Process {
	l.t.Helper()
	return l.begin(nil, args)
}

// Supervise starts the lab's supervisor in the foreground, as `up` does in the
// background. The lab must have been booted before.
func (l *Lab) Supervise() *Process {
	l.t.Helper()
	ready, theirs, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	p := l.begin([]*os.File{theirs}, []string{"supervisor"})
	if err := theirs.Close(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer ready.Close()
		if n, _ := ready.Read(make([]byte, 1)); n == 1 {
			close(p.ready)
		}
	}()
	return p
}

func (l *Lab) begin(files []*os.File, args []string) *Process {
	l.t.Helper()
	p := &Process{
		cmd: exec.Command(l.bin, l.args(args)...), out: newTranscript(), done: make(chan struct{}), ready: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles, p.cmd.Env = p.out, p.out, files, l.environ()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := open.start(p.cmd); err != nil {
		l.t.Fatalf("workbench %s: %v", strings.Join(args, " "), err)
	}
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	l.t.Cleanup(func() { p.Signal(syscall.SIGKILL); <-p.done })
	return p
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ready is closed when a supervisor's API answers.
func (p *Process) Ready() <-chan struct{} { return p.ready }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal; one that has ended does not mind.
func (p *Process) Signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// Output is what the process has printed so far.
func (p *Process) Output() string {
	text, _ := p.out.now()
	return text
}

// AwaitOutput waits until the process has printed what.
func (l *Lab) AwaitOutput(p *Process, what string) {
	l.t.Helper()
	deadline := time.After(Patience)
	for {
		text, changed := p.out.now()
		if strings.Contains(text, what) {
			return
		}
		select {
		case <-changed:
		case <-p.done:
			if text, _ := p.out.now(); !strings.Contains(text, what) {
				l.t.Fatalf("it ended before it printed %q:\n%s", what, text)
			}
		case <-deadline:
			l.t.Fatalf("it has not printed %q within %v:\n%s", what, Patience, text)
		}
	}
}

// AwaitExit waits for the end and returns all output and the exit code, -1 if
// a signal ended the process.
func (l *Lab) AwaitExit(p *Process) (output string, code int) {
	l.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		text, _ := p.out.now()
		l.t.Fatalf("process %d has not ended within %v:\n%s", p.PID(), Patience, text)
	}
	text, _ := p.out.now()
	return text, p.cmd.ProcessState.ExitCode()
}

// transcript is the growing output of a process.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and replaced with every write
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (o *transcript) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(b)
}

func (o *transcript) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

func tail(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// AwaitFile waits until the process, or what it started, has made a file.
func (l *Lab) AwaitFile(p *Process, file string) {
	l.t.Helper()
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		l.t.Fatal(err)
	}
	defer watcher.Close()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		l.t.Fatal(err)
	}
	if err := watcher.Add(filepath.Dir(file)); err != nil {
		l.t.Fatal(err)
	}
	deadline := time.After(Patience)
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case <-watcher.Events:
		case <-p.done:
			return // the caller sees how it ended
		case <-deadline:
			l.t.Fatalf("no %s within %v", file, Patience)
		}
	}
}
