package relay_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"workbench/cluster/observe/raft/relay"
)

// seen is a sink that keeps what it gets and wakes who waits for it.
type seen struct {
	mu       sync.Mutex
	messages []relay.Message
	lost     []relay.Message
	blind    []error
	changed  chan struct{}
}

func newSeen() *seen { return &seen{changed: make(chan struct{})} }

func (s *seen) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *seen) Message(m relay.Message) { s.note(func() { s.messages = append(s.messages, m) }) }
func (s *seen) Lost(m relay.Message)    { s.note(func() { s.lost = append(s.lost, m) }) }
func (s *seen) Blind(err error)         { s.note(func() { s.blind = append(s.blind, err) }) }

// patience bounds a wait.
const patience = time.Minute

// await waits until a message is as wanted.
func (s *seen) await(t *testing.T, what string, wanted func(relay.Message) bool) relay.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, ok := s.first(ctx, wanted)
	if !ok {
		t.Fatalf("no %s was seen", what)
	}
	return m
}

// first is the first message that is as wanted; false when ctx ends before.
func (s *seen) first(ctx context.Context, wanted func(relay.Message) bool) (relay.Message, bool) {
	for at := 0; ; {
		s.mu.Lock()
		for ; at < len(s.messages); at++ {
			if wanted(s.messages[at]) {
				defer s.mu.Unlock()
				return s.messages[at], true
			}
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return relay.Message{}, false
		}
	}
}

