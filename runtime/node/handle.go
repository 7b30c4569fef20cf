package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/runtime/namespace"
)

// ErrGone is the cause of requests that fail because the node's init ended.
var ErrGone = errors.New("the node's init is gone")

// Handle is the supervisor's end of a node's init.
type Handle struct {
	Name string
	// PID of the init in the supervisor's PID namespace.
	PID   int
	pidfd int
	conn  *net.UnixConn

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan error
	gone    chan struct{}
}

// Accept waits for the init's hello, which carries its PID, and then serves
// its messages: emit gets every event, in order, until Gone.
func Accept(name string, conn *net.UnixConn, emit func(event.Event)) (*Handle, error) {
	buf, oob := make([]byte, MaxMessage), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for node %s: %w", name, err), conn.Close())
	}
	var hello message
	pid := namespace.Sender(oob[:oobn])
	if err := json.Unmarshal(buf[:n], &hello); err != nil || !hello.Hello || pid == 0 {
		return nil, errors.Join(fmt.Errorf("wait for node %s: its init said %q", name, buf[:n]), conn.Close())
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open init of node %s: %w", name, err), conn.Close())
	}
	h := &Handle{
		Name: name, PID: pid, pidfd: pidfd, conn: conn,
		waiting: map[uint64]chan error{}, gone: make(chan struct{}),
	}
	go h.serve(buf, emit)
	return h, nil
}

// Gone is closed when the init has ended: the kernel has then killed
// everything else in the node.
func (h *Handle) Gone() <-chan struct{} { return h.gone }

func (h *Handle) serve(buf []byte, emit func(event.Event)) {
	defer h.end()
	for {
		n, err := h.conn.Read(buf)
		if err != nil || n == 0 {
			return
		}
		var m message
		if err := json.Unmarshal(buf[:n], &m); err != nil {
			continue // a garbled message of a dying init; its end follows
		}
		if m.Tapped != nil {
			m.Event = new(event.Event)
			if err := json.Unmarshal(m.Tapped, m.Event); err != nil {
				continue // not an event
			}
		}
		if m.Event != nil {
			emit(*m.Event)
			continue
		}
		h.mu.Lock()
		reply := h.waiting[m.ID]
		delete(h.waiting, m.ID)
		h.mu.Unlock()
		if reply == nil {
			continue
		}
		if m.Error != "" {
			reply <- errors.New(m.Error)
		} else {
			reply <- nil
		}
	}
}

// end waits for the end of the init: its socket closes before the kernel has
// killed the rest of the node, its pidfd becomes readable after.
func (h *Handle) end() {
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(h.pidfd), Events: unix.POLLIN}}, -1); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.gone)
	for id, reply := range h.waiting {
		reply <- ErrGone
		delete(h.waiting, id)
	}
	_ = h.conn.Close()
	_ = unix.Close(h.pidfd)
	h.pidfd = -1
}

// do sends a request and waits for its reply.
func (h *Handle) do(ctx context.Context, r request) error {
	reply := make(chan error, 1)
	h.mu.Lock()
	select {
	case <-h.gone:
		h.mu.Unlock()
		return ErrGone
	default:
	}
	h.next++
	r.ID = h.next
	raw, err := encode(r)
	if err == nil {
		h.waiting[r.ID] = reply
		_, err = h.conn.Write(raw)
	}
	h.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s on node %s: %w", r.Verb, h.Name, err)
	}
	select {
	case err := <-reply:
		if err != nil {
			return fmt.Errorf("%s %s on node %s: %w", r.Verb, r.Name, h.Name, err)
		}
		return nil
	case <-ctx.Done():
		h.mu.Lock()
		delete(h.waiting, r.ID)
		h.mu.Unlock()
		return context.Cause(ctx)
	}
}

// Configure makes the init a node; it must be the first request.
func (h *Handle) Configure(ctx context.Context, c Config) error {
	return h.do(ctx, request{Verb: verbConfigure, Config: &c})
}

// Start begins to supervise a component. It returns when the process runs; its
// readiness is reported as an event.
func (h *Handle) Start(ctx context.Context, c Component) error {
	return h.do(ctx, request{Verb: verbStart, Name: c.Name, Component: &c})
}

// Release starts a component that was killed by a user.
func (h *Handle) Release(ctx context.Context, name string) error {
	return h.do(ctx, request{Verb: verbStart, Name: name})
}

// KillComponent sends SIGKILL and holds the component down until Release.
func (h *Handle) KillComponent(ctx context.Context, name, cause string) error {
	return h.do(ctx, request{Verb: verbKill, Name: name, Cause: cause})
}

// RestartComponent stops the component in order and starts it again.
func (h *Handle) RestartComponent(ctx context.Context, name, cause string) error {
	return h.do(ctx, request{Verb: verbRestart, Name: name, Cause: cause})
}

// PauseComponent freezes the component's process.
func (h *Handle) PauseComponent(ctx context.Context, name, cause string) error {
	return h.do(ctx, request{Verb: verbPause, Name: name, Cause: cause})
}

// ResumeComponent lets a paused component run on.
func (h *Handle) ResumeComponent(ctx context.Context, name, cause string) error {
	return h.do(ctx, request{Verb: verbResume, Name: name, Cause: cause})
}

// CrashComponent kills the component soon after this and each later start, until
// SteadyComponent.
func (h *Handle) CrashComponent(ctx context.Context, name, cause string) error {
	return h.do(ctx, request{Verb: verbCrash, Name: name, Cause: cause})
}

// SteadyComponent ends a crash loop and starts the component at once.
func (h *Handle) SteadyComponent(ctx context.Context, name string) error {
	return h.do(ctx, request{Verb: verbSteady, Name: name})
}

// Reassert pauses again, after a thaw of the node, what users had paused.
func (h *Handle) Reassert(ctx context.Context) error {
	return h.do(ctx, request{Verb: verbReassert})
}

// Announce tells what runs on the node that it goes down, and returns when nobody
// there delays that any more. Only Shutdown or Kill may follow.
func (h *Handle) Announce(ctx context.Context) error {
	return h.unlessGone(ctx, verbAnnounce)
}

// Shutdown stops all components in reverse start order, then what else runs on the
// node, and then the init.
func (h *Handle) Shutdown(ctx context.Context) error {
	return h.unlessGone(ctx, verbShutdown)
}

// unlessGone asks for what a node that is gone has done already.
func (h *Handle) unlessGone(ctx context.Context, verb string) error {
	err := h.do(ctx, request{Verb: verb})
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// Kill is power loss: SIGKILL to the init, upon which the kernel kills all
// else in the node. It waits for the end.
func (h *Handle) Kill() error {
	h.mu.Lock()
	var err error
	if h.pidfd >= 0 {
		err = unix.PidfdSendSignal(h.pidfd, unix.SIGKILL, nil, 0)
	}
	h.mu.Unlock()
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill init of node %s: %w", h.Name, err)
	}
	<-h.gone
	return nil
}
