// Package probe takes the cluster's pulse as a user feels it: can the API be
// read and written, can etcd be written, does a Service answer from inside a
// pod of each node, does DNS, and how long does each take.
//
// The requests to the API need a quorum of etcd: the read is a GET without a
// resource version, which the API server answers from etcd and not from its cache;
// the write changes one ConfigMap each time. So the pulse stops when the cluster
// does, not when a cache does.
//
// Each target has one goroutine and at most one request in flight: a request that
// hangs is reported as failed when its time is up, and the next begins. Failures,
// and the first success after them, are told at once; successes among
// successes are told a few at a time.
package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
)

// The targets of event.Probe; those of a node end in its name.
const (
	Read          = "api-read"
	Write         = "api-write"
	EtcdWrite     = "etcd-write"
	ServicePrefix = "service/"
	DNSPrefix     = "dns/"
)

// Defaults of Config.
const (
	DefaultInterval = 250 * time.Millisecond
	DefaultTimeout  = time.Second
	DefaultBatch    = 4
	// Seldom is how many intervals lie between probes while all is calm.
	Seldom = 4
)

// ErrIdle is what a target's request returns when there is nothing to ask now,
// such as for a Service on a node that is down. It is not reported.
var ErrIdle = errors.New("nothing to probe")

// Target is one request that is made again and again.
type Target struct {
	Name string
	// Try makes one request and returns why it failed, or ErrIdle.
	Try func(context.Context) error
	// Reset makes the next request dial anew; nil when each does.
	Reset func()
}

// Config says what to probe and how often.
type Config struct {
	// REST is how to reach the API. Its rate limits, timeout and transport are not
	// used: each target has a connection of its own.
	REST *rest.Config
	// More targets than reading and writing the API.
	More []Target
	// Interval is from the start of one probe of a target to the next, but never
	// before the last has ended; 0 is DefaultInterval.
	Interval time.Duration
	// Timeout is when a request counts as failed; 0 is DefaultTimeout.
	Timeout time.Duration
	// Batch is how many successes in a row one event may tell; 0 is DefaultBatch.
	Batch int
	// Off says whether nothing is to be asked now; nil means never.
	Off func() bool
	// Calm says whether nobody needs to know at once; a target that answers is then
	// probed Seldom as often. nil means never.
	Calm func() bool
	// Emit takes an event.Probe. It is called from a goroutine per target.
	Emit func(event.Body)
}

func (c *Config) validate() error {
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Batch == 0 {
		c.Batch = DefaultBatch
	}
	switch {
	case c.REST == nil:
		return errors.New("no REST config")
	case c.Emit == nil:
		return errors.New("no Emit")
	case c.Interval < 0 || c.Timeout < 0:
		return fmt.Errorf("interval %s and timeout %s must be positive", c.Interval, c.Timeout)
	case c.Batch < 0:
		return fmt.Errorf("a batch of %d must be positive", c.Batch)
	}
	return nil
}

// Run probes until ctx ends, and then returns nil. Failing probes are events; an
// error is one of the config.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("probe the cluster: %w", err)
	}
	targets := cfg.More
	for name, request := range map[string]func(context.Context, rest.Interface) error{Read: read, Write: write} {
		t, err := newAPI(cfg, name, request)
		if err != nil {
			return fmt.Errorf("probe the API at %s: %w", cfg.REST.Host, err)
		}
		targets = append(targets, t)
	}
	var group errgroup.Group
	for _, t := range targets {
		group.Go(func() error {
			(&series{Config: cfg, Target: t}).run(ctx)
			return nil
		})
	}
	return group.Wait()
}
