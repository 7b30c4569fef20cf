package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"

	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// newAPI prepares a client with a connection of its own. It speaks HTTP/1.1: a
// request that is given up then takes its connection with it, so that a frozen
// API server is not asked again over the same one.
func newAPI(base Config, name string, request func(context.Context, rest.Interface) error) (Target, error) {
	cfg := rest.CopyConfig(base.REST)
	cfg.UserAgent = "workbench-probe"
	cfg.QPS = -1
	tlsConfig, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return Target{}, fmt.Errorf("prepare TLS: %w", err)
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
		return Target{}, err
	}
	core, err := corev1.NewForConfigAndClient(cfg, &http.Client{Transport: wrapped})
	if err != nil {
		return Target{}, err
	}
	client := core.RESTClient()
	return Target{
		Name:  name,
		Try:   func(ctx context.Context) error { return request(ctx, client) },
		Reset: transport.CloseIdleConnections,
	}, nil
}
