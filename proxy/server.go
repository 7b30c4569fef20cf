package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-proxy/app"
	upstream "k8s.io/kubernetes/pkg/proxy"
	proxyconfig "k8s.io/kubernetes/pkg/proxy/apis/config"
	"k8s.io/kubernetes/pkg/proxy/apis/config/scheme"
	"k8s.io/kubernetes/pkg/proxy/healthcheck"

	"workbench/cluster/observe/tap"
	"workbench/proxy/userspace"
)

// serve runs upstream's ProxyServer with a proxier of ours, as its own
// newProxyServer (cmd/kube-proxy/app/server.go) does with one of upstream's:
// watches, health checks, metrics and events are upstream's.
func serve(ctx context.Context, cfg *proxyconfig.KubeProxyConfiguration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := connect(cfg)
	if err != nil {
		return err
	}
	manager, err := upstream.NewNodeManager(ctx, client, cfg.HostnameOverride, cfg)
	if err != nil {
		return fmt.Errorf("learn about node %s: %w", cfg.HostnameOverride, err)
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	server := &app.ProxyServer{
		Config: cfg, Client: client, Broadcaster: broadcaster, Recorder: broadcaster.NewRecorder(scheme.Scheme, Role),
		NodeRef:  &v1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: cfg.HostnameOverride},
		NodeName: cfg.HostnameOverride, PrimaryIPFamily: v1.IPv4Protocol, NodeManager: manager,
		HealthzServer: healthcheck.NewProxyHealthServer(cfg.HealthzBindAddress, 2*cfg.SyncPeriod.Duration, manager),
	}
	node, err := netip.ParseAddr(cfg.BindAddress)
	if err != nil {
		return fmt.Errorf("read bindAddress, which is the node's: %w", err)
	}
	inside := []netip.Prefix{netip.PrefixFrom(node, node.BitLen())}
	for _, text := range cfg.DetectLocal.ClusterCIDRs {
		pods, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("read clusterCIDR: %w", err)
		}
		inside = append(inside, pods)
	}
	forwarder, err := userspace.New(userspace.Config{
		Addresses: userspace.Loopback{}, Inside: inside, Now: time.Now, Log: slog.New(logr.ToSlogHandler(klog.Background())),
	})
	if err != nil {
		return err
	}
	defer forwarder.Close()
	p := newProxier(server, forwarder, &userspace.Reporter{Node: cfg.HostnameOverride, Emit: tap.Inherited().Emit}, node)
	server.Proxier = p
	ended := make(chan error, 2)
	go func() { ended <- server.Run(ctx) }()
	go func() { ended <- forwarder.Serve(ctx, cfg.HostnameOverride) }()
	go p.reporter.Count(ctx, forwarder)
	return <-ended
}

// connect mirrors createClient of the same file.
func connect(cfg *proxyconfig.KubeProxyConfiguration) (clientset.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", cfg.ClientConnection.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.AcceptContentTypes, config.ContentType = cfg.ClientConnection.AcceptContentTypes, cfg.ClientConnection.ContentType
	config.QPS, config.Burst = cfg.ClientConnection.QPS, int(cfg.ClientConnection.Burst)
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of the API: %w", err)
	}
	return client, nil
}
