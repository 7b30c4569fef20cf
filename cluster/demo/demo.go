// Package demo is the unattended tour of a lab's failure recovery: it deploys
// an application, uses it all the while, cuts the power of the Raft leader's
// node and of a worker, brings both back, and reports when each step of the
// recovery was seen and what users felt.
//
//	journal ----.
//	             >- recording - Act + events -> hops, felt (pure) - Report
//	clients ----'
//
// Every number comes from an event: the journal's, whose times are those of
// the sources, or a client's own request. What no event shows is reported as
// not observed.
package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"workbench/cluster/api"
)

// Config of a tour.
type Config struct {
	// Client reaches the supervisor of a lab that runs.
	Client *api.Client
	// REST reaches the API through the host's port, as the lab's user.
	REST *rest.Config
	// Replicas of the application; 0 is DefaultReplicas.
	Replicas int
	// Say gets a line of progress; nil for silence.
	Say func(line string)
}

// DefaultReplicas of the application.
const DefaultReplicas = 6

func (c *Config) validate() error {
	if c.Replicas == 0 {
		c.Replicas = DefaultReplicas
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	switch {
	case c.Client == nil:
		return errors.New("no client of the supervisor")
	case c.REST == nil:
		return errors.New("no REST config")
	case c.Replicas < 0:
		return fmt.Errorf("%d replicas", c.Replicas)
	}
	return nil
}

// Run makes the tour. The report holds what was seen also when it ends with an
// error: that something did not recover before ctx ended, or could not be done.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.validate(); err != nil {
		return Report{}, fmt.Errorf("demo: %w", err)
	}
	world, err := cfg.Client.World(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("demo: %w", err)
	}
	t := &tour{Config: cfg, rec: newRecording(world), began: time.Now()}
	err = t.run(ctx)
	r := t.report()
	if err != nil {
		r.Problem = err.Error()
		return r, fmt.Errorf("demo: %w", err)
	}
	r.Recovered = true
	return r, nil
}
