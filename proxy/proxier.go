package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-proxy/app"
	upstream "k8s.io/kubernetes/pkg/proxy"
	"k8s.io/kubernetes/pkg/proxy/healthcheck"
	"k8s.io/kubernetes/pkg/proxy/metrics"
	"k8s.io/kubernetes/pkg/proxy/runner"
	proxyutil "k8s.io/kubernetes/pkg/proxy/util"

	"workbench/cluster/event"
	"workbench/proxy/userspace"
)

// family is all that a lab's networks have.
const family = v1.IPv4Protocol

// Intervals of syncs: the least between two, and to the next after one that failed.
const (
	syncRest  = 100 * time.Millisecond
	syncRetry = 10 * time.Second
)

// proxier is a Provider of upstream's: it follows Services and EndpointSlices
// with upstream's trackers, and has a Forwarder serve what they say. Its shape is
// that of pkg/proxy/nftables/proxier.go.
type proxier struct {
	node      string
	address   netip.Addr // where node ports are
	forwarder *userspace.Forwarder
	reporter  *userspace.Reporter
	health    *healthcheck.ProxyHealthServer
	balancers healthcheck.ServiceHealthServer
	services  *upstream.ServiceChangeTracker
	endpoints *upstream.EndpointsChangeTracker
	runner    *runner.BoundedFrequencyRunner
	recorder  events.EventRecorder
	warned    map[string]bool // of problems, which Kubernetes Events tell once; only sync uses it

	mu                           sync.Mutex
	ports                        upstream.ServicePortMap
	known                        upstream.EndpointsMap
	topology                     map[string]string
	servicesSynced, slicesSynced bool
}

func newProxier(s *app.ProxyServer, f *userspace.Forwarder, r *userspace.Reporter, address netip.Addr) *proxier {
	addresses := proxyutil.NewNodePortAddresses(family, []string{netip.PrefixFrom(address, address.BitLen()).String()})
	p := &proxier{
		node: s.NodeName, address: address, forwarder: f, reporter: r, health: s.HealthzServer,
		balancers: healthcheck.NewServiceHealthServer(s.NodeName, s.Recorder, addresses, s.HealthzServer, family),
		services:  upstream.NewServiceChangeTracker(family, nil, nil),
		endpoints: upstream.NewEndpointsChangeTracker(family, s.NodeName, nil, nil),
		recorder:  s.Recorder, warned: map[string]bool{},
		ports: upstream.ServicePortMap{}, known: upstream.EndpointsMap{},
	}
	p.runner = runner.NewBoundedFrequencyRunner("sync-runner", p.sync, syncRest, syncRetry, s.Config.SyncPeriod.Duration)
	r.Begin(time.Now())
	return p
}

// Sync implements upstream's Provider.
func (p *proxier) Sync() {
	p.health.QueuedUpdate(family)
	metrics.SyncProxyRulesLastQueuedTimestamp.WithLabelValues(string(family)).SetToCurrentTime()
	p.runner.Run()
}

// SyncLoop implements upstream's Provider.
func (p *proxier) SyncLoop() {
	p.health.Updated(family)
	metrics.SyncProxyRulesLastQueuedTimestamp.WithLabelValues(string(family)).SetToCurrentTime()
	p.runner.Loop(wait.NeverStop)
}

func (p *proxier) initialized() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.servicesSynced && p.slicesSynced
}

// OnServiceAdd implements upstream's ServiceHandler.
func (p *proxier) OnServiceAdd(s *v1.Service) { p.OnServiceUpdate(nil, s) }

// OnServiceUpdate implements upstream's ServiceHandler.
func (p *proxier) OnServiceUpdate(before, s *v1.Service) {
	if p.services.Update(before, s) && p.initialized() {
		p.Sync()
	}
}

// OnServiceDelete implements upstream's ServiceHandler.
func (p *proxier) OnServiceDelete(s *v1.Service) { p.OnServiceUpdate(s, nil) }

// OnServiceSynced implements upstream's ServiceHandler.
func (p *proxier) OnServiceSynced() {
	p.mu.Lock()
	p.servicesSynced = true
	p.mu.Unlock()
	p.runner.Run()
}

