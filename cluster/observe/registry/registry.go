// Package registry follows all that Kubernetes stores, where it is stored: a
// watch of /registry/ in etcd gives every change of every resource, custom ones
// included, once and in commit order, with the value before and after.
//
//	etcd member --- watch from the last revision + 1 --- decode, redact, compare --- Emit, in batches
//	                     |
//	                  silent or gone: the next member --- source.state "changes"
//
// What no member has any more when the watch comes back (compaction took it) is
// a kube.gap: a reader knows that something is missing, and what. The objects that
// changed last within the gap are listed and told as they are found.
//
// Values of Secrets are taken out as the first thing after decoding; see
// redactor.
package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"workbench/cluster/event"
)

// Source is the name under which health is reported in event.SourceState.
const Source = "changes"

// How fast a member that does not answer is given up. A member that has nothing
// to say is asked for its revision after quiet; it has until patience to answer.
const (
	quiet    = time.Second
	patience = 2500 * time.Millisecond
)

// Config says what to watch and where changes go.
type Config struct {
	// Endpoints of all members, as https URLs.
	Endpoints []string
	TLS       *tls.Config
	// Dial connects to an address in the lab.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Emit takes events in order. It is called from one goroutine, and a slow
	// Emit delays the watch.
	Emit func(...event.Event)
	// Seen is called with every revision that etcd delivered, before Emit; nil
	// for nobody.
	Seen func(change *event.KubeChange, at time.Time)
	Log  *slog.Logger
}

func (c *Config) validate() error {
	switch {
	case len(c.Endpoints) == 0:
		return errors.New("no endpoints")
	case c.TLS == nil:
		return errors.New("no TLS config")
	case c.Dial == nil:
		return errors.New("no Dial")
	case c.Emit == nil:
		return errors.New("no Emit")
	case c.Log == nil:
		return errors.New("no logger")
	}
	return nil
}

// Run watches until ctx ends, and then returns nil. Failures of etcd are
// reported as event.SourceState and retried; an error is one of the config.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("watch etcd: %w", err)
	}
	p, err := newProjector()
	if err != nil {
		return fmt.Errorf("watch etcd: %w", err)
	}
	w := &watcher{Config: cfg, projector: p}
	for i := 0; ctx.Err() == nil; i++ {
		endpoint := cfg.Endpoints[i%len(cfg.Endpoints)]
		err := w.follow(ctx, endpoint)
		if ctx.Err() != nil {
			break
		}
		w.lost(fmt.Sprintf("%s: %v", endpoint, err))
		select {
		case <-time.After(pause(i, len(cfg.Endpoints))):
		case <-ctx.Done():
		}
	}
	return nil
}

// pause is the wait after the i-th attempt: none before the other members were
// tried.
func pause(i, members int) time.Duration {
	if (i+1)%members != 0 {
		return 10 * time.Millisecond
	}
	return 300 * time.Millisecond
}
