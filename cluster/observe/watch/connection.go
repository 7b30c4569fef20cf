package watch

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"time"

	appsv1 "k8s.io/client-go/kubernetes/typed/apps/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	discoveryv1 "k8s.io/client-go/kubernetes/typed/discovery/v1"
	networkingv1 "k8s.io/client-go/kubernetes/typed/networking/v1"
	"k8s.io/client-go/rest"
)

// How fast a dead connection is noticed: it is pinged after pingAfter of silence,
// and given up when no answer comes within pingTimeout. Shorter would take a busy
// machine for a dead one.
const (
	dialTimeout = time.Second
	pingAfter   = 400 * time.Millisecond
	pingTimeout = 800 * time.Millisecond
	// idleTimeout closes the connection when no watch is left on it.
	idleTimeout = 2 * time.Second
)

// clients are one per API group, over one connection.
type clients struct{ core, apps, coordination, discovery, networking rest.Interface }

// connect prepares the clients; it does not dial yet. The returned function
// releases the connection, once all requests have ended.
func connect(base *rest.Config) (*clients, func(), error) {
	cfg := rest.CopyConfig(base)
	cfg.UserAgent = "workbench-watch"
	cfg.QPS = -1
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	cfg.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	transport, err := newTransport(cfg)
	if err != nil {
		return nil, nil, err
	}
	wrapped, err := rest.HTTPWrappersForConfig(cfg, transport)
	if err != nil {
		return nil, nil, err
	}
	httpClient := &http.Client{Transport: wrapped}
	core, err1 := corev1.NewForConfigAndClient(cfg, httpClient)
	apps, err2 := appsv1.NewForConfigAndClient(cfg, httpClient)
	coordination, err3 := coordinationv1.NewForConfigAndClient(cfg, httpClient)
	discovery, err4 := discoveryv1.NewForConfigAndClient(cfg, httpClient)
	networking, err5 := networkingv1.NewForConfigAndClient(cfg, httpClient)
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
		return nil, nil, err
	}
	return &clients{core.RESTClient(), apps.RESTClient(), coordination.RESTClient(), discovery.RESTClient(), networking.RESTClient()},
		transport.CloseIdleConnections, nil
}

// newTransport makes a transport that notices a dead connection by itself.
// client-go's own is shared between clients and takes 45 s.
func newTransport(cfg *rest.Config) (*http.Transport, error) {
	tlsConfig, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("prepare TLS: %w", err)
	}
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}, nil
}
