// Package probe takes the cluster's pulse as a user feels it: can the API be read,
// can it be written, and how long does either take.
//
// Both requests need a quorum of etcd: the read is a GET without a resource
// version, which the API server answers from etcd and not from its cache; the
// write changes one ConfigMap each time. So the pulse stops when the cluster does,
// not when a cache does.
//
// Each target has one goroutine and at most one request in flight: a request that
// hangs is reported as failed when its time is up, and the next begins.
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

// The targets of event.Probe.
const (
	Read  = "api-read"
	Write = "api-write"
)

// Defaults of Config.
const (
	DefaultInterval = 250 * time.Millisecond
	DefaultTimeout  = time.Second
)

// Config says what to probe and how often.
type Config struct {
	// REST is how to reach the API. Its rate limits, timeout and transport are not
	// used: each target has a connection of its own.
	REST *rest.Config
	// Interval is from the start of one probe of a target to the next, but never
	// before the last has ended; 0 is DefaultInterval.
	Interval time.Duration
	// Timeout is when a request counts as failed; 0 is DefaultTimeout.
	Timeout time.Duration
	// Emit takes an event.Probe. It is called from two goroutines.
	Emit func(event.Body)
}

func (c *Config) validate() error {
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	switch {
	case c.REST == nil:
		return errors.New("no REST config")
	case c.Emit == nil:
		return errors.New("no Emit")
	case c.Interval < 0 || c.Timeout < 0:
		return fmt.Errorf("interval %s and timeout %s must be positive", c.Interval, c.Timeout)
	}
	return nil
}

// Run probes until ctx ends, and then returns nil. Failing probes are events; an
// error is one of the config.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("probe the API: %w", err)
	}
	var targets []*target
	for name, request := range map[string]func(context.Context, rest.Interface) error{Read: read, Write: write} {
		t, err := newTarget(cfg, name, request)
		if err != nil {
			return fmt.Errorf("probe the API at %s: %w", cfg.REST.Host, err)
		}
		targets = append(targets, t)
	}
	var group errgroup.Group
	for _, t := range targets {
		group.Go(func() error {
			t.run(ctx)
			return nil
		})
	}
	return group.Wait()
}
