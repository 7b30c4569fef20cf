package pki

import (
	"context"
	"crypto/x509"
	"io/fs"
	"net"
	"net/url"
	"time"
)

// The groups and the address of kubernetes that credentials name.
const (
	masters = "system:masters" // authorised for everything, without a binding
	nodes   = "system:nodes"   // what the Node authorizer asks for
	// nodeServer is where every node finds the API: its own API server, or the
	// node's balancer.
	nodeServer = "https://127.0.0.1:6443"
)

// signer picks an authority.
type signer func(*trust) *authority

func clusterCA(t *trust) *authority    { return t.cluster }
func etcdCA(t *trust) *authority       { return t.etcd }
func frontProxyCA(t *trust) *authority { return t.frontProxy }

// layout says which files a directory must hold.
type layout struct {
	copies      []copied
	leaves      []signed
	kubeconfigs []configured
}

type copied struct {
	name string
	mode fs.FileMode
	data func(*trust) []byte
}

type signed struct {
	name string // without .crt and .key
	by   signer
	leaf leaf
}

type configured struct {
	name   string
	config access
	leaf   leaf
}

// MetricsServer is the certificate with which metrics-server serves in its pod:
// without .crt and .key, in the lab's own directory.
const MetricsServer = "metrics-server"

// labLayout is what the lab keeps for itself, besides the authorities.
func labLayout(cfg *Config) layout {
	name := cfg.clusterName()
	// One name for cluster, user and context: so they merge into, and vanish
	// from, a user's kubeconfig together.
	config := access{cluster: name, user: name, context: name, server: cfg.APIServerURL}
	return layout{
		leaves: []signed{
			{"etcd/admin", etcdCA, client("workbench-etcd-admin", "")},
			{MetricsServer, clusterCA, serving("metrics-server", "", []string{
				"metrics-server.kube-system.svc", "metrics-server.kube-system.svc." + cfg.Domain,
			}, nil)},
		},
		kubeconfigs: []configured{
			{"admin.conf", config, client("kubernetes-admin", masters)},
			{"supervisor.conf", config, client("workbench-supervisor", masters)},
		},
	}
}

// controlPlaneLayout mirrors kubeadm's: cmd/kubeadm/app/phases/certs/certlist.go.
func controlPlaneLayout(cfg *Config, n Node) layout {
	names := []string{n.Name, "localhost"}
	ips := []string{"127.0.0.1", "::1", n.IP}
	service := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + cfg.Domain}
	apiserver := serving("kube-apiserver", "", append(service, names...), append([]string{cfg.ServiceIP}, ips...))
	apiserver.reachedAt(cfg.APIServerURL)
	member := serving(n.Name, "", names, ips)
	member.usages = append(member.usages, x509.ExtKeyUsageClientAuth)
	return layout{
		copies: []copied{
			{"pki/ca.crt", publicMode, func(t *trust) []byte { return t.cluster.certPEM }},
			{"pki/ca.key", secretMode, func(t *trust) []byte { return t.cluster.keyPEM }},
			{"pki/sa.key", secretMode, func(t *trust) []byte { return t.tokenKey }},
			{"pki/sa.pub", publicMode, func(t *trust) []byte { return t.tokenPub }},
			{"pki/front-proxy-ca.crt", publicMode, func(t *trust) []byte { return t.frontProxy.certPEM }},
			{"pki/etcd/ca.crt", publicMode, func(t *trust) []byte { return t.etcd.certPEM }},
		},
		leaves: []signed{
			{"pki/apiserver", clusterCA, apiserver},
			// Without these three each would make itself an RSA key at every start.
			{"pki/controller-manager", clusterCA, serving("kube-controller-manager", "", names, ips)},
			{"pki/cloud-controller-manager", clusterCA, serving("cloud-controller-manager", "", names, ips)},
			{"pki/scheduler", clusterCA, serving("kube-scheduler", "", names, ips)},
			{"pki/apiserver-kubelet-client", clusterCA, client("kube-apiserver-kubelet-client", masters)},
			{"pki/front-proxy-client", frontProxyCA, client("front-proxy-client", "")},
			{"pki/apiserver-etcd-client", etcdCA, client("kube-apiserver-etcd-client", "")},
			{"pki/etcd/server", etcdCA, member},
			{"pki/etcd/peer", etcdCA, member},
			{"pki/etcd/healthcheck-client", etcdCA, client("kube-etcd-healthcheck-client", "")},
		},
		kubeconfigs: []configured{
			component(cfg, "controller-manager.conf", client("system:kube-controller-manager", "")),
			component(cfg, "scheduler.conf", client("system:kube-scheduler", "")),
			component(cfg, "cloud-controller-manager.conf", client("system:cloud-controller-manager", masters)),
		},
	}
}

// workerLayout is what kubelet and kube-proxy need.
func workerLayout(cfg *Config, n Node) layout {
	return layout{
		copies: []copied{{"pki/ca.crt", publicMode, func(t *trust) []byte { return t.cluster.certPEM }}},
		leaves: []signed{
			{"pki/kubelet", clusterCA, serving("system:node:"+n.Name, nodes, []string{n.Name}, []string{n.IP, "127.0.0.1"})},
		},
		kubeconfigs: []configured{
			component(cfg, "kubelet.conf", client("system:node:"+n.Name, nodes)),
			component(cfg, "kube-proxy.conf", client("system:kube-proxy", "")),
		},
	}
}

func component(cfg *Config, file string, l leaf) configured {
	return configured{file, access{
		cluster: cfg.clusterName(),
		user:    l.commonName,
		context: l.commonName + "@" + cfg.clusterName(),
		server:  nodeServer,
	}, l}
}

func serving(commonName, organization string, dns, ips []string) leaf {
	return leaf{commonName, organization, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, dns, ips}
}

// reachedAt adds the host of a URL to the names served.
func (l *leaf) reachedAt(address string) {
	u, err := url.Parse(address)
	if err != nil {
		return // validate refused it already
	}
	if host := u.Hostname(); net.ParseIP(host) != nil {
		l.ips = append(l.ips, host)
	} else {
		l.dns = append(l.dns, host)
	}
}

// ensure makes the files of the layout that are not right yet. Keys come before
// certificates: an interrupted pair does not fit and is made anew.
func (l layout) ensure(ctx context.Context, s *store, t *trust, now time.Time) error {
	for _, c := range l.copies {
		if err := s.put(c.name, c.data(t), c.mode); err != nil {
			return err
		}
	}
	for _, c := range l.leaves {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.ensure(s, c.by(t), now); err != nil {
			return err
		}
	}
	for _, c := range l.kubeconfigs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.ensure(s, t.cluster, now); err != nil {
			return err
		}
	}
	return nil
}

func (c signed) ensure(s *store, ca *authority, now time.Time) error {
	var old pair
	var err error
	if old.cert, err = s.read(c.name + ".crt"); err != nil {
		return err
	}
	if old.key, err = s.read(c.name + ".key"); err != nil {
		return err
	}
	p, err := c.leaf.ensure(old, ca, now)
	if err != nil {
		return err
	}
	if err := s.put(c.name+".key", p.key, secretMode); err != nil {
		return err
	}
	return s.put(c.name+".crt", p.cert, publicMode)
}

func (c configured) ensure(s *store, ca *authority, now time.Time) error {
	old, err := s.read(c.name)
	if err != nil {
		return err
	}
	p, err := c.leaf.ensure(c.config.credentials(old), ca, now)
	if err != nil {
		return err
	}
	data, err := c.config.encode(ca, p)
	if err != nil {
		return err
	}
	return s.put(c.name, data, secretMode)
}
