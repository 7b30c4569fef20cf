package node

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
)

// running is a component whose process runs. Callers hold s.mu.
func (s *set) running(name string) (*process, error) {
	p := s.byName[name]
	switch {
	case p == nil:
		return nil, fmt.Errorf("no component %s here; there are %s", name, strings.Join(s.order, ", "))
	case p.pid == 0:
		return nil, errors.New("it is not running")
	}
	return p, nil
}

// kill ends the process and holds it down. A component in backoff is held
// down as well.
func (s *set) kill(name, cause string) error {
	s.mu.Lock()
	p := s.byName[name]
	if p != nil && p.pid == 0 && !p.held {
		p.held, p.cause = true, cause
		s.report(p, event.ComponentStopped)
		s.mu.Unlock()
		return nil
	}
	p, err := s.running(name)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	p.held, p.cause = true, cause
	exited := p.exited
	err = syscall.Kill(p.pid, syscall.SIGKILL)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	<-exited
	return nil
}

func (s *set) restart(name, cause string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.running(name)
	if err != nil {
		return err
	}
	p.cause = cause
	if p.paused {
		return syscall.Kill(p.pid, syscall.SIGKILL) // a stopped process does not hear SIGTERM
	}
	return syscall.Kill(p.pid, syscall.SIGTERM)
}

func (s *set) pause(name, cause string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.running(name)
	if err != nil {
		return err
	}
	if p.paused {
		return errors.New("it is paused already")
	}
	if err := halt(p.pid); err != nil {
		return err
	}
	p.paused, p.cause = true, cause
	s.report(p, event.ComponentPaused)
	return nil
}

func (s *set) resume(name, cause string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.running(name)
	if err != nil {
		return err
	}
	if !p.paused {
		return errors.New("it is not paused")
	}
	if err := syscall.Kill(p.pid, syscall.SIGCONT); err != nil {
		return err
	}
	p.paused, p.cause = false, cause
	state := event.ComponentStarted
	if p.ready {
		state = event.ComponentReady
	}
	s.report(p, state)
	return nil
}

// halt stops a child, and returns when all its threads have stopped or it has
// ended: the signal alone takes a moment on a busy machine.
func halt(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		// What is seen here is left for who reaps.
		switch err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil); {
		case err == nil, errors.Is(err, unix.ECHILD):
			return nil
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for process %d to stop: %w", pid, err)
		}
	}
}

// crashAfter is how long a crashing component lives.
const crashAfter = 500 * time.Millisecond

// crash lets the component die soon after this and each later start, as a
// program with a fatal error does: it is started again, with the backoff.
func (s *set) crash(name, cause string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byName[name]
	if p == nil {
		return fmt.Errorf("no component %s here; there are %s", name, strings.Join(s.order, ", "))
	}
	p.crashing = cause
	s.crashSoon(p)
	return nil
}

// crashSoon kills the present process in a while if it is to crash. Callers
// hold s.mu.
func (s *set) crashSoon(p *process) {
	pid := p.pid
	if p.crashing == "" || pid == 0 {
		return
	}
	time.AfterFunc(crashAfter, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.pid != pid || p.crashing == "" || s.stopping {
			return
		}
		p.cause = p.crashing
		_ = syscall.Kill(pid, syscall.SIGKILL) // it is not reaped yet, so this is its PID
	})
}

// steady ends a crash loop: the component is started at once.
func (s *set) steady(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byName[name]
	if p == nil {
		return fmt.Errorf("no component %s here; there are %s", name, strings.Join(s.order, ", "))
	}
	p.crashing, p.backoff = "", 0
	if p.pid != 0 || p.held || s.stopping {
		return nil
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	return s.launch(p)
}

// reassert stops again what users paused, after all of the node got SIGCONT.
func (s *set) reassert() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, p := range s.byName {
		if p.paused && p.pid != 0 {
			errs = append(errs, halt(p.pid))
		}
	}
	return errors.Join(errs...)
}

// stopAll stops the components at once, in order where it matters: those that
// others depend on (started first) get their signal after the others ended.
func (s *set) stopAll() {
	s.mu.Lock()
	s.stopping = true
	first := s.order[:min(1, len(s.order))]
	rest := s.order[len(first):]
	s.mu.Unlock()
	s.stop(rest)
	s.stop(first)
}

func (s *set) stop(names []string) {
	var all sync.WaitGroup
	for _, name := range names {
		s.mu.Lock()
		p := s.byName[name]
		if p.timer != nil {
			p.timer.Stop()
		}
		pid, exited, grace := p.pid, p.exited, p.Grace
		if pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGTERM)
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		s.mu.Unlock()
		all.Go(func() {
			select {
			case <-exited:
			case <-time.After(grace):
				s.mu.Lock()
				if p.pid == pid && pid != 0 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
				s.mu.Unlock()
				<-exited
			}
		})
	}
	all.Wait()
}
