package etcd

import (
	"errors"
	"net"
	"net/url"
	"os"
	"testing"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"workbench/cluster/observe/raft"
	"workbench/cluster/observe/tap"
)

// TestPeersAreRefusedBeforeTheMemberServes holds that a peer of a member that is yet
// to serve is told at once, and not left to wait.
func TestPeersAreRefusedBeforeTheMemberServes(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	secure, err := transport.SelfCert(zap.NewNop(), t.TempDir(), []string{address}, 1)
	if err != nil {
		t.Fatal(err)
	}
	member := raft.NewTap("c1", tap.New(nil))
	if _, err := member.Logger(os.Stderr); err != nil {
		t.Fatal(err)
	}
	cfg := embed.NewConfig()
	cfg.PeerTLSInfo, cfg.ListenPeerUrls = secure, []url.URL{{Scheme: "https", Host: address}}
	p, err := relayPeers(cfg, member)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if len(cfg.ListenPeerUrls) != 1 || cfg.ListenPeerUrls[0].Scheme != "unix" {
		t.Errorf("the member listens on %v, want a socket", cfg.ListenPeerUrls)
	}
	connects := func() error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	if err := connects(); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("before it serves: %v, want a refusal", err)
	}
	refuse, err := p.serve()
	if err != nil {
		t.Fatal(err)
	}
	if err := connects(); err != nil {
		t.Errorf("once it serves: %v", err)
	}
	refuse()
	if err := connects(); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("when it ended: %v, want a refusal", err)
	}
}
