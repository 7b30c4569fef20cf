package pki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"workbench/cluster/fault"
	"workbench/cluster/pki"
)

// TestExpire replaces the certificates of every component, and puts them back.
func TestExpire(t *testing.T) {
	l := newLab(t)
	l.ensure()
	for _, component := range []string{"containerd", "api-balancer"} {
		x := pki.Expiry{Dir: l.Dir, Root: filepath.Join(l.dir, "w1"), Keep: filepath.Join(l.dir, "kept", "w1")}
		if err := x.Expire(component); err == nil || fault.Certified(component) {
			t.Errorf("%s: expire: %v; a fault finds certificates: %v", component, err, fault.Certified(component))
		}
	}
	for target, files := range map[string][]string{
		"c1/etcd":                     {"pki/etcd/peer.crt", "pki/etcd/server.crt"},
		"c1/kube-apiserver":           {"pki/apiserver.crt"},
		"c1/kube-controller-manager":  {"controller-manager.conf", "pki/controller-manager.crt"},
		"c1/kube-scheduler":           {"scheduler.conf", "pki/scheduler.crt"},
		"c1/cloud-controller-manager": {"cloud-controller-manager.conf", "pki/cloud-controller-manager.crt"},
		"w1/kubelet":                  {"kubelet.conf", "pki/kubelet.crt"},
		"w1/kube-proxy":               {"kube-proxy.conf"},
	} {
		node, component, _ := strings.Cut(target, "/")
		if !fault.Certified(component) {
			t.Errorf("no fault finds the certificates of %s", component)
		}
		x := pki.Expiry{Dir: l.Dir, Root: filepath.Join(l.dir, node), Keep: filepath.Join(l.dir, "kept", node)}
		before := map[string][]byte{}
		for _, f := range files {
			before[f] = content(t, x.Root, f)
		}
		for range 2 { // again changes nothing for the originals
			if err := x.Expire(component); err != nil {
				t.Fatalf("%s: %v", target, err)
			}
		}
		if kept, err := x.Kept(); err != nil || !x.Expired(component) || len(kept) == 0 {
			t.Errorf("%s: kept are %q, %v", target, kept, err)
		}
		for _, f := range files {
			old, now := certificate(t, before[f]), certificate(t, content(t, x.Root, f))
			if age := time.Now().Sub(now.NotAfter); age.Hours() < 0.9 || age.Hours() > 1.1 {
				t.Errorf("%s: %s expired %v ago", target, f, age)
			}
			if now.Subject.String() != old.Subject.String() || !bytes.Equal(now.RawSubjectPublicKeyInfo, old.RawSubjectPublicKeyInfo) ||
				!bytes.Equal(now.AuthorityKeyId, old.AuthorityKeyId) || strings.Join(now.DNSNames, " ") != strings.Join(old.DNSNames, " ") {
				t.Errorf("%s: %s is not for the same: %v", target, f, now.Subject)
			}
		}
		if err := x.Restore(component); err != nil || x.Expired(component) {
			t.Errorf("%s: restore: %v, expired %v", target, err, x.Expired(component))
		}
		for _, f := range files {
			if !bytes.Equal(content(t, x.Root, f), before[f]) {
				t.Errorf("%s: %s is not as it was", target, f)
			}
		}
	}
	x := pki.Expiry{Dir: l.Dir, Root: filepath.Join(l.dir, "w1"), Keep: filepath.Join(l.dir, "kept", "w1")}
	if err := x.Expire("containerd"); err == nil || x.Expired("containerd") {
		t.Errorf("containerd has no certificate, but: %v", err)
	}
}

func content(t *testing.T, root, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "etc/kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// certificate is the one in a PEM file or in a kubeconfig.
func certificate(t *testing.T, raw []byte) *x509.Certificate {
	t.Helper()
	if cfg, err := clientcmd.Load(raw); err == nil && len(cfg.AuthInfos) > 0 {
		for _, user := range cfg.AuthInfos {
			raw = user.ClientCertificateData
		}
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		t.Fatalf("no certificate in %q", raw)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
