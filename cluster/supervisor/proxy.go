package supervisor

import (
	"context"

	"workbench/cluster/plan"
	"workbench/cluster/spec"
	"workbench/proxy/observe"
	"workbench/runtime/namespace"
)

// observeProxy reads the rules of a node until the node ends or the lab goes
// down.
func (s *Supervisor) observeProxy(n plan.Node, m *machine) {
	if n.ControlPlane {
		return // no kube-proxy runs there
	}
	if s.proxyMode == spec.Userspace {
		return // it has no rules to read, and tells itself what it does
	}
	ns, err := namespace.NetOf(m.handle.PID)
	if err != nil {
		s.log.Warn("read proxy rules", "node", n.Name, "cause", err)
		return
	}
	s.whileRuns(m, func(ctx context.Context) {
		defer ns.Close()
		err := observe.Run(ctx, observe.Config{
			Node: n.Name, Mode: string(s.proxyMode), Net: ns, Emit: s.rec.Emit, Log: s.log,
		})
		if err != nil {
			s.log.Error("read proxy rules", "node", n.Name, "cause", err)
		}
	})
}

// whileRuns observes a node until it ends or the lab goes down.
func (s *Supervisor) whileRuns(m *machine, observe func(ctx context.Context)) {
	s.sources.Go(func() {
		ctx, cancel := context.WithCancel(s.background)
		defer cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			select {
			case <-m.handle.Gone():
				cancel()
			case <-ctx.Done():
			}
		}()
		observe(ctx)
		cancel()
		<-ended
	})
}
