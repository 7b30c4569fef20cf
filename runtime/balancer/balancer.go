// Package balancer spreads TCP connections over the kube-apiservers that
// answer. Each worker runs one on its loopback, so that kubelet and kube-proxy
// survive the loss of a control plane; the supervisor runs one on the host's
// loopback for kubectl.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Dial connects to a backend; it may do so in another network namespace.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Config of a balancer.
type Config struct {
	Listener net.Listener // taken over
	Backends []string     // IP:port
	Dial     Dial
	// Check says whether a backend serves; nil means that it accepts connections.
	// An error cuts the backend's connections at once; one that is Unready or
	// Silent only if there is a better backend to go to, one that is Unreached
	// only then or when it repeats.
	Check func(ctx context.Context, backend string) error
	Every time.Duration // between checks of one backend
	// Hold is how long clients that come before any backend has served yet are kept
	// waiting for the first. One that is refused comes again later and later.
	Hold time.Duration
	Log  *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Listener == nil:
		return errors.New("balancer: no listener")
	case len(c.Backends) == 0:
		return errors.New("balancer: no backends")
	case c.Every <= 0:
		return errors.New("balancer: no check interval")
	}
	return nil
}

// backend is one API server. Connections to one that fails its check are cut,
// so that clients with kept-alive connections move on at once. They are not cut
// when it lives and clients could go nowhere else: what is slow, on a busy
// machine, still finishes what it was asked.
type backend struct {
	address string
	healthy atomic.Bool
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
}

// Balancer forwards connections until its context ends.
type Balancer struct {
	cfg     Config
	next    atomic.Uint64
	changed chan struct{} // the backends are others now; buffered
	served  chan struct{} // closed once a backend was healthy
	serve   func()        // closes it

	mu       sync.Mutex // guards what follows
	backends []*backend
}

// New checks the configuration.
func New(cfg Config) (*Balancer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Balancer{cfg: cfg, changed: make(chan struct{}, 1), served: make(chan struct{})}
	b.serve = sync.OnceFunc(func() { close(b.served) })
	b.Set(cfg.Backends)
	return b, nil
}

// Set makes these the backends. Connections to those that stay are kept, those to
// others are cut.
func (b *Balancer) Set(addresses []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var now []*backend
	for _, address := range addresses {
		i := slices.IndexFunc(b.backends, func(one *backend) bool { return one.address == address })
		if i >= 0 {
			now = append(now, b.backends[i])
		} else {
			now = append(now, &backend{address: address, conns: map[net.Conn]struct{}{}})
		}
	}
	b.backends = now
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// all are the backends now.
func (b *Balancer) all() []*backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backends
}

// watchAll keeps the health of the backends current, whichever they are, until
// ctx ends.
func (b *Balancer) watchAll(ctx context.Context) {
	var watches sync.WaitGroup
	defer watches.Wait()
	stops := map[*backend]context.CancelFunc{}
	for {
		now := b.all()
		for one, stop := range stops {
			if !slices.Contains(now, one) {
				stop()
				one.cut()
				delete(stops, one)
			}
		}
		for _, one := range now {
			if stops[one] == nil {
				watched, stop := context.WithCancel(ctx)
				stops[one] = stop
				watches.Go(func() { b.watch(watched, one) })
			}
		}
		select {
		case <-b.changed:
		case <-ctx.Done():
			for one, stop := range stops {
				stop()
				one.cut()
			}
			return
		}
	}
}

// Run serves until ctx ends; it closes the listener and every connection.
func (b *Balancer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { b.watchAll(ctx) })
	all.Go(func() {
		<-ctx.Done()
		_ = b.cfg.Listener.Close()
	})
	for {
		conn, err := b.cfg.Listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			cancel()
			return fmt.Errorf("accept on %s: %w", b.cfg.Listener.Addr(), err)
		}
		all.Go(func() { b.forward(ctx, conn) })
	}
}