// OnEndpointSliceAdd implements upstream's EndpointSliceHandler.
func (p *proxier) OnEndpointSliceAdd(s *discoveryv1.EndpointSlice) { p.slice(s, false) }

// OnEndpointSliceUpdate implements upstream's EndpointSliceHandler.
func (p *proxier) OnEndpointSliceUpdate(_, s *discoveryv1.EndpointSlice) { p.slice(s, false) }

// OnEndpointSliceDelete implements upstream's EndpointSliceHandler.
func (p *proxier) OnEndpointSliceDelete(s *discoveryv1.EndpointSlice) { p.slice(s, true) }

func (p *proxier) slice(s *discoveryv1.EndpointSlice, gone bool) {
	if p.endpoints.EndpointSliceUpdate(s, gone) && p.initialized() {
		p.Sync()
	}
}

// OnEndpointSlicesSynced implements upstream's EndpointSliceHandler.
func (p *proxier) OnEndpointSlicesSynced() {
	p.mu.Lock()
	p.slicesSynced = true
	p.mu.Unlock()
	p.runner.Run()
}

// OnTopologyChange implements upstream's NodeTopologyHandler.
func (p *proxier) OnTopologyChange(labels map[string]string) {
	p.mu.Lock()
	p.topology = labels
	p.mu.Unlock()
	p.Sync()
}

// OnServiceCIDRsChanged implements upstream's ServiceCIDRHandler: addresses come
// from Services themselves.
func (p *proxier) OnServiceCIDRsChanged([]string) {}

// sync brings the forwarder up to date. What it cannot serve it tries again.
func (p *proxier) sync() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.servicesSynced || !p.slicesSynced {
		return nil
	}
	began := time.Now()
	p.ports.Update(p.services)
	changed := p.known.Update(p.endpoints)
	err := p.forwarder.Sync(p.wanted())
	if err != nil {
		klog.ErrorS(err, "Not all Services are served")
	}
	if err := p.balancers.SyncServices(p.ports.HealthCheckNodePorts()); err != nil {
		klog.ErrorS(err, "Error syncing healthcheck services")
	}
	if err := p.balancers.SyncEndpoints(p.known.LocalReadyEndpoints()); err != nil {
		klog.ErrorS(err, "Error syncing healthcheck endpoints")
	}
	p.health.Updated(family)
	ended := time.Now()
	measure(began, ended, changed)
	services := p.forwarder.Services(p.node)
	p.warn(services)
	p.reporter.Synced(ended, ended.Sub(began), p.health.Health().Healthy, services)
	return err
}

// warn tells users of a Service that it cannot be served at an address.
func (p *proxier) warn(services []event.ProxyService) {
	now := map[string]bool{}
	for _, s := range services {
		for _, f := range s.Frontends {
			if f.Problem == "" {
				continue
			}
			text := fmt.Sprintf("node %s cannot listen on %s %s:%d for %s: %s", p.node, s.Protocol, f.IP, f.Port, s.Key, f.Problem)
			if now[text] = true; p.warned[text] {
				continue
			}
			owner, _, _ := strings.Cut(s.Key, ":")
			namespace, name, _ := strings.Cut(owner, "/")
			about := &v1.ObjectReference{APIVersion: "v1", Kind: "Service", Namespace: namespace, Name: name}
			p.recorder.Eventf(about, nil, v1.EventTypeWarning, "FailedToListen", "Serve", "%s", text)
		}
	}
	p.warned = now
}

// measure keeps the metrics that all of upstream's proxiers have.
func measure(began, ended time.Time, changed upstream.UpdateEndpointsMapResult) {
	metrics.SyncProxyRulesLatency.WithLabelValues(string(family)).Observe(ended.Sub(began).Seconds())
	metrics.SyncProxyRulesLastTimestamp.WithLabelValues(string(family)).SetToCurrentTime()
	for _, triggers := range changed.LastChangeTriggerTimes {
		for _, at := range triggers {
			metrics.NetworkProgrammingLatency.WithLabelValues(string(family)).Observe(ended.Sub(at).Seconds())
		}
	}
}
