package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
)

// target is one request that is made again and again.
type target struct {
	Config
	name    string
	request func(context.Context, rest.Interface) error

	client rest.Interface
	// disconnect makes the next request dial anew.
	disconnect func()
}

// newTarget prepares a client with a connection of its own. It speaks HTTP/1.1: a
// request that is given up then takes its connection with it, so that a frozen
// API server is not asked again over the same one.
func newTarget(base Config, name string, request func(context.Context, rest.Interface) error) (*target, error) {
	cfg := rest.CopyConfig(base.REST)
	cfg.UserAgent = "workbench-probe"
	cfg.QPS = -1
	tlsConfig, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("prepare TLS: %w", err)
	}
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	transport := &http.Transport{
		DialContext:     dial,
		TLSClientConfig: tlsConfig,
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
		IdleConnTimeout: 2*base.Interval + base.Timeout,
	}
	wrapped, err := rest.HTTPWrappersForConfig(cfg, transport)
	if err != nil {
		return nil, err
	}
	core, err := corev1.NewForConfigAndClient(cfg, &http.Client{Transport: wrapped})
	if err != nil {
		return nil, err
	}
	return &target{Config: base, name: name, request: request, client: core.RESTClient(), disconnect: transport.CloseIdleConnections}, nil
}

func (t *target) run(ctx context.Context) {
	defer t.disconnect()
	tick := time.NewTicker(t.Interval)
	defer tick.Stop()
	for {
		t.probe(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// probe makes one request and emits how it went, unless ctx ended meanwhile.
func (t *target) probe(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	began := time.Now()
	err := t.request(limited, t.client)
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	result := event.Probe{Target: t.name, OK: err == nil, Latency: took}
	if err != nil {
		result.Error = reason(err, t.Timeout)
		// Whoever answered, or did not, may be the reason: a balancer in front of
		// the API picks again.
		t.disconnect()
	}
	t.Emit(result)
}
