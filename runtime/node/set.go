package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
)

// Restart backoff: doubles from first to most, and starts over once a
// component has run for steady.
const (
	backoffFirst  = 200 * time.Millisecond
	backoffMost   = 5 * time.Second
	backoffSteady = 10 * time.Second
)

// process is one supervised component. Fields are guarded by set.mu.
type process struct {
	Component
	pid      int // 0 when not running
	started  time.Time
	exited   chan struct{} // closed when the present process has been reaped
	ready    bool
	wasReady bool // since the present process started
	paused   bool
	held     bool   // by a user: do not restart
	crashing string // why it is killed soon after each start; "" for not at all
	cause    string
	restarts int
	backoff  time.Duration
	timer    *time.Timer
}

// set is all components of a node.
type set struct {
	node     string
	emit     func(time.Time, event.Body)
	tapped   func(json.RawMessage)
	onThread func(func())

	mu       sync.Mutex
	byName   map[string]*process
	order    []string
	stopping bool
	// forked wakes the reaper, which has nothing to wait for without a child.
	forked chan struct{}
}

func newSet(emit func(time.Time, event.Body), tapped func(json.RawMessage), onThread func(func())) *set {
	return &set{emit: emit, tapped: tapped, onThread: onThread, byName: map[string]*process{}, forked: make(chan struct{}, 1)}
}

// start supervises a new component, or releases one that is held down.
func (s *set) start(name string, c *Component) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byName[name]
	switch {
	case p == nil && c == nil:
		return fmt.Errorf("no component %s here; there are %s", name, strings.Join(s.order, ", "))
	case p == nil:
		p = &process{Component: *c, exited: closed()}
		s.byName[name] = p
		s.order = append(s.order, name)
	case p.pid != 0:
		return errors.New("it is running already")
	case c != nil:
		p.Component = *c
	}
	p.held, p.paused, p.backoff = false, false, 0
	if p.timer != nil {
		p.timer.Stop()
	}
	return s.launch(p)
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// launch forks the process. Callers hold s.mu, so that the reaper cannot see
// its end before it is known.
func (s *set) launch(p *process) error {
	log, err := openLog(p.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	events, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirs.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return errors.Join(err, events.Close())
	}
	defer null.Close()
	argv := append([]string{p.Path}, p.Args...)
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}, p.Env...)
	var proc *os.Process
	s.onThread(func() {
		proc, err = os.StartProcess(p.Path, argv, &os.ProcAttr{
			Dir: "/", Env: env, Files: []*os.File{null, log, log, theirs}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.Name, err), events.Close())
	}
	p.pid, p.started, p.exited, p.cause = proc.Pid, time.Now(), make(chan struct{}), ""
	p.ready, p.wasReady = false, false
	_ = proc.Release() // reaped by reap
	select {
	case s.forked <- struct{}{}:
	default:
	}
	s.report(p, event.ComponentStarted)
	s.crashSoon(p)
	go s.forward(events)
	go s.watch(p, p.pid, p.exited)
	return nil
}

// logLimit is the size in bytes from which a log is rotated to its .1.
const logLimit = 32 << 20

func openLog(file string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if info, err := os.Stat(file); err == nil && info.Size() > logLimit {
		if err := os.Rename(file, file+".1"); err != nil {
			return nil, fmt.Errorf("rotate log: %w", err)
		}
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// forward passes on the events of a component's own taps until it ends.
func (s *set) forward(events *os.File) {
	defer events.Close()
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, MaxMessage)
	for lines.Scan() {
		if json.Valid(lines.Bytes()) { // not the torn line of a component that was killed
			s.tapped(lines.Bytes())
		}
	}
}

// report emits the state of a component. Callers hold s.mu.
func (s *set) report(p *process, state event.ComponentPhase) {
	s.emit(time.Now(), event.ComponentState{
		Node: s.node, Component: p.Name, State: state, PID: p.pid, Restarts: p.restarts, Cause: p.cause,
	})
}

// reap waits for every child of PID 1, its own and the orphans of the node.
func (s *set) reap() {
	for {
		var info unix.Siginfo
		// Waits without reaping, so that the end of a process is handled under
		// the same lock as its start.
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			<-s.forked
			continue
		case err != nil:
			return
		}
		s.mu.Lock()
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == nil && pid > 0 {
			s.ended(pid, status)
		}
		s.mu.Unlock()
	}
}

// ended handles the end of a process. Callers hold s.mu.
func (s *set) ended(pid int, status syscall.WaitStatus) {
	var p *process
	for _, candidate := range s.byName {
		if candidate.pid == pid {
			p = candidate
		}
	}
	if p == nil {
		return // an orphan
	}
	e := event.ComponentState{
		Node: s.node, Component: p.Name, State: event.ComponentExited, ExitCode: status.ExitStatus(), Cause: p.cause,
	}
	if status.Signaled() {
		e.ExitCode, e.Signal = -1, status.Signal().String()
	}
	if e.Cause == "" {
		e.Cause = lastLine(p.Log)
	}
	ran := time.Since(p.started)
	p.pid, p.ready, p.paused = 0, false, false
	close(p.exited)
	if p.held || s.stopping {
		e.State, e.Restarts = event.ComponentStopped, p.restarts
		s.emit(time.Now(), e)
		return
	}
	p.backoff = min(max(p.backoff*2, backoffFirst), backoffMost)
	if ran >= backoffSteady {
		p.backoff = backoffFirst
	}
	p.restarts++
	e.Restarts, e.Backoff = p.restarts, p.backoff
	s.emit(time.Now(), e)
	p.timer = time.AfterFunc(p.backoff, func() { s.relaunch(p) })
}

func (s *set) relaunch(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.pid != 0 || p.held || s.stopping {
		return
	}
	if err := s.launch(p); err != nil {
		p.cause = err.Error()
		s.report(p, event.ComponentExited)
		p.timer = time.AfterFunc(backoffMost, func() { s.relaunch(p) })
	}
}

// lastLine is the end of a log, as a hint why its writer ended.
func lastLine(file string) string {
	const tail = 2 << 10
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil {
		return ""
	}
	buf := make([]byte, min(size, tail))
	if _, err := f.ReadAt(buf, size-int64(len(buf))); err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(buf)), "\n")
	line := lines[len(lines)-1]
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return strings.ToValidUTF8(line, "?")
}
