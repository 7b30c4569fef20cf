// Package watch turns the Kubernetes API's own watch streams into events: what
// nodes, pods, leases, deployments, services, endpoints and Kubernetes Events are,
// the moment the API server says so.
//
//	API server --- one HTTP/2 connection, pinged --- reflector per kind --- projection --- Emit
//	                                                      |
//	                                                   health --- source.state "watch"
//
// client-go's reflectors do the protocol: a streaming list, then a watch that is
// resumed from the last resource version after a break, or a new list when that
// is too old. Events are emitted from the reflector's goroutine, with no queue,
// resync or rate limit between.
//
// A broken stream is reported at once, also when the next connection succeeds
// immediately; a silent one (its API server frozen or cut off) after about a
// second, because the connection is pinged.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"workbench/cluster/event"
)

// Source is the name under which health is reported in event.SourceState.
const Source = "watch"

// Delays between attempts to reconnect: short, because a recovery should be seen
// when it happens and there is one client per lab.
const (
	firstDelay = 50 * time.Millisecond
	lastDelay  = 500 * time.Millisecond
)

// Config says what to watch and where events go.
type Config struct {
	// REST is how to reach the API. Its rate limits, timeout and transport are not
	// used: the watch has a connection of its own.
	REST *rest.Config
	// Emit takes an event. It is called from several goroutines at once, and a slow
	// Emit delays the watch.
	Emit func(event.Body)
	Log  *slog.Logger
}

func (c *Config) validate() error {
	switch {
	case c.REST == nil:
		return errors.New("no REST config")
	case c.Emit == nil:
		return errors.New("no Emit")
	case c.Log == nil:
		return errors.New("no logger")
	}
	return nil
}

// Run watches until ctx ends, and then returns nil. Failures of the API are
// reported as event.SourceState and retried; an error is one of the config.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("watch the API: %w", err)
	}
	clients, closeClients, err := connect(cfg.REST)
	if err != nil {
		return fmt.Errorf("watch the API at %s: %w", cfg.REST.Host, err)
	}
	defer closeClients()
	// The reflectors' own words repeat with every attempt; health logs each loss
	// and return once.
	ctx = klog.NewContext(ctx, logr.Discard())
	all := kinds()
	health := newHealth(all, cfg.Emit, cfg.Log)
	var group errgroup.Group
	for _, k := range all {
		group.Go(func() error {
			s := &source{kind: k, client: k.client(clients), health: health, emit: cfg.Emit, seen: map[string]revision{}, nodes: map[string]event.KubeNode{}}
			cache.NewReflectorWithOptions(s.listWatch(), k.object, s, cache.ReflectorOptions{
				Name:    k.name,
				Backoff: &wait.Backoff{Duration: firstDelay, Factor: 2, Steps: 10, Cap: lastDelay},
			}).RunWithContext(ctx)
			return nil
		})
	}
	return group.Wait()
}
