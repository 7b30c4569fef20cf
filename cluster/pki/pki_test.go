package pki_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	certutil "k8s.io/client-go/util/cert"

	"workbench/cluster/pki"
)

const below = "/etc/kubernetes/"

var (
	clientAuth = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	serverAuth = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	bothAuth   = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

func TestChains(t *testing.T) {
	l := newLab(t)
	l.ensure()
	for _, c := range []struct {
		ca, leaf string
		cn, org  string
		usages   []x509.ExtKeyUsage
		names    []string
	}{
		{"ca", "c2/etc/kubernetes/pki/apiserver", "kube-apiserver", "", serverAuth, []string{
			"c2", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			"127.0.0.1", "[::1]", "10.88.0.2", "10.96.0.1"}},
		{"ca", "c2/etc/kubernetes/pki/controller-manager", "kube-controller-manager", "", serverAuth, []string{"c2", "localhost", "127.0.0.1", "[::1]", "10.88.0.2"}},
		{"ca", "c1/etc/kubernetes/pki/cloud-controller-manager", "cloud-controller-manager", "", serverAuth, []string{"c1", "localhost", "127.0.0.1", "10.88.0.1"}},
		{"ca", "c3/etc/kubernetes/pki/scheduler", "kube-scheduler", "", serverAuth, []string{"c3", "localhost", "127.0.0.1", "10.88.0.3"}},
		{"ca", "c1/etc/kubernetes/pki/apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters", clientAuth, nil},
		{"front-proxy-ca", "c1/etc/kubernetes/pki/front-proxy-client", "front-proxy-client", "", clientAuth, nil},
		{"etcd/ca", "c1/etc/kubernetes/pki/apiserver-etcd-client", "kube-apiserver-etcd-client", "", clientAuth, nil},
		{"etcd/ca", "c3/etc/kubernetes/pki/etcd/server", "c3", "", bothAuth, []string{"c3", "localhost", "127.0.0.1", "10.88.0.3"}},
		{"etcd/ca", "c3/etc/kubernetes/pki/etcd/peer", "c3", "", bothAuth, []string{"c3", "localhost", "127.0.0.1", "10.88.0.3"}},
		{"etcd/ca", "c1/etc/kubernetes/pki/etcd/healthcheck-client", "kube-etcd-healthcheck-client", "", clientAuth, nil},
		{"ca", "w1/etc/kubernetes/pki/kubelet", "system:node:w1", "system:nodes", serverAuth, []string{"w1", "10.88.0.4", "127.0.0.1"}},
		{"etcd/ca", "pki/etcd/admin", "workbench-etcd-admin", "", clientAuth, nil},
	} {
		pair, err := tls.X509KeyPair(l.read(c.leaf+".crt"), l.read(c.leaf+".key"))
		if err != nil {
			t.Fatalf("%s: %v", c.leaf, err)
		}
		verify(t, c.leaf, l.read("pki/"+c.ca+".crt"), pair.Leaf, c.cn, c.org, c.usages, c.names)
	}
}

func verify(t *testing.T, name string, caPEM []byte, cert *x509.Certificate, cn, org string, usages []x509.ExtKeyUsage, names []string) {
	t.Helper()
	if cert.Subject.CommonName != cn || strings.Join(cert.Subject.Organization, ",") != org {
		t.Errorf("%s: subject is %s", name, cert.Subject)
	}
	pool, err := certutil.NewPoolFromBytes(caPEM)
	if err != nil {
		t.Fatal(err)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{usage}})
		if wanted := slices.Contains(usages, usage); wanted != (err == nil) {
			t.Errorf("%s: usage %v wanted %t: %v", name, usage, wanted, err)
		}
	}
	for _, host := range names {
		if err := cert.VerifyHostname(host); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left := time.Until(cert.NotAfter); left < 364*24*time.Hour || left > 366*24*time.Hour {
		t.Errorf("%s: valid for %s", name, left)
	}
}

