package supervisor

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"workbench/cluster/event"
	"workbench/cluster/observe/lag"
	"workbench/cluster/observe/registry"
	"workbench/cluster/plan"
	"workbench/cluster/state"
)

// observeChanges follows what Kubernetes stores, from the first answer of etcd
// until ctx ends, and how far each API server is behind it.
func (s *Supervisor) observeChanges(ctx context.Context) {
	if !s.awaitAny(ctx, "etcd") {
		return
	}
	if err := s.followChanges(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("observe etcd", "cause", err)
		s.rec.Emit(event.SourceState{Source: registry.Source, Detail: err.Error()})
	}
}

func (s *Supervisor) followChanges(ctx context.Context) error {
	tls, err := s.etcdTLS()
	if err != nil {
		return err
	}
	var behind atomic.Pointer[lag.Lag]
	s.sources.Go(func() {
		if !s.awaitAny(ctx, "kube-apiserver") {
			return
		}
		err := s.whilePlanned(ctx, func(ctx context.Context) error {
			now, err := s.newLag()
			if err != nil {
				return err
			}
			behind.Store(now)
			return now.Run(ctx)
		})
		if err != nil && ctx.Err() == nil {
			s.log.Error("measure the lag of API servers", "cause", err)
		}
	})
	seen := func(change *event.KubeChange, at time.Time) {
		if l := behind.Load(); l != nil {
			l.Seen(change, at)
		}
	}
	return registry.Run(ctx, registry.Config{
		Endpoints: s.etcdEndpoints(), TLS: tls, Dial: s.labNet.DialContext, Emit: s.rec.Record, Seen: seen, Log: s.log,
	})
}

// newLag prepares to measure each API server by its own address.
func (s *Supervisor) newLag() (*lag.Lag, error) {
	base, err := s.clientConfig()
	if err != nil {
		return nil, err
	}
	servers := map[string]*rest.Config{}
	for _, n := range s.current().Nodes {
		if n.Role() == event.ControlPlane {
			cfg := rest.CopyConfig(base)
			cfg.Host = "https://" + netip.AddrPortFrom(n.Address, plan.APIServerPort).String()
			cfg.Dial = s.labNet.DialContext
			servers[n.Name] = cfg
		}
	}
	return lag.New(lag.Config{REST: servers, Emit: s.rec.Emit})
}

// awaitAny waits until a component is ready on some node; false when ctx ended.
func (s *Supervisor) awaitAny(ctx context.Context, component string) bool {
	return s.rec.Await(ctx, func(w *state.World) (bool, error) {
		for _, n := range w.Nodes {
			if c := n.Components[component]; c != nil && c.State == event.ComponentReady {
				return true, nil
			}
		}
		return false, nil
	}) == nil
}
