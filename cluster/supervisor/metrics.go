package supervisor

import (
	"context"

	"k8s.io/client-go/rest"

	"workbench/cluster/event"
	"workbench/cluster/observe/metrics"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
)

// observeMetrics reads the metrics of a node's components until the node ends or
// the lab goes down.
func (s *Supervisor) observeMetrics(n plan.Node, m *machine) {
	warn := func(err error) { s.log.Warn("read metrics", "node", n.Name, "cause", err) }
	access, err := s.clientConfig()
	if err != nil {
		warn(err)
		return
	}
	trust, err := rest.TLSConfigFor(access)
	if err != nil {
		warn(err)
		return
	}
	ns, err := namespace.NetOf(m.handle.PID)
	if err != nil {
		warn(err)
		return
	}
	var names []string
	for _, c := range n.Components {
		names = append(names, c.Name)
	}
	s.whileRuns(m, func(ctx context.Context) {
		defer ns.Close()
		err := metrics.Run(ctx, metrics.Config{
			Node: n.Name, Components: names, Dial: ns.DialContext, TLS: trust, Emit: s.rec.Emit, Log: s.log,
			Running: func(component string) bool { return s.answers(n.Name, component) },
		})
		if err != nil {
			warn(err)
		}
	})
}

// answers says whether a component can be asked anything: it is up, and neither it
// nor its node is paused.
func (s *Supervisor) answers(node, component string) (up bool) {
	s.rec.See(func(w *state.World) {
		n := w.Nodes[node]
		if n == nil || n.State != event.NodeRunning {
			return
		}
		c := n.Components[component]
		up = c != nil && (c.State == event.ComponentReady || c.State == event.ComponentUnready)
	})
	return up
}