// certificates are an authority and what it signed, as files.
type certificates struct {
	dir string
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
	n   int64
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	c := &certificates{dir: t.TempDir()}
	c.key, c.ca = c.sign(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return c
}

// sign makes NAME.crt and NAME.key.
func (c *certificates) sign(t *testing.T, name string, cert *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.n++
	cert.SerialNumber, cert.Subject = big.NewInt(c.n), pkix.Name{CommonName: name}
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := c.ca, c.key
	if parent == nil {
		parent, signer = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(c.dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, parsed
}

// peer makes a certificate for a member at addresses.
func (c *certificates) peer(t *testing.T, name string, ips ...net.IP) transport.TLSInfo {
	t.Helper()
	c.sign(t, name, &x509.Certificate{
		IPAddresses: ips, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return transport.TLSInfo{
		CertFile: filepath.Join(c.dir, name+".crt"), KeyFile: filepath.Join(c.dir, name+".key"),
		TrustedCAFile: filepath.Join(c.dir, "ca.crt"), ClientCertAuth: true,
	}
}

// freeURL is an address nobody listens on.
func freeURL(t *testing.T, scheme string) url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return url.URL{Scheme: scheme, Host: l.Addr().String()}
}

// member is an etcd member behind a relay.
type member struct {
	*embed.Etcd
	seen  *seen
	relay *relay.Relay
	peer  url.URL
	stop  func()
}

// start runs a member and its relay.
func start(t *testing.T, name, cluster string, peer url.URL, info transport.TLSInfo) *member {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	m := &member{seen: newSeen(), peer: peer}
	var err error
	if m.relay, err = relay.Listen(relay.Config{Listen: []url.URL{peer}, TLS: info, Backend: socket, Sink: m.seen, Log: zap.NewNop()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.relay.Run(ctx) }()
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = name, filepath.Join(t.TempDir(), "data")
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.New(zapcore.NewNopCore()))
	cfg.InitialCluster, cfg.PeerTLSInfo = cluster, info
	cfg.AdvertisePeerUrls = []url.URL{peer}
	cfg.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: socket}}
	client := freeURL(t, "http")
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	if m.Etcd, err = embed.StartEtcd(cfg); err != nil {
		t.Fatal(err)
	}
	m.stop = sync.OnceFunc(func() { m.Etcd.Close(); cancel(); <-done })
	t.Cleanup(m.stop)
	return m
}

// TestThreeMembers runs three real members behind relays, with TLS, and holds
// that what the relays saw is what Raft did.
func TestThreeMembers(t *testing.T) {
	certs := newCertificates(t)
	info := certs.peer(t, "peer", net.IPv4(127, 0, 0, 1))
	names := []string{"m0", "m1", "m2"}
	urls, parts := map[string]url.URL{}, []string{}
	for _, name := range names {
		urls[name] = freeURL(t, "https")
		parts = append(parts, fmt.Sprintf("%s=https://%s", name, urls[name].Host))
	}
	members := make([]*member, len(names))
	var starting sync.WaitGroup
	for i, name := range names {
		starting.Go(func() { members[i] = start(t, name, strings.Join(parts, ","), urls[name], info) })
	}
	starting.Wait()
	for _, m := range members {
		select {
		case <-m.Server.ReadyNotify():
		case <-time.After(time.Minute):
			t.Fatal("the members do not become ready")
		}
	}
	leader, follower := members[0], members[1]
	for i, m := range members {
		if m.Server.Leader() == m.Server.MemberID() {
			leader, follower = m, members[(i+1)%len(members)]
		}
	}
	id, term := uint64(leader.Server.MemberID()), leader.Server.Term()
	vote := leader.seen.await(t, "vote request of the leader", func(m relay.Message) bool { return m.Type == raftpb.MsgVote && m.Term == term })
	if vote.From != id {
		t.Errorf("a vote request from %x at the relay of %x", vote.From, id)
	}
	leader.seen.await(t, "pre-vote request", func(m relay.Message) bool { return m.Type == raftpb.MsgPreVote })

	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{leader.Clients[0].Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	for _, size := range []int{10, 100_000, 1_000_000} { // beyond every buffer
		if _, err := cli.Put(t.Context(), "key", strings.Repeat("x", size)); err != nil {
			t.Fatal(err)
		}
	}
	index := leader.Server.CommittedIndex()
	leader.seen.await(t, "append of the last write", func(m relay.Message) bool {
		return m.Type == raftpb.MsgApp && m.From == id && m.To == uint64(follower.Server.MemberID()) && m.Index+uint64(m.Entries) >= index && m.Term == term
	})
	follower.seen.await(t, "ack of the last write", func(m relay.Message) bool {
		return m.Type == raftpb.MsgAppResp && m.To == id && m.Index >= index
	})
	leader.seen.await(t, "heartbeat", func(m relay.Message) bool { return m.Type == raftpb.MsgHeartbeat })
	follower.seen.await(t, "answer to a heartbeat", func(m relay.Message) bool { return m.Type == raftpb.MsgHeartbeatResp })

	testPeerEndpoints(t, leader, info)
	testStrangers(t, certs, leader)

	// On a busy machine another may lead by now: without it, nobody need vote.
	for _, m := range members {
		if m.Server.Leader() == m.Server.MemberID() && m.Server.Term() > term {
			leader, term = m, m.Server.Term()
		}
	}
	leader.stop()
	granted := make(chan struct{}, len(members))
	for _, m := range members {
		if m == leader {
			continue
		}
		go func() {
			if _, ok := m.seen.first(t.Context(), func(m relay.Message) bool { return m.Type == raftpb.MsgVoteResp && m.Term > term && !m.Reject }); ok {
				granted <- struct{}{}
			}
		}()
	}
	select {
	case <-granted:
	case <-time.After(patience):
		t.Error("no vote was granted after the leader's end")
	}
	for i, m := range members {
		m.seen.mu.Lock()
		if len(m.seen.blind) > 0 {
			t.Errorf("the relay of m%d lost track: %v", i, m.seen.blind)
		}
		m.seen.mu.Unlock()
	}
}

// testPeerEndpoints asks what etcd answers to peers besides Raft.
func testPeerEndpoints(t *testing.T, m *member, info transport.TLSInfo) {
	t.Helper()
	tr, err := transport.NewTransport(info, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	for path, want := range map[string]string{
		"/version": `"etcdserver":"3.7.`, "/members": m.peer.String(), "/raft/probing": `"OK":true`, "/none": "404 page not found",
	} {
		resp, err := (&http.Client{Transport: tr}).Get(m.peer.String() + path)
		if err != nil {
			t.Errorf("GET %s: %v", path, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("GET %s: %q, %v; want %q", path, body, err, want)
		}
	}
}

// testStrangers holds that the relay lets in whom etcd would let in.
func testStrangers(t *testing.T, certs *certificates, m *member) {
	t.Helper()
	elsewhere := certs.peer(t, "elsewhere", net.IPv4(10, 9, 8, 7))
	stranger := newCertificates(t).peer(t, "stranger", net.IPv4(127, 0, 0, 1))
	for name, files := range map[string]*transport.TLSInfo{"no certificate": nil, "a certificate for another address": &elsewhere, "a certificate of another authority": &stranger} {
		cfg := &tls.Config{InsecureSkipVerify: true}
		if files != nil {
			pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		client := http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
		resp, err := client.Get(m.peer.String() + "/version")
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("with %s the peer endpoint answers %s", name, resp.Status)
		}
	}
}