func TestKubeconfigs(t *testing.T) {
	l := newLab(t)
	l.ensure()
	for _, c := range []struct{ file, server, cn, org string }{
		{"c1/etc/kubernetes/controller-manager.conf", "https://127.0.0.1:6443", "system:kube-controller-manager", ""},
		{"c1/etc/kubernetes/scheduler.conf", "https://127.0.0.1:6443", "system:kube-scheduler", ""},
		{"c1/etc/kubernetes/cloud-controller-manager.conf", "https://127.0.0.1:6443", "system:cloud-controller-manager", "system:masters"},
		{"w2/etc/kubernetes/kubelet.conf", "https://127.0.0.1:6443", "system:node:w2", "system:nodes"},
		{"w2/etc/kubernetes/kube-proxy.conf", "https://127.0.0.1:6443", "system:kube-proxy", ""},
		{"pki/admin.conf", "https://127.0.0.1:40123", "kubernetes-admin", "system:masters"},
		{"pki/supervisor.conf", "https://127.0.0.1:40123", "workbench-supervisor", "system:masters"},
	} {
		rest, err := clientcmd.BuildConfigFromFlags("", l.path(c.file))
		if err != nil {
			t.Fatal(err)
		}
		if rest.Host != c.server {
			t.Errorf("%s: server %s, want %s", c.file, rest.Host, c.server)
		}
		pair, err := tls.X509KeyPair(rest.CertData, rest.KeyData)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		if string(rest.CAData) != string(l.read("pki/ca.crt")) {
			t.Errorf("%s: another authority", c.file)
		}
		verify(t, c.file, rest.CAData, pair.Leaf, c.cn, c.org, clientAuth, nil)
	}
	cfg, err := clientcmd.Load(l.read("pki/admin.conf"))
	if err != nil || cfg.CurrentContext != "workbench-dev" || cfg.Clusters["workbench-dev"] == nil {
		t.Errorf("admin.conf: context %q: %v", cfg.CurrentContext, err)
	}
}

