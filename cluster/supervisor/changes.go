package supervisor

import (
	"context"

	"workbench/cluster/event"
	"workbench/cluster/observe/registry"
	"workbench/cluster/state"
)

// observeChanges follows what Kubernetes stores, from the first answer of etcd
// until ctx ends.
func (s *Supervisor) observeChanges(ctx context.Context) {
	if !s.awaitAny(ctx, "etcd") {
		return
	}
	tls, err := s.etcdTLS()
	if err == nil {
		err = registry.Run(ctx, registry.Config{
			Endpoints: s.etcdEndpoints(), TLS: tls, Dial: s.labNet.DialContext, Emit: s.rec.Record, Log: s.log,
		})
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("observe etcd", "cause", err)
		s.rec.Emit(event.SourceState{Source: registry.Source, Detail: err.Error()})
	}
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
