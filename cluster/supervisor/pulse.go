package supervisor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/client-go/rest"

	"workbench/cluster/event"
	"workbench/cluster/observe/probe"
	"workbench/cluster/pki"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
)

// pulse are the probes besides those of the API: a write to etcd, and from each
// worker a request to a Service and a lookup.
func (s *Supervisor) pulse(cfg *rest.Config) ([]probe.Target, error) {
	secure, err := s.etcdTLS()
	if err != nil {
		return nil, err
	}
	api, err := s.serviceTLS(cfg)
	if err != nil {
		return nil, err
	}
	targets := []probe.Target{probe.Etcd(s.etcdEndpoints(), secure, s.labNet.DialContext)}
	workers := s.workers()
	// Many workers share what the pulse may cost.
	const often = 8
	each := (len(workers) + often - 1) / often
	for _, name := range workers {
		own := api.Clone()
		own.ClientSessionCache = tls.NewLRUClientSessionCache(len(s.current().Nodes))
		targets = append(targets, probe.Service(name, s.serviceFrom(name, own, each)), probe.DNS(name, plan.Domain, s.nameServerFrom(name, each)))
	}
	return targets, nil
}

// calm says that nobody looks, and that nothing is broken or recovers as far as is
// known: the pulse then costs the cluster a quarter.
func (s *Supervisor) calm() bool {
	if s.readers.Load() > 0 || s.script.busy() {
		return false
	}
	calm := false
	s.rec.See(func(w *state.World) {
		calm = w.Phase == event.Running && len(w.Faults.Active) == 0 && !w.Recovery.Following()
	})
	return calm
}

// pulseOff says whether a user stopped the pulse.
func (s *Supervisor) pulseOff() (off bool) {
	s.rec.See(func(w *state.World) { off = w.PulseOff })
	return off
}

// switchPulse stops the pulse, for who wants to see the cluster without it, or
// lets it go on. It goes on with the next supervisor.
func (o *operation) switchPulse(context.Context) error {
	on := o.Verb == "pulse.on"
	if o.pulseOff() == on {
		o.rec.Emit(event.PulseSwitched{On: on})
	}
	if on {
		o.say("the API, etcd, Services and DNS are probed every 250 ms")
	} else {
		o.say("nothing is probed: what users feel is not known, nor told in recovery reports, until: workbench pulse on")
	}
	return nil
}

// workers are the names of the planned workers.
func (s *Supervisor) workers() []string {
	var names []string
	for _, n := range s.current().Nodes {
		if n.Role() == event.Worker {
			names = append(names, n.Name)
		}
	}
	return names
}

func (s *Supervisor) etcdEndpoints() []string {
	var out []string
	for _, n := range s.current().Nodes {
		if n.ControlPlane {
			out = append(out, fmt.Sprintf("https://%s", netip.AddrPortFrom(n.Address, plan.EtcdPort)))
		}
	}
	return out
}

// etcdTLS is how the supervisor is known to etcd.
func (s *Supervisor) etcdTLS() (*tls.Config, error) { return pki.EtcdAdmin(s.place.PKI()) }

// serviceTLS is how a pod verifies the Service kubernetes.
func (s *Supervisor) serviceTLS(cfg *rest.Config) (*tls.Config, error) {
	full, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("prepare the pulse: %w", err)
	}
	return &tls.Config{RootCAs: full.RootCAs, ServerName: "kubernetes.default.svc", MinVersion: tls.VersionTLS13}, nil
}

// seldomAPI is how many ticks lie between requests to the Service kubernetes,
// which costs more than a plain one.
const seldomAPI = 4

// serviceFrom looks up what to request from a worker: the first Service that asks
// for it by annotation, else the Service kubernetes, now and then.
func (s *Supervisor) serviceFrom(worker string, api *tls.Config, each int) func() (probe.Ask, probe.Dial, bool) {
	tick, pods, served := 0, &podNetwork{s: s, worker: worker}, map[string]bool{}
	return func() (probe.Ask, probe.Dial, bool) {
		tick++
		if tick%each != 0 {
			return probe.Ask{}, nil, false
		}
		var ask probe.Ask
		s.rec.See(func(w *state.World) { ask = pulseOf(w, api, served) })
		if ask.TLS != nil && tick/each%seldomAPI != 0 || ask.URL.Host == "" {
			return probe.Ask{}, nil, false
		}
		return ask, pods.dial, pods.exists()
	}
}