func TestModes(t *testing.T) {
	l := newLab(t)
	l.ensure()
	if err := os.Chmod(l.path("c1/etc/kubernetes/pki/apiserver.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	l.ensure()
	for name, f := range l.files() {
		want := os.FileMode(0o600)
		if strings.HasSuffix(name, ".crt") || strings.HasSuffix(name, ".pub") {
			want = 0o644
		}
		if f.mode != want {
			t.Errorf("%s has mode %o, want %o", name, f.mode, want)
		}
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s is left", name)
		}
	}
	if info, err := os.Stat(l.path("pki")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("lab directory: %v, %v", info.Mode(), err)
	}
	for _, secret := range []string{"pki/ca.key", "pki/sa.key"} {
		if _, err := os.Stat(l.path("w1" + below + secret)); err == nil {
			t.Errorf("a worker has %s", secret)
		}
	}
	if _, err := os.Stat(l.path("c1" + below + "pki/etcd/ca.key")); err == nil {
		t.Error("a node has etcd's authority key")
	}
}

func TestSecondEnsureChangesNothing(t *testing.T) {
	l := newLab(t)
	l.ensure()
	if changed := l.changes(); len(changed) > 0 {
		t.Errorf("changed %v", changed)
	}
}

func TestRemade(t *testing.T) {
	later := func(d time.Duration) func(*lab) {
		return func(l *lab) { l.Now = func() time.Time { return time.Now().Add(d) } }
	}
	for name, c := range map[string]struct {
		change func(*lab)
		want   []string // files that must change; nil: none
	}{
		"certificate deleted": {
			func(l *lab) { l.remove("c1/etc/kubernetes/pki/apiserver.crt") },
			[]string{"c1/etc/kubernetes/pki/apiserver.crt", "c1/etc/kubernetes/pki/apiserver.key"},
		},
		"key deleted": {
			func(l *lab) { l.remove("w1/etc/kubernetes/pki/kubelet.key") },
			[]string{"w1/etc/kubernetes/pki/kubelet.crt", "w1/etc/kubernetes/pki/kubelet.key"},
		},
		"leaf torn by a power loss": {
			func(l *lab) { l.write("pki/etcd/admin.crt", "") },
			[]string{"pki/etcd/admin.crt", "pki/etcd/admin.key"},
		},
		"kubeconfig damaged": {
			func(l *lab) { l.write("w1/etc/kubernetes/kubelet.conf", "\x00{{{") },
			[]string{"w1/etc/kubernetes/kubelet.conf"},
		},
		"copy altered": {
			func(l *lab) { l.write("w1/etc/kubernetes/pki/ca.crt", "x") },
			[]string{"w1/etc/kubernetes/pki/ca.crt"},
		},
		"key of another certificate": {
			func(l *lab) {
				l.write("c1/etc/kubernetes/pki/apiserver.key", string(l.read("c2/etc/kubernetes/pki/apiserver.key")))
			},
			[]string{"c1/etc/kubernetes/pki/apiserver.crt", "c1/etc/kubernetes/pki/apiserver.key"},
		},
		"control plane address": {
			func(l *lab) { l.Nodes[1].IP = "10.88.0.99" },
			[]string{
				"c2/etc/kubernetes/pki/apiserver.crt", "c2/etc/kubernetes/pki/apiserver.key",
				"c2/etc/kubernetes/pki/cloud-controller-manager.crt", "c2/etc/kubernetes/pki/cloud-controller-manager.key",
				"c2/etc/kubernetes/pki/controller-manager.crt", "c2/etc/kubernetes/pki/controller-manager.key",
				"c2/etc/kubernetes/pki/etcd/peer.crt", "c2/etc/kubernetes/pki/etcd/peer.key",
				"c2/etc/kubernetes/pki/etcd/server.crt", "c2/etc/kubernetes/pki/etcd/server.key",
				"c2/etc/kubernetes/pki/scheduler.crt", "c2/etc/kubernetes/pki/scheduler.key",
			},
		},
		"worker address": {
			func(l *lab) { l.Nodes[4].IP = "10.88.0.99" },
			[]string{"w2/etc/kubernetes/pki/kubelet.crt", "w2/etc/kubernetes/pki/kubelet.key"},
		},
		"port of the API": {
			func(l *lab) { l.APIServerURL = "https://127.0.0.1:40999" },
			[]string{"pki/admin.conf", "pki/supervisor.conf"},
		},
		"11 months left": {later(30 * 24 * time.Hour), nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.ensure()
			c.change(l)
			if got := slices.Sorted(maps.Keys(l.changes())); !slices.Equal(got, c.want) {
				t.Errorf("changed %q, want %q", got, c.want)
			}
			if again := l.changes(); len(again) > 0 {
				t.Errorf("changed again: %v", again)
			}
		})
	}
}

func TestRenewalKeepsTrust(t *testing.T) {
	l := newLab(t)
	l.ensure()
	trust := []string{
		"pki/ca.crt", "pki/ca.key", "pki/etcd/ca.crt", "pki/etcd/ca.key", "pki/front-proxy-ca.crt", "pki/front-proxy-ca.key", "pki/sa.key", "pki/sa.pub",
	}
	for _, then := range []time.Duration{340 * 24 * time.Hour, 3 * 365 * 24 * time.Hour} {
		l.Now = func() time.Time { return time.Now().Add(then) }
		changed := l.changes()
		for _, name := range trust {
			if changed[name] {
				t.Errorf("after %s: %s was replaced", then, name)
			}
		}
		for _, name := range []string{"c1/etc/kubernetes/pki/apiserver.crt", "w1/etc/kubernetes/kubelet.conf", "pki/admin.conf"} {
			if !changed[name] {
				t.Errorf("after %s: %s was not renewed", then, name)
			}
		}
	}
	l.Now = func() time.Time { return time.Now().Add(11 * 365 * 24 * time.Hour) }
	l.refused("ca.crt", "expired", "--purge") // which of them is found first is not determined
}

