package relay

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// writeTimeout is rafthttp.ConnWriteTimeout, which etcd sets on its own peer
// listener: a peer that takes nothing for so long is cut off.
const writeTimeout = 5 * time.Second

// wireListener gives connections that count what they send.
type wireListener struct{ net.Listener }

func (l wireListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn}, nil
}

// maxPending bounds the messages whose acknowledgement is awaited.
const maxPending = 1024

// wire is the TCP connection below TLS. It knows which messages were written
// to it and, from the kernel, how many bytes the peer has not acknowledged.
type wire struct {
	net.Conn
	written atomic.Int64 // bytes of ciphertext

	mu      sync.Mutex
	pending []sent // oldest first
	gone    int64  // bytes acknowledged when the connection ended
	ended   bool
}

// sent is a message and the position on the wire before which it ends.
type sent struct {
	Message
	end  int64
	lost bool // reported
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	w.written.Add(int64(n))
	return n, err
}

// Close implements net.Conn. What is not acknowledged by now never will be.
func (w *wire) Close() error {
	acked := w.acknowledged()
	w.mu.Lock()
	if !w.ended {
		w.gone, w.ended = acked, true
	}
	w.mu.Unlock()
	return w.Conn.Close()
}

// sentNow notes a message that was forwarded.
func (w *wire) sentNow(m Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) >= maxPending {
		w.pending = append(w.pending[:0], w.pending[maxPending/2:]...)
	}
	w.pending = append(w.pending, sent{Message: m, end: w.written.Load()})
}

// acknowledged is how many bytes the peer's TCP has acknowledged; all that were
// written where the kernel does not tell.
func (w *wire) acknowledged() int64 {
	written := w.written.Load()
	raw, ok := w.Conn.(syscall.Conn)
	if !ok {
		return written
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return written
	}
	queued := 0
	if err := rc.Control(func(fd uintptr) {
		if n, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil {
			queued = n
		}
	}); err != nil {
		return written
	}
	return written - int64(queued)
}

// overdue forgets what was acknowledged and returns what was sent before a
// moment and is not, each once, and what is still waited for.
func (w *wire) overdue(before time.Time) (lost, left []Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 || w.ended {
		return nil, nil
	}
	w.forget(w.acknowledged())
	for i := range w.pending {
		m := &w.pending[i]
		left = append(left, m.Message)
		if !m.lost && m.At.Before(before) {
			m.lost = true
			lost = append(lost, m.Message)
		}
	}
	return lost, left
}

// unsent is what a connection that ended took with it and was not reported.
func (w *wire) unsent() []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(w.gone)
	var lost []Message
	for _, m := range w.pending {
		if !m.lost {
			lost = append(lost, m.Message)
		}
	}
	w.pending = nil
	return lost
}

func (w *wire) forget(acked int64) {
	n := 0
	for n < len(w.pending) && w.pending[n].end <= acked {
		n++
	}
	w.pending = append(w.pending[:0], w.pending[n:]...)
}
