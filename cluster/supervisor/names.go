package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"workbench/cluster/spec"
	"workbench/runtime/nameserver"
)

// startNames answers, at the fabric's gateway, what the cluster's name service
// cannot: names outside of the cluster, as this machine resolves them. It is the
// only way out of the lab.
func (s *Supervisor) startNames() error {
	if !s.current().Addons.DNS {
		return nil
	}
	at := netip.AddrPortFrom(s.current().Gateway.Addr(), 53).String()
	var cfg nameserver.Config
	err := s.labNet.Do(func() error {
		var errs [2]error
		cfg.Packets, errs[0] = net.ListenPacket("udp4", at)
		cfg.Streams, errs[1] = net.Listen("tcp4", at)
		return errors.Join(errs[:]...)
	})
	if err != nil {
		return fmt.Errorf("answer questions of names outside of the cluster: %w", err)
	}
	upstream := s.saved.Lab.Spec.DNS.Upstream
	cfg.Servers = func() []string {
		switch upstream {
		case spec.UpstreamHost, "": // of a lab that was saved before there was a choice
			return nameserver.Host("/etc/resolv.conf")
		case spec.UpstreamNone:
			return nil
		}
		return []string{upstream.Address()}
	}
	s.sources.Go(func() {
		if err := nameserver.Run(s.background, cfg); err != nil {
			s.log.Error("answer questions of names", "cause", err)
		}
	})
	return nil
}