// pulseOf is the request to make; served remembers which Services had an
// endpoint once.
func pulseOf(w *state.World, api *tls.Config, served map[string]bool) probe.Ask {
	for _, key := range slices.Sorted(maps.Keys(w.Kube.Services)) {
		svc := w.Kube.Services[key]
		address, ok := tcpAddress(svc)
		if !ok || !strings.HasPrefix(svc.Pulse, "/") {
			continue
		}
		if served[svc.UID] = served[svc.UID] || serves(w, svc.Namespace, svc.Name); served[svc.UID] {
			return probe.Ask{URL: url.URL{Scheme: "http", Host: address, Path: svc.Pulse}}
		}
	}
	if svc := w.Kube.Services["default/kubernetes"]; svc != nil {
		if address, ok := tcpAddress(svc); ok {
			return probe.Ask{URL: url.URL{Scheme: "https", Host: address, Path: "/livez"}, TLS: api}
		}
	}
	return probe.Ask{}
}

// serves says whether a Service has an endpoint. Nobody can miss what never was
// there: the pulse begins with the first.
func serves(w *state.World, namespace, name string) bool {
	for _, slice := range w.Kube.Slices {
		if slice.Namespace == namespace && slice.Service == name && slices.ContainsFunc(slice.Endpoints, func(e event.KubeEndpoint) bool { return e.Ready }) {
			return true
		}
	}
	return false
}

// tcpAddress is the cluster IP and first TCP port of a Service.
func tcpAddress(svc *event.KubeService) (string, bool) {
	if net.ParseIP(svc.ClusterIP) == nil { // headless
		return "", false
	}
	if ports := tcpPorts(svc); len(ports) > 0 {
		return net.JoinHostPort(svc.ClusterIP, strconv.Itoa(ports[0])), true
	}
	return "", false
}

// tcpPorts are the TCP ports of a Service, in its order.
func tcpPorts(svc *event.KubeService) []int {
	var ports []int
	for _, p := range svc.Ports {
		if text, ok := strings.CutSuffix(p, "/TCP"); ok {
			text, _, _ = strings.Cut(text, ":")
			if port, err := strconv.Atoi(text); err == nil {
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// nameServerFrom looks up the cluster's name service, which a lab has as an addon.
func (s *Supervisor) nameServerFrom(worker string, each int) func() (string, probe.Dial, bool) {
	tick, pods, served := 0, &podNetwork{s: s, worker: worker}, false
	return func() (server string, dial probe.Dial, ok bool) {
		if tick++; tick%each != 0 {
			return "", nil, false
		}
		s.rec.See(func(w *state.World) {
			if svc := w.Kube.Services["kube-system/kube-dns"]; svc != nil && net.ParseIP(svc.ClusterIP) != nil {
				server = net.JoinHostPort(svc.ClusterIP, "53")
				served = served || serves(w, "kube-system", "kube-dns")
			}
		})
		return server, pods.dial, served && server != "" && pods.exists()
	}
}

// podNetwork is where the pods of a worker are.
type podNetwork struct {
	s      *Supervisor
	worker string
	ready  *machine // the worker, once Kubernetes had it Ready
	now    *machine
}

// exists is false while the worker does not run, and until it has been Ready
// since it started: nobody there asks anything.
func (p *podNetwork) exists() bool {
	p.s.mu.Lock()
	p.now = p.s.nodes[p.worker]
	if p.now == nil || p.now.paused {
		p.now = nil
	}
	p.s.mu.Unlock()
	if p.now != nil && p.now != p.ready {
		p.s.rec.See(func(w *state.World) {
			if nodeReady(w, p.worker) {
				p.ready = p.now
			}
		})
	}
	return p.now != nil && p.now == p.ready
}

// dial connects as a pod of the worker does; as the worker itself while it has
// none.
func (p *podNetwork) dial(ctx context.Context, network, address string) (net.Conn, error) {
	pid := p.now.handle.PID
	pods, err := namespace.PodNets(pid)
	if err == nil && len(pods) > 0 {
		conn, err := dialFrom(ctx, pods[0], network, address)
		// A pod that is just set up or torn down has no network of its own.
		if !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.EINVAL) {
			return conn, err
		}
	}
	conn, err := dialFrom(ctx, fmt.Sprintf("/proc/%d/ns/net", pid), network, address)
	if errors.Is(err, os.ErrNotExist) {
		return nil, probe.ErrIdle // the worker just ended
	}
	return conn, err
}

func dialFrom(ctx context.Context, path, network, address string) (net.Conn, error) {
	ns, err := namespace.NetAt(path)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return ns.DialContext(ctx, network, address)
}
