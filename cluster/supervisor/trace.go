package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/proxy/trace"
	"workbench/runtime/namespace"
)

// actOnProxy does proxy.trace: target is a client, which is namespace/pod or a
// node, and a Service, with a space between.
func (s *Supervisor) actOnProxy(ctx context.Context, verb, target string) error {
	if verb != "trace" {
		return fmt.Errorf("unknown action proxy.%s", verb)
	}
	client, service, ok := strings.Cut(target, " ")
	if !ok {
		return fmt.Errorf("trace %q: want a client and a Service, such as: default/client demo/web:80", target)
	}
	if !s.tracing.TryLock() {
		return errors.New("another connection is being traced; try again in a second")
	}
	defer s.tracing.Unlock()
	// A client of the API that hangs up ends the trace, and so does the lab.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.background, cancel)()
	cfg, err := s.traceConfig(client, service)
	if err != nil {
		return err
	}
	defer closeNets(&cfg)
	result, err := trace.Run(ctx, cfg)
	if err != nil {
		return err
	}
	s.rec.Emit(result)
	return nil
}

func closeNets(cfg *trace.Config) {
	for _, n := range cfg.Nodes {
		_ = n.Net.Close()
	}
	if cfg.FromNet != nil {
		_ = cfg.FromNet.Close()
	}
}

// traceConfig finds out who is to connect to what.
func (s *Supervisor) traceConfig(client, service string) (trace.Config, error) {
	cfg := trace.Config{Mode: string(s.proxyMode), Client: client}
	var err error
	s.rec.See(func(w *state.World) {
		if err = findClient(w, &cfg); err == nil {
			err = findService(w, &cfg, service)
		}
	})
	if err != nil {
		return cfg, err
	}
	cfg.PodAt = func(ip netip.Addr) (pod, node string) {
		s.rec.See(func(w *state.World) {
			if p := w.PodAt(ip.String()); p != nil {
				pod, node = p.Key(), p.Node
			}
		})
		return pod, node
	}
	running := map[string]int{}
	gone := map[string]<-chan struct{}{}
	s.mu.Lock()
	for name, m := range s.nodes {
		running[name], gone[name] = m.handle.PID, m.handle.Gone()
	}
	s.mu.Unlock()
	for _, n := range s.current().Nodes {
		pid, ok := running[n.Name]
		if !ok || n.ControlPlane {
			continue
		}
		ns, err := namespace.NetOf(pid)
		if err != nil {
			continue // it just ended
		}
		cfg.Nodes = append(cfg.Nodes, trace.Node{Name: n.Name, Net: ns, Gone: gone[n.Name]})
	}
	pid, ok := running[cfg.FromNode]
	if !ok {
		closeNets(&cfg)
		return cfg, fmt.Errorf("trace from %s: node %s is not running; start it with: workbench node start %s", client, cfg.FromNode, cfg.FromNode)
	}
	if client == cfg.FromNode {
		cfg.FromNet, err = namespace.NetOf(pid)
	} else {
		cfg.FromNet, err = trace.PodNet(pid, cfg.From)
	}
	if err != nil {
		closeNets(&cfg)
	}
	return cfg, err
}

// findClient finds a pod or a node.
func findClient(w *state.World, cfg *trace.Config) error {
	name := cfg.Client
	if n := w.Nodes[name]; n != nil {
		if n.Role != event.Worker {
			return fmt.Errorf("trace from %s: a control plane has no proxy rules; choose a worker or a pod", name)
		}
		cfg.FromNode = name
		var err error
		cfg.From, err = netip.ParseAddr(n.IP)
		return err
	}
	if !strings.Contains(name, "/") {
		name = "default/" + name
		cfg.Client = name
	}
	p := w.Kube.Pods[name]
	if p == nil {
		return fmt.Errorf("trace from %s: there is no such pod or node", name)
	}
	address, err := netip.ParseAddr(p.IP)
	if err != nil {
		return fmt.Errorf("trace from %s: the pod has no address yet (it is %s)", name, p.Status)
	}
	cfg.From, cfg.FromNode = address, p.Node
	if n := w.Nodes[p.Node]; n != nil && n.IP == p.IP {
		cfg.Client = p.Node // a pod in its node's network
	}
	return nil
}

// findService finds a service port in the rules of the client's node:
// namespace/name, alone where it has one port, or with :port by name or number.
func findService(w *state.World, cfg *trace.Config, name string) error {
	if !strings.Contains(name, "/") {
		name = "default/" + name
	}
	owner, port, _ := strings.Cut(name, ":")
	n := w.Proxy.Nodes[cfg.FromNode]
	if n == nil {
		return fmt.Errorf("trace to %s: the rules of %s are not known yet", name, cfg.FromNode)
	}
	var found []*state.ProxyService
	var known []string
	for key, s := range n.Services {
		if s.Owner() != owner {
			continue
		}
		known = append(known, key)
		if port == "" || strings.TrimPrefix(key, owner+":") == port || slices.ContainsFunc(s.Frontends, func(f event.ProxyFrontend) bool { return strconv.Itoa(f.Port) == port }) {
			found = append(found, s)
		}
	}
	slices.Sort(known)
	switch {
	case len(known) == 0:
		return fmt.Errorf("trace to %s: %s has no rule for that Service; workbench proxy services lists what there is", name, cfg.FromNode)
	case len(found) == 0:
		return fmt.Errorf("trace to %s: the Service has no such port; it has %s", name, strings.Join(known, ", "))
	case len(found) > 1:
		return fmt.Errorf("trace to %s: the Service has several ports; choose one of %s", name, strings.Join(known, ", "))
	case found[0].Protocol != "tcp":
		return fmt.Errorf("trace to %s: only TCP can be traced, this port is %s", name, found[0].Protocol)
	}
	return target(found[0], cfg)
}

// target takes the address to connect to: the cluster IP where there is one.
func target(s *state.ProxyService, cfg *trace.Config) error {
	cfg.Service = s.Key
	for _, f := range s.Frontends {
		if address, err := netip.ParseAddr(f.IP); err == nil {
			cfg.To = netip.AddrPortFrom(address, uint16(f.Port))
			break
		}
	}
	if !cfg.To.IsValid() {
		return fmt.Errorf("trace to %s: it has no address of its own", s.Key)
	}
	for _, e := range s.Endpoints {
		if address, err := netip.ParseAddrPort(e.Address); err == nil {
			cfg.Endpoints = append(cfg.Endpoints, address)
		}
	}
	return nil
}
