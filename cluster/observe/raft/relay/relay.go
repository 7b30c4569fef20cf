package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.uber.org/zap"
)

// Config is what a relay needs.
type Config struct {
	// Listen is where peers connect: the host and port of etcd's
	// --listen-peer-urls, all https.
	Listen []url.URL
	// TLS is the member's peer TLS configuration, with its cipher suites and
	// versions set.
	TLS transport.TLSInfo
	// Backend is the path of the socket on which etcd listens for peers.
	Backend string
	Sink    Sink
	Log     *zap.Logger
}

// Sink takes what the relay sees, from many goroutines. It must not block.
type Sink interface {
	// Message is called for each message, right after it was forwarded.
	Message(Message)
	// Lost is called for a message sent over a connection on which the peer's
	// TCP did not acknowledge it; see Relay.Check.
	Lost(Message)
	// Blind is called when the decoder lost track of a connection.
	Blind(error)
}

// Relay forwards peer connections.
type Relay struct {
	cfg       Config
	listeners []net.Listener

	mu    sync.Mutex
	conns map[*wire]struct{} // that carry messages of this member
}

// Listen opens the relay's listeners; Run serves them.
func Listen(cfg Config) (*Relay, error) {
	r := &Relay{cfg: cfg, conns: map[*wire]struct{}{}}
	for _, u := range cfg.Listen {
		l, err := r.listen(u)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for peers on %s: %w", u.Host, err), r.closeListeners())
		}
		r.listeners = append(r.listeners, l)
	}
	return r, nil
}

func (r *Relay) listen(u url.URL) (net.Listener, error) {
	if u.Scheme != "https" {
		return nil, fmt.Errorf("%s is not https", u.String())
	}
	tcp, err := net.Listen("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	info := r.cfg.TLS
	if info.HandshakeFailure == nil {
		info.HandshakeFailure = func(conn *tls.Conn, err error) {
			r.cfg.Log.Warn("rejected connection on peer endpoint", zap.Stringer("remote", conn.RemoteAddr()), zap.Error(err))
		}
	}
	l, err := transport.NewTLSListener(wireListener{tcp}, &info)
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return l, nil
}

func (r *Relay) closeListeners() error {
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Run forwards connections until ctx ends, then closes all of them.
func (r *Relay) Run(ctx context.Context) error {
	var serving sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { _ = r.closeListeners() })
	defer stop()
	for _, l := range r.listeners {
		serving.Go(func() { r.accept(ctx, l, &serving) })
	}
	serving.Wait()
	return context.Cause(ctx)
}

// acceptPause is waited after a failed accept, such as for want of descriptors.
const acceptPause = 50 * time.Millisecond

func (r *Relay) accept(ctx context.Context, l net.Listener, serving *sync.WaitGroup) {
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				r.cfg.Log.Error("listen for peers", zap.Error(err))
				return
			}
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		serving.Go(func() { r.serve(ctx, conn.(*tls.Conn)) })
	}
}

// late is after how long a message that the peer's TCP has not acknowledged
// counts as lost.
const late = 500 * time.Millisecond

// underway is how long a message may be on its way before it counts as waiting.
const underway = 100 * time.Millisecond

// Check reports what the peers' TCP has not acknowledged in time, and returns
// how many messages to each member wait for that longer than is usual.
func (r *Relay) Check(now time.Time) map[uint64]int {
	r.mu.Lock()
	conns := make([]*wire, 0, len(r.conns))
	for w := range r.conns {
		conns = append(conns, w)
	}
	r.mu.Unlock()
	waiting := map[uint64]int{}
	for _, w := range conns {
		lost, left := w.overdue(now.Add(-late))
		for _, m := range lost {
			r.cfg.Sink.Lost(m)
		}
		for _, m := range left {
			if now.Sub(m.At) > underway {
				waiting[m.To]++
			}
		}
	}
	return waiting
}

func (r *Relay) track(w *wire) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[w] = struct{}{}
}

func (r *Relay) untrack(w *wire) {
	r.mu.Lock()
	_, ok := r.conns[w]
	delete(r.conns, w)
	r.mu.Unlock()
	if !ok {
		return
	}
	for _, m := range w.unsent() {
		r.cfg.Sink.Lost(m)
	}
}
