package component

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

// relayPeers puts a relay on the addresses where the member listens for peers,
// and the member behind it. What the member tells others, its advertised URLs
// and its client side of TLS, stays as it is. A member whose peers do not speak
// TLS with given certificates runs without a relay.
func relayPeers(cfg *embed.Config, tap *raft.Tap) (stop func(), err error) {
	if cfg.PeerTLSInfo.Empty() {
		return func() {}, nil
	}
	for _, u := range cfg.ListenPeerUrls {
		if u.Scheme != "https" {
			return func() {}, nil
		}
	}
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
	socket := filepath.Join(dir, "sock")
	messages := raft.NewMessages(tap)
	r, err := relay.Listen(relay.Config{Listen: cfg.ListenPeerUrls, TLS: info, Backend: socket, Sink: messages, Log: tap.Log()})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	cfg.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: socket}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) }) // ends only with ctx
	running.Go(func() { messages.Run(ctx, r) })
	return func() {
		cancel()
		running.Wait()
		_ = os.RemoveAll(dir)
	}, nil
}