func TestLostAuthorityIsReplacedEverywhere(t *testing.T) {
	l := newLab(t)
	l.ensure()
	l.remove("pki/ca.crt")
	l.remove("pki/ca.key")
	changed := l.changes()
	for _, name := range []string{"c1/etc/kubernetes/pki/ca.crt", "w1/etc/kubernetes/pki/kubelet.crt", "w1/etc/kubernetes/kubelet.conf", "pki/admin.conf"} {
		if !changed[name] {
			t.Errorf("%s still rests on the lost authority", name)
		}
	}
	if changed["c1/etc/kubernetes/pki/etcd/server.crt"] {
		t.Error("etcd's certificates do not rest on it")
	}
}

func TestInterruptedFirstStart(t *testing.T) {
	l := newLab(t)
	l.ensure()
	key := string(l.read("pki/ca.key"))
	l.remove("pki/ca.crt")
	l.write("pki/.ca.crt.tmp", "torn")
	l.ensure()
	if string(l.read("pki/ca.key")) != key {
		t.Error("the key was replaced")
	}
	if _, err := os.Stat(l.path("pki/.ca.crt.tmp")); err == nil {
		t.Error("the torn file is left")
	}
}

func TestDamagedTrustIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*lab)
		words  []string
	}{
		"certificate": {func(l *lab) { l.write("pki/ca.crt", "garbage") }, []string{"pki/ca.crt", "--purge"}},
		"key":         {func(l *lab) { l.write("pki/etcd/ca.key", "garbage") }, []string{"pki/etcd/ca.key", "--purge"}},
		"key missing": {func(l *lab) { l.remove("pki/front-proxy-ca.key") }, []string{"pki/front-proxy-ca.key", "missing", "--purge"}},
		"key of another": {
			func(l *lab) { l.write("pki/ca.key", string(l.read("pki/etcd/ca.key"))) },
			[]string{"pki/ca.key", "does not belong", "--purge"},
		},
		"token key":        {func(l *lab) { l.write("pki/sa.key", "") }, []string{"pki/sa.key", "--purge"}},
		"not an authority": {func(l *lab) { l.write("pki/ca.crt", string(l.read("pki/etcd/admin.crt"))) }, []string{"pki/ca.crt"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.ensure()
			c.change(l)
			before := l.files()
			l.refused(c.words...)
			if !maps.Equal(before, l.files()) {
				t.Error("a refused start changed files")
			}
		})
	}
}

func TestLinksOfANodeLeadNowhere(t *testing.T) {
	l := newLab(t)
	l.ensure()
	outside := l.path("outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(l.path("w1" + below + "pki")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, l.path("w1"+below+"pki")); err != nil {
		t.Fatal(err)
	}
	l.refused("node w1", filepath.Join("w1", below, "pki"))
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("written outside the node: %v", entries)
	}
}

func TestConfigIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*lab)
		word   string
	}{
		"url":       {func(l *lab) { l.APIServerURL = "127.0.0.1:6443" }, "127.0.0.1:6443"},
		"service":   {func(l *lab) { l.ServiceIP = "10.96.0" }, "10.96.0"},
		"node":      {func(l *lab) { l.Nodes[0].IP = "" }, "c1"},
		"twice":     {func(l *lab) { l.Nodes[0].Name = "c2" }, "twice"},
		"directory": {func(l *lab) { l.Dir = "" }, "directory"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c.change(l)
			l.refused(c.word)
		})
	}
}

func TestCancelled(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	cancel(stop)
	if err := pki.Ensure(ctx, l.Config); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	l.ensure()
}

// A cold start of a 3+3 lab; ns/op is what boot waits for.
func BenchmarkCold(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		if err := pki.Ensure(b.Context(), config(filepath.Join(dir, strconv.Itoa(i)))); err != nil {
			b.Fatal(err)
		}
	}
}
