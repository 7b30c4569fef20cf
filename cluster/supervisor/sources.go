package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"workbench/cluster/event"
	"workbench/cluster/observe/probe"
	"workbench/cluster/observe/watch"
	"workbench/runtime/balancer"
)

// apiCheck is the interval of health checks of each kube-apiserver.
const apiCheck = 500 * time.Millisecond

// startSources opens the host's way to the API and starts what feeds on it.
func (s *Supervisor) startSources() error {
	b, err := balancer.New(balancer.Config{
		Listener: s.listener, Backends: s.current().APIServers(), Dial: s.labNet.DialContext, Every: apiCheck,
		Check: balancer.Ready(s.labNet.DialContext), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.sources.Go(func() {
		_ = s.whilePlanned(s.background, func(ctx context.Context) error {
			b.Set(s.current().APIServers())
			<-ctx.Done()
			return nil
		})
	})
	s.sources.Go(func() {
		if err := b.Run(s.background); err != nil {
			s.log.Error("serve the API on the host", "cause", err)
		}
	})
	s.sources.Go(func() { s.keepPodNetwork(s.background) })
	s.sources.Go(func() { s.keepFaults(s.background) })
	s.sources.Go(func() { s.keepMembers(s.background) })
	s.sources.Go(func() { s.observeChanges(s.background) })
	s.sources.Go(func() {
		if err := s.provisionVolumes(s.background); err != nil {
			s.log.Error("provision volumes", "cause", err)
		}
	})
	s.sources.Go(func() {
		if err := s.observe(s.background); err != nil && s.background.Err() == nil {
			s.log.Error("observe the API", "cause", err)
			s.rec.Emit(event.SourceState{Source: "watch", Detail: err.Error()})
		}
	})
	return nil
}

// observe watches and probes the cluster once its API has answered for the
// first time.
func (s *Supervisor) observe(ctx context.Context) error {
	if !s.awaitAny(ctx, "kube-apiserver") {
		return nil
	}
	cfg, err := s.clientConfig()
	if err != nil {
		return err
	}
	if err := s.releaseLeases(ctx, cfg); err != nil && ctx.Err() == nil {
		s.log.Warn("release leases of dead leaders", "cause", err) // they expire by themselves
	}
	var cordons error
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		cordons = s.keepCordons(ctx, cfg)
	}()
	var errs [2]error
	done := make(chan struct{})
	go func() {
		defer close(done)
		errs[0] = s.whilePlanned(ctx, func(ctx context.Context) error {
			more, err := s.pulse(cfg)
			if err != nil {
				return err
			}
			return probe.Run(ctx, probe.Config{REST: cfg, More: more, Off: s.pulseOff, Calm: s.calm, Emit: s.rec.Emit})
		})
	}()
	errs[1] = watch.Run(ctx, watch.Config{REST: cfg, Emit: s.rec.Emit, Log: s.log})
	<-done
	<-kept
	return errors.Join(errors.Join(errs[:]...), cordons)
}

func (s *Supervisor) clientConfig() (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", s.place.PKI()+"/supervisor.conf")
	if err != nil {
		return nil, fmt.Errorf("read the supervisor's kubeconfig: %w", err)
	}
	cfg.QPS = -1 // its own few requests must not wait behind each other
	cfg.Dial = (&net.Dialer{Timeout: time.Second, KeepAlive: 5 * time.Second}).DialContext
	return cfg, nil
}