// watch keeps a backend's health current.
func (b *Balancer) watch(ctx context.Context, one *backend) {
	every := b.pace()
	tick := time.NewTicker(every)
	defer tick.Stop()
	silent, unreached := 0, 0 // checks in a row
	for {
		err := b.check(ctx, one.address)
		if ctx.Err() != nil {
			return
		}
		if was := one.healthy.Swap(err == nil); was != (err == nil) {
			b.cfg.Log.Info("backend changed", "backend", one.address, "healthy", err == nil, "cause", err)
			b.serve() // what was unhealthy at first has become healthy
		}
		silent, unreached = silent+1, unreached+1
		if !errors.As(err, new(Silent)) {
			silent = 0
		}
		if !errors.As(err, new(Unreached)) {
			unreached = 0
		}
		if err != nil && (unreached >= gone || b.hopeless(one, err, silent)) {
			one.cut()
		}
		if now := b.pace(); now != every {
			every = now
			tick.Reset(now)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// held tells whether clients wait for a first backend.
func (b *Balancer) held() bool {
	select {
	case <-b.served:
		return false
	default:
		return b.cfg.Hold > 0
	}
}

// eager is how much more often backends are checked while clients are held.
const eager = 10

// pace is the time between checks.
func (b *Balancer) pace() time.Duration {
	if b.held() {
		return b.cfg.Every / eager
	}
	return b.cfg.Every
}

// patience is how many checks in a row a backend may leave without an answer
// before clients are sent to another: a machine that is busy for a moment is not
// a server that died.
const patience = 2

// gone is how many checks in a row have to find no way to a backend before its
// connections are cut although there is no other.
const gone = 3

// hopeless tells whether a backend that failed its check should lose its
// connections.
func (b *Balancer) hopeless(one *backend, err error, silent int) bool {
	mute := errors.As(err, new(Silent))
	if !mute && !errors.As(err, new(Unready)) && !errors.As(err, new(Unreached)) {
		return true
	}
	if mute && silent < patience {
		return false
	}
	return slices.ContainsFunc(b.all(), func(other *backend) bool { return other != one && other.healthy.Load() })
}

func (b *Balancer) check(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Every*2)
	defer cancel()
	if b.cfg.Check != nil {
		return b.cfg.Check(ctx, address)
	}
	conn, err := b.cfg.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dialTimeout bounds one attempt to reach a backend.
const dialTimeout = time.Second

// forward connects a client to the next backend that takes it: the healthy
// ones first, the others as a last resort.
func (b *Balancer) forward(ctx context.Context, client net.Conn) {
	defer client.Close()
	if b.held() {
		select {
		case <-b.served:
		case <-time.After(b.cfg.Hold):
		case <-ctx.Done():
			return
		}
	}
	start, backends := b.next.Add(1), b.all()
	for _, wantHealthy := range []bool{true, false} {
		for i := range backends {
			one := backends[(start+uint64(i))%uint64(len(backends))]
			if one.healthy.Load() != wantHealthy {
				continue
			}
			dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
			server, err := b.cfg.Dial(dialCtx, "tcp", one.address)
			cancel()
			if err != nil {
				continue
			}
			one.pipe(ctx, client, server)
			return
		}
	}
}

// pipe copies both ways until either side ends, the backend is cut, or ctx
// ends: that may be before the connection was made.
func (one *backend) pipe(ctx context.Context, client, server net.Conn) {
	defer context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})()
	one.mu.Lock()
	one.conns[client] = struct{}{}
	one.conns[server] = struct{}{}
	one.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { copyHalf(server, client) })
	copyHalf(client, server)
	both.Wait()
	one.mu.Lock()
	delete(one.conns, client)
	delete(one.conns, server)
	one.mu.Unlock()
	_ = server.Close()
}

// copyHalf copies one direction and passes on its end.
func copyHalf(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	half, ok := dst.(interface{ CloseWrite() error })
	if err == nil && ok && half.CloseWrite() == nil {
		return
	}
	_ = dst.Close()
	_ = src.Close()
}

func (one *backend) cut() {
	one.mu.Lock()
	defer one.mu.Unlock()
	for conn := range one.conns {
		_ = conn.Close()
	}
}
