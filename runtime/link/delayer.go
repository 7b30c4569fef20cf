package link

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Delayer holds packets back: the kernel queues them (NFQUEUE), and gets its
// verdict, always to accept, when their time has come. Should this process die,
// the rules let packets pass at once (queue-bypass).
//
// One goroutine reads packets, one gives verdicts; Close ends both.
type Delayer struct {
	conn *queueConn
	wake chan struct{} // something is due earlier than thought; buffered
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	queues map[uint16]*fifo
}

// fifo is one queue's packets in the order of their arrival, which is that of
// their departure too.
type fifo struct {
	delay  Delay
	leaves []departure
	last   time.Time // when the newest leaves
}

type departure struct {
	id uint32
	at time.Time
}

// push puts a packet that arrived now behind the others.
func (f *fifo) push(id uint32, now time.Time, random func() float64) {
	at := now.Add(f.delay.Delay)
	if f.delay.Jitter > 0 {
		at = at.Add(time.Duration((2*random() - 1) * float64(f.delay.Jitter)))
	}
	if at.Before(f.last) {
		at = f.last
	}
	f.last = at
	f.leaves = append(f.leaves, departure{id, at})
}

// pop takes out the packets that are due and returns the last of them.
func (f *fifo) pop(now time.Time) (upTo uint32, any bool) {
	n := 0
	for n < len(f.leaves) && !f.leaves[n].at.After(now) {
		n++
	}
	if n == 0 {
		return 0, false
	}
	upTo = f.leaves[n-1].id
	f.leaves = f.leaves[n:]
	if len(f.leaves) == 0 {
		f.leaves = nil
	}
	return upTo, true
}

// NewDelayer starts a delayer without queues.
func NewDelayer(ns *namespace.Net) (*Delayer, error) {
	conn, err := dialQueues(ns)
	if err != nil {
		return nil, err
	}
	d := &Delayer{conn: conn, wake: make(chan struct{}, 1), stop: make(chan struct{}), queues: map[uint16]*fifo{}}
	d.done.Go(d.read)
	d.done.Go(d.release)
	return d, nil
}

// Bind takes queues on, or changes their delay for packets to come.
func (d *Delayer) Bind(delays map[uint16]Delay) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, delay := range delays {
		if q := d.queues[n]; q != nil {
			q.delay = delay
			continue
		}
		if err := d.conn.bind(n); err != nil {
			return err
		}
		d.queues[n] = &fifo{delay: delay}
	}
	return nil
}

// Keep frees all queues but those; their packets go on at once.
func (d *Delayer) Keep(delays map[uint16]Delay) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for n, q := range d.queues {
		if _, kept := delays[n]; kept {
			continue
		}
		if len(q.leaves) > 0 {
			errs = append(errs, d.conn.accept(n, q.leaves[len(q.leaves)-1].id))
		}
		errs = append(errs, d.conn.free(n))
		delete(d.queues, n)
	}
	return errors.Join(errs...)
}

// Close frees all queues and ends the goroutines.
func (d *Delayer) Close() error {
	err := d.Keep(nil)
	close(d.stop)
	err = errors.Join(err, d.conn.conn.Close())
	d.done.Wait()
	return err
}

// read takes packets from the kernel until the connection is closed.
func (d *Delayer) read() {
	for {
		messages, err := d.conn.conn.Receive()
		if errors.Is(err, unix.ENOBUFS) {
			continue // packets beyond the buffer passed undelayed
		}
		if errors.Is(err, os.ErrClosed) || d.stopped() {
			return
		}
		if err != nil {
			continue // the kernel's answer to a request about a queue that is gone
		}
		now := time.Now()
		d.mu.Lock()
		for _, m := range messages {
			n, id, ok := parsePacket(m)
			if !ok {
				continue
			}
			q := d.queues[n]
			if q == nil {
				_ = d.conn.accept(n, id) // its queue was freed meanwhile
				continue
			}
			q.push(id, now, rand.Float64)
		}
		d.mu.Unlock()
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

func (d *Delayer) stopped() bool {
	select {
	case <-d.stop:
		return true
	default:
		return false
	}
}

// release accepts packets whose time has come.
func (d *Delayer) release() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-d.wake:
		case <-timer.C:
		}
		timer.Reset(d.due(time.Now()))
	}
}

// due accepts what is due and returns the time until the next.
func (d *Delayer) due(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := time.Hour
	for n, q := range d.queues {
		if upTo, any := q.pop(now); any {
			_ = d.conn.accept(n, upTo) // fails only when the connection ends
		}
		if len(q.leaves) > 0 {
			next = min(next, q.leaves[0].at.Sub(now))
		}
	}
	return next
}
