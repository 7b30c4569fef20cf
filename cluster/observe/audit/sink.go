package audit

import (
	"sync"
	"sync/atomic"
	"time"

	auditapi "k8s.io/apiserver/pkg/apis/audit"

	"workbench/cluster/event"
)

// The pace of batches.
const (
	// soon bounds how late a write is told.
	soon = 50 * time.Millisecond
	// lazy bounds how late reads, watches and heartbeats are.
	lazy = 2 * time.Second
	// batch is how many writes one event holds.
	batch = 64
	// queued bounds requests that are not looked at yet; beyond, they are
	// counted and dropped, as a request must never wait for being watched.
	queued = 8192
)

// Pipe is where events go.
type Pipe interface {
	Emit(at time.Time, body event.Body)
}

// Sink is an audit backend.
type Sink struct {
	node string
	out  Pipe

	in      chan seen
	dropped atomic.Int64
	stop    chan struct{}
	once    sync.Once
	done    chan struct{}
}

// NewSink reports what the API server on a node is asked.
func NewSink(node string, out Pipe) *Sink {
	return &Sink{node: node, out: out, in: make(chan seen, queued), stop: make(chan struct{}), done: make(chan struct{})}
}

// String implements audit.Backend.
func (s *Sink) String() string { return "workbench" }

// Run implements audit.Backend: it starts the goroutine that Shutdown ends.
func (s *Sink) Run(<-chan struct{}) error {
	go func() {
		defer close(s.done)
		s.work()
	}()
	return nil
}

// Shutdown implements audit.Backend: what was seen is told when it returns.
func (s *Sink) Shutdown() {
	s.once.Do(func() { close(s.stop) })
	<-s.done
}

// ProcessEvents implements audit.Sink. It runs in the request's own goroutine
// and keeps nothing of the event that changes later.
func (s *Sink) ProcessEvents(events ...*auditapi.Event) bool {
	for _, e := range events {
		if e.ObjectRef == nil {
			continue
		}
		switch e.Stage {
		case auditapi.StageResponseComplete, auditapi.StagePanic:
		case auditapi.StageResponseStarted:
			if e.Verb != "watch" {
				continue
			}
		default:
			continue
		}
		select {
		case s.in <- look(e):
		default:
			s.dropped.Add(1)
		}
	}
	return true
}

// work folds and batches until the sink is shut down.
func (s *Sink) work() {
	b := newBatcher(s.node)
	timer := time.NewTimer(lazy)
	defer timer.Stop()
	for {
		select {
		case one := <-s.in:
			had := b.urgent
			b.add(one)
			if b.full() {
				s.flush(b, timer)
			} else if b.urgent && !had {
				timer.Reset(soon)
			}
		case <-timer.C:
			s.flush(b, timer)
		case <-s.stop:
			for {
				select {
				case one := <-s.in:
					b.add(one)
					if b.full() {
						s.flush(b, timer)
					}
					continue
				default:
				}
				s.flush(b, timer)
				return
			}
		}
	}
}

func (s *Sink) flush(b *batcher, timer *time.Timer) {
	timer.Reset(lazy)
	if e, ok := b.take(s.dropped.Swap(0)); ok {
		s.out.Emit(time.Now(), e)
	}
}
