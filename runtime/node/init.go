package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/runtime/logind"
	"workbench/runtime/namespace"
)

// server is the running init.
type server struct {
	name    string
	control *net.UnixConn
	sendMu  sync.Mutex
	set     *set
	logind  *logind.Server // nil: the node goes down unannounced
	// thread runs functions on the main thread, the only one inside the
	// node's cgroup namespace; processes must be forked there.
	thread chan func()
}

// Init is the main function of a node's init. The calling goroutine must be
// locked to its thread. It returns when the node shuts down.
func Init() error {
	runtime.LockOSThread()
	control, err := namespace.Control()
	if err != nil {
		return err
	}
	s := &server{control: control, thread: make(chan func())}
	s.set = newSet(s.emit, s.tapped, s.onThread)
	if err := s.send(message{Hello: true}); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	for {
		select {
		case fn := <-s.thread:
			fn()
		case err := <-served:
			return err
		}
	}
}

// onThread runs fn on the main thread and waits for it.
func (s *server) onThread(fn func()) {
	done := make(chan struct{})
	s.thread <- func() { defer close(done); fn() }
	<-done
}

func (s *server) serve() error {
	buf := make([]byte, MaxMessage)
	for {
		n, err := s.control.Read(buf)
		if err != nil || n == 0 {
			return errors.New("the supervisor is gone")
		}
		var r request
		if err := json.Unmarshal(buf[:n], &r); err != nil {
			return fmt.Errorf("hear from supervisor: %w", err)
		}
		if r.Verb == verbAnnounce {
			go func() {
				s.announce()
				_ = s.reply(r.ID, nil) // a supervisor that is gone ends the init
			}()
			continue
		}
		if r.Verb == verbShutdown {
			s.set.stopAll()
			endRest(restGrace)
			return s.reply(r.ID, nil)
		}
		if err := s.reply(r.ID, s.handle(r)); err != nil {
			return err
		}
	}
}

func (s *server) handle(r request) error {
	switch r.Verb {
	case verbConfigure:
		return s.configure(*r.Config)
	case verbStart:
		return s.set.start(r.Name, r.Component)
	case verbKill:
		return s.set.kill(r.Name, r.Cause)
	case verbRestart:
		return s.set.restart(r.Name, r.Cause)
	case verbPause:
		return s.set.pause(r.Name, r.Cause)
	case verbResume:
		return s.set.resume(r.Name, r.Cause)
	case verbCrash:
		return s.set.crash(r.Name, r.Cause)
	case verbSteady:
		return s.set.steady(r.Name)
	case verbReassert:
		return s.set.reassert()
	}
	return fmt.Errorf("unknown request %q", r.Verb)
}

// configure turns the process into the node.
func (s *server) configure(c Config) error {
	var err error
	s.onThread(func() { err = become(c) })
	if err != nil {
		return err
	}
	s.name, s.set.node = c.Name, c.Name
	if err := s.hearPods(); err != nil {
		fmt.Fprintf(os.Stderr, "init: %v\n", err) // their lookups are not seen
	}
	if err := s.serveLogind(); err != nil {
		fmt.Fprintf(os.Stderr, "init: %v\n", err)
	}
	go s.set.reap()
	go s.set.sample(c.Sample, newMeter("/proc", c.Root.Cgroups))
	return nil
}

func become(c Config) error {
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("make cgroup namespace: %w", err)
	}
	if err := unix.Sethostname([]byte(c.Name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := c.Root.Enter(); err != nil {
		return err
	}
	for file, value := range c.Sysctls {
		err := os.WriteFile(filepath.Join("/proc/sys", file), []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set sysctl %s to %s: %w", strings.ReplaceAll(file, "/", "."), value, err)
		}
	}
	if c.LeafInit {
		return leaveRootGroup()
	}
	return nil
}

// leaveRootGroup moves the init to a leaf: a cgroup v2 group that holds
// processes cannot hand controllers to its children.
func leaveRootGroup() error {
	const leaf = "/sys/fs/cgroup/init"
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return fmt.Errorf("make init group: %w", err)
	}
	if err := os.WriteFile(leaf+"/cgroup.procs", []byte("0"), 0); err != nil {
		return fmt.Errorf("enter init group: %w", err)
	}
	raw, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	if err != nil {
		return fmt.Errorf("read controllers: %w", err)
	}
	for controller := range strings.FieldsSeq(string(raw)) {
		_ = os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+"+controller), 0) // some are refused on some machines
	}
	return nil
}

func (s *server) send(m message) error {
	raw, err := encode(m)
	if err != nil {
		return err
	}
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if _, err := s.control.Write(raw); err != nil {
		return fmt.Errorf("tell supervisor: %w", err)
	}
	return nil
}

func (s *server) reply(id uint64, err error) error {
	m := message{ID: id}
	if err != nil {
		m.Error = err.Error()
	}
	return s.send(m)
}

func (s *server) emit(at time.Time, body event.Body) {
	// An event that cannot be sent has no reader left: the control socket's
	// end stops this init a moment later.
	_ = s.send(message{Event: &event.Event{Time: at, Body: body}})
}

// tapped passes an event of a component on.
func (s *server) tapped(e json.RawMessage) { _ = s.send(message{Tapped: e}) }
