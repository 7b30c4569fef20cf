package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/balancer"
)

// forwards are the ways from the host to Services.
type forwards struct {
	mu   sync.Mutex
	open []forward
}

type forward struct {
	api.Forward
	end context.CancelFunc
}

// forwardCheck is how often a forward looks which workers are ready.
const forwardCheck = time.Second

// Open implements api.Forwards.
func (s *Supervisor) Open(_ context.Context, r api.ForwardRequest) (api.Forward, error) {
	f, err := s.openForward(r)
	if err == nil {
		_, port, _ := net.SplitHostPort(f.Address)
		s.rec.Emit(event.Action{Verb: "open", Target: fmt.Sprintf("%s/%s:%d", f.Namespace, f.Service, f.Port),
			Equivalent: fmt.Sprintf("kubectl port-forward -n %s svc/%s %s:%d", f.Namespace, f.Service, port, f.Port)})
	}
	return f, err
}

func (s *Supervisor) openForward(r api.ForwardRequest) (api.Forward, error) {
	svc, port, err := s.forwardable(r)
	if err != nil {
		return api.Forward{}, err
	}
	s.forwards.mu.Lock()
	defer s.forwards.mu.Unlock()
	for _, f := range s.forwards.open {
		if f.Namespace == svc.Namespace && f.Service == svc.Name && f.Port == port && (r.Local == 0 || strings.HasSuffix(f.Address, ":"+strconv.Itoa(r.Local))) {
			return f.Forward, nil
		}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Local)))
	if err != nil {
		return api.Forward{}, fmt.Errorf("open %s: %w; choose another port with --local-port", r.Service, err)
	}
	f := forward{Forward: api.Forward{Namespace: svc.Namespace, Service: svc.Name, Port: port, Address: listener.Addr().String()}}
	b, err := balancer.New(s.way(f.Forward, listener, len(svc.LoadBalancer) > 0))
	if err != nil {
		return api.Forward{}, errors.Join(fmt.Errorf("open %s: %w", r.Service, err), listener.Close())
	}
	ctx, cancel := context.WithCancel(s.background)
	f.end = func() {
		cancel()
		_ = listener.Close() // as the balancer does, but before whoever asked is told
	}
	s.sources.Go(func() {
		if err := b.Run(ctx); err != nil {
			s.log.Error("forward to a Service", "service", f.Namespace+"/"+f.Service, "cause", err)
		}
	})
	s.forwards.open = append(s.forwards.open, f)
	return f.Forward, nil
}

// tries is how often a connection to a load balancer is tried: each may go to
// another node, and one that is dead is left out a second or two later.
const tries = 4

// way leads to a load balancer's address by the fabric, as any client outside
// of the cluster comes; to another Service from a ready worker, in turn.
func (s *Supervisor) way(f api.Forward, listener net.Listener, balanced bool) balancer.Config {
	cfg := balancer.Config{Listener: listener, Every: forwardCheck, Log: s.log}
	if balanced {
		for i := range tries {
			cfg.Backends = append(cfg.Backends, fmt.Sprint("attempt ", i+1))
		}
		cfg.Check = func(context.Context, string) error { return nil }
		cfg.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			address, err := s.serviceAddress(f)
			if err != nil {
				return nil, err
			}
			return s.labNet.DialContext(ctx, network, address)
		}
		return cfg
	}
	cfg.Backends = s.workers()
	cfg.Check = func(_ context.Context, worker string) error {
		var ready bool
		s.rec.See(func(w *state.World) { ready = nodeReady(w, worker) && w.Nodes[worker].State == event.NodeRunning })
		if !ready {
			return fmt.Errorf("node %s is not ready", worker)
		}
		return nil
	}
	cfg.Dial = func(ctx context.Context, network, worker string) (net.Conn, error) {
		address, err := s.serviceAddress(f)
		if err != nil {
			return nil, err
		}
		m, err := s.machine(worker)
		if err != nil {
			return nil, err
		}
		return dialFrom(ctx, fmt.Sprintf("/proc/%d/ns/net", m.handle.PID), network, address)
	}
	return cfg
}

// serviceAddress is where a Service is now.
func (s *Supervisor) serviceAddress(f api.Forward) (string, error) {
	var host string
	s.rec.See(func(w *state.World) {
		if svc := w.Kube.Services[f.Namespace+"/"+f.Service]; svc != nil {
			host = svc.ClusterIP
			if len(svc.LoadBalancer) > 0 {
				host = svc.LoadBalancer[0]
			}
		}
	})
	if host == "" {
		return "", fmt.Errorf("no Service %s in namespace %s", f.Service, f.Namespace)
	}
	return net.JoinHostPort(host, strconv.Itoa(f.Port)), nil
}

// forwardable is the Service that is asked for, and its port.
func (s *Supervisor) forwardable(r api.ForwardRequest) (svc event.KubeService, port int, err error) {
	namespace := cmp.Or(r.Namespace, "default")
	found := false
	s.rec.See(func(w *state.World) {
		if have := w.Kube.Services[namespace+"/"+r.Service]; have != nil {
			svc, found = *have, true
		}
	})
	if !found {
		return svc, 0, fmt.Errorf("no Service %s in namespace %s; see: workbench kubectl get services -A", r.Service, namespace)
	}
	if svc.ServiceType == "LoadBalancer" && len(svc.LoadBalancer) == 0 {
		return svc, 0, fmt.Errorf("Service %s has no address yet: the cloud-controller-manager gives it one; see: workbench kubectl describe service -n %s %s",
			r.Service, namespace, r.Service)
	}
	if net.ParseIP(svc.ClusterIP) == nil {
		return svc, 0, fmt.Errorf("Service %s is headless: it has no address to forward to; open one of its pods with kubectl port-forward", r.Service)
	}
	ports := tcpPorts(&svc)
	switch {
	case len(ports) == 0:
		return svc, 0, fmt.Errorf("Service %s has no TCP port; only TCP is forwarded", r.Service)
	case r.Port == 0:
		return svc, ports[0], nil
	case !slices.Contains(ports, r.Port):
		return svc, 0, fmt.Errorf("Service %s has no TCP port %d; it has %v", r.Service, r.Port, ports)
	}
	return svc, r.Port, nil
}

// CloseForward implements api.Forwards.
func (s *Supervisor) CloseForward(_ context.Context, r api.ForwardRequest) ([]api.Forward, error) {
	namespace := cmp.Or(r.Namespace, "default")
	s.forwards.mu.Lock()
	defer s.forwards.mu.Unlock()
	var closed []api.Forward
	s.forwards.open = slices.DeleteFunc(s.forwards.open, func(f forward) bool {
		if f.Namespace != namespace || f.Service != r.Service || r.Port != 0 && f.Port != r.Port {
			return false
		}
		f.end()
		closed = append(closed, f.Forward)
		s.rec.Emit(event.Action{Verb: "close", Target: fmt.Sprintf("%s/%s:%d", f.Namespace, f.Service, f.Port)})
		return true
	})
	if len(closed) == 0 {
		return nil, fmt.Errorf("Service %s in namespace %s is not open; see: workbench open --list", r.Service, namespace)
	}
	return closed, nil
}

// OpenForwards implements api.Forwards.
func (s *Supervisor) OpenForwards() []api.Forward {
	s.forwards.mu.Lock()
	defer s.forwards.mu.Unlock()
	all := []api.Forward{}
	for _, f := range s.forwards.open {
		all = append(all, f.Forward)
	}
	slices.SortFunc(all, func(a, b api.Forward) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service), a.Port-b.Port, cmp.Compare(a.Address, b.Address))
	})
	return all
}
