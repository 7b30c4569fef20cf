// Package etcd is the entry point of an etcd member, with taps on its Raft log,
// its messages and its spans.
package etcd

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/pkg/v3/flags"
	"go.etcd.io/etcd/server/v3/embed"

	"workbench/cluster/observe/raft"
	"workbench/cluster/observe/span"
	"workbench/cluster/observe/tap"
	runtimenode "workbench/runtime/node"
)

// Role is etcd's name as argv[0] and as a component of a node.
const Role = "etcd"

// Run runs one member with etcd's own flags until it ends, as etcd's own command does
// (server/etcdmain/etcd.go), with the Raft tap in its logger.
func Run(args []string) error {
	cfg, taps, err := config(args)
	if err != nil {
		return err
	}
	pipe := tap.Inherited()
	if err := span.Serve(&span.Sink{Node: cfg.Name, Component: Role, Emit: pipe.Emit}, runtimenode.SpanSocket(Role)); err != nil {
		fmt.Fprintf(os.Stderr, "etcd: %v\n", err) // it runs untraced
	}
	tap := raft.NewTap(cfg.Name, pipe)
	logger, err := tap.Logger(os.Stderr)
	if err != nil {
		return err
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	between := &peers{}
	if taps.messages {
		if between, err = relayPeers(cfg, tap); err != nil {
			return fmt.Errorf("start member %s: %w", cfg.Name, err)
		}
		defer between.close()
	}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start member %s: %w", cfg.Name, err)
	}
	refuse, err := between.serve()
	if err != nil {
		server.Close()
		return fmt.Errorf("start member %s: %w", cfg.Name, err)
	}
	defer refuse()
	sampling := make(chan struct{})
	go func() { defer close(sampling); tap.Sample(ctx, server.Server, taps.log) }()
	select {
	case <-ctx.Done():
	case <-server.Server.StopNotify():
	case err = <-server.Err():
		err = fmt.Errorf("run member %s: %w", cfg.Name, err)
	}
	stop()
	<-sampling
	server.Close()
	return err
}

// taps says which optional taps the member runs with.
type taps struct {
	messages bool // reads along between the peers
	log      bool // reads the write-ahead log and the disk's latencies
}

// config parses etcd's own flags. The ones that embed registers but does
// not read back are read here, as server/etcdmain/config.go does.
func config(args []string) (*embed.Config, taps, error) {
	var on taps
	cfg := embed.NewConfig()
	fs := flag.NewFlagSet("etcd", flag.ContinueOnError)
	cfg.AddFlags(fs)
	fs.StringVar(&cfg.ClusterState, "initial-cluster-state", embed.ClusterStateFlagNew, "new or existing")
	fs.BoolVar(&on.messages, "tap-messages", true, "read along the messages between peers")
	fs.BoolVar(&on.log, "tap-log", true, "read along the write-ahead log")
	if err := fs.Parse(args); err != nil {
		return nil, on, fmt.Errorf("read flags: %w", err)
	}
	cfg.ListenPeerUrls = flags.UniqueURLsFromFlag(fs, "listen-peer-urls")
	cfg.AdvertisePeerUrls = flags.UniqueURLsFromFlag(fs, "initial-advertise-peer-urls")
	cfg.ListenClientUrls = flags.UniqueURLsFromFlag(fs, "listen-client-urls")
	cfg.AdvertiseClientUrls = flags.UniqueURLsFromFlag(fs, "advertise-client-urls")
	cfg.ListenMetricsUrls = flags.UniqueURLsFromFlag(fs, "listen-metrics-urls")
	cfg.CipherSuites = flags.StringsFromFlag(fs, "cipher-suites")
	cfg.MaxConcurrentStreams = flags.Uint32FromFlag(fs, "max-concurrent-streams")
	cfg.FlagsExplicitlySet = map[string]bool{}
	fs.Visit(func(f *flag.Flag) { cfg.FlagsExplicitlySet[f.Name] = true })
	if err := cfg.Validate(); err != nil {
		return nil, on, fmt.Errorf("check flags: %w", err)
	}
	return cfg, on, nil
}
