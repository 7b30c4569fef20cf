package etcd

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/tlsutil"
	"go.etcd.io/etcd/server/v3/embed"

	"workbench/cluster/observe/raft"
	"workbench/cluster/observe/raft/relay"
)

// peers is where a member listens for peers, and what is to be relayed there.
type peers struct {
	tap *raft.Tap
	cfg relay.Config // without a backend, which has a directory of its own, there is no relay
}

// relayPeers has the member listen where only a relay comes to, which serve puts on
// the addresses that peers know. What the member tells others, its advertised URLs
// and its client side of TLS, stays as it is. A member whose peers do not speak TLS
// with given certificates runs without a relay.
func relayPeers(cfg *embed.Config, tap *raft.Tap) (*peers, error) {
	if cfg.PeerTLSInfo.Empty() {
		return &peers{}, nil
	}
	for _, u := range cfg.ListenPeerUrls {
		if u.Scheme != "https" {
			return &peers{}, nil
		}
	}
	var err error
	info := cfg.PeerTLSInfo // as embed's configurePeerListeners completes it
	if info.MinVersion, err = tlsutil.GetTLSVersion(cfg.TlsMinVersion); err != nil {
		return nil, fmt.Errorf("read the lowest TLS version: %w", err)
	}
	if info.MaxVersion, err = tlsutil.GetTLSVersion(cfg.TlsMaxVersion); err != nil {
		return nil, fmt.Errorf("read the highest TLS version: %w", err)
	}
	if len(cfg.CipherSuites) > 0 {
		if info.CipherSuites, err = tlsutil.GetCipherSuites(cfg.CipherSuites); err != nil {
			return nil, fmt.Errorf("read the TLS cipher suites: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "etcd-peer-") // mode 0700: only root reaches the socket
	if err != nil {
		return nil, fmt.Errorf("make a directory for the peer socket: %w", err)
	}
	p := &peers{tap: tap, cfg: relay.Config{Listen: cfg.ListenPeerUrls, TLS: info, Backend: filepath.Join(dir, "sock"), Log: tap.Log()}}
	cfg.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: p.cfg.Backend}}
	return p, nil
}

// serve lets peers in, once the member serves them. Before that they are refused:
// the members of a new cluster ask each other, one after the other, whether it is
// there already, and wait a second for the answer of each that listens and is yet
// to serve (etcdserver.isMemberBootstrapped) - all of them for each other.
func (p *peers) serve() (stop func(), err error) {
	if p.cfg.Backend == "" {
		return func() {}, nil
	}
	messages := raft.NewMessages(p.tap)
	p.cfg.Sink = messages
	r, err := relay.Listen(p.cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) }) // ends only with ctx
	running.Go(func() { messages.Run(ctx, r) })
	return func() {
		cancel()
		running.Wait()
	}, nil
}

// close removes what the relay and the member met in.
func (p *peers) close() {
	if p.cfg.Backend != "" {
		_ = os.RemoveAll(filepath.Dir(p.cfg.Backend))
	}
}
