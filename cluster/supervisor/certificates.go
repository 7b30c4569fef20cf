package supervisor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/pki"
	"workbench/cluster/plan"
)

// expiry is the certificates of a node.
func (s *Supervisor) expiry(node string) pki.Expiry {
	return pki.Expiry{Dir: s.place.PKI(), Root: s.place.Root(node), Keep: s.place.Kept(node)}
}

// reconcileCertificates makes the files of a node follow; what runs follows when
// it starts anew, see reconcileComponent.
func (s *Supervisor) reconcileCertificates(n plan.Node, d fault.Desired) error {
	x := s.expiry(n.Name)
	var errs []error
	for _, c := range n.Components {
		switch want := d.Component(n.Name + "/" + c.Name).Expired; {
		case want == x.Expired(c.Name):
		case want:
			errs = append(errs, x.Expire(c.Name))
		default:
			errs = append(errs, x.Restore(c.Name))
		}
	}
	return errors.Join(errs...)
}

// withOriginals lets do see the certificates as no fault has them, and replaces
// those again that faults want expired. What a fault of an earlier run had
// replaced is whole from then on.
func (s *Supervisor) withOriginals(do func() error) error {
	s.faults.turn.Lock()
	defer s.faults.turn.Unlock()
	for _, n := range s.current().Nodes {
		kept, err := s.expiry(n.Name).Kept()
		if err != nil {
			return err
		}
		for _, component := range kept {
			if err := s.expiry(n.Name).Restore(component); err != nil {
				return fmt.Errorf("restore certificates of %s: %w", n.Name, err)
			}
		}
	}
	if err := do(); err != nil {
		return err
	}
	d := s.faults.desired()
	var errs []error
	for _, n := range s.current().Nodes {
		errs = append(errs, s.reconcileCertificates(n, d))
	}
	return errors.Join(errs...)
}

// asStarted is what a node's components have in force when they start.
func (s *Supervisor) asStarted(n plan.Node) map[string]fault.ComponentCondition {
	out := map[string]fault.ComponentCondition{}
	for _, c := range n.Components {
		if s.expiry(n.Name).Expired(c.Name) {
			out[c.Name] = fault.ComponentCondition{Expired: true}
		}
	}
	return out
}

// presenting bounds one attempt to see a certificate refused.
const presenting = 2 * time.Second

// verifyExpired looks at how those fare to whom a component shows its certificate.
func (s *Supervisor) verifyExpired(ctx context.Context, node, component string) (finding, bool) {
	ctx, cancel := context.WithTimeout(ctx, presenting)
	defer cancel()
	n, err := s.planned(node)
	if err != nil {
		return inconclusive("%v", err), true
	}
	port := map[string]uint16{"etcd": plan.EtcdPeerPort, "kube-apiserver": plan.APIServerPort, "kubelet": plan.KubeletPort}[component]
	if port == 0 {
		return s.verifyRefused(ctx, n, component)
	}
	ca := "ca.crt"
	if component == "etcd" {
		ca = "etcd/ca.crt"
	}
	f, done := s.verifyHandshake(ctx, netip.AddrPortFrom(n.Address, port), ca)
	if component == "kube-apiserver" && f.verdict == event.FaultInconclusive && s.faults.desired().Component(node+"/etcd").Expired {
		return covered("it does not serve: the member of etcd beside it is cut off"), true
	}
	if component == "kubelet" && done && f.verdict != "" {
		more, _ := s.verifyRefused(ctx, n, component)
		f.text += "; " + more.text
		if more.verdict != f.verdict {
			f.verdict, done = more.verdict, false
		}
	}
	return f, done
}

// verifyHandshake speaks TLS to an address as its clients do.
func (s *Supervisor) verifyHandshake(ctx context.Context, at netip.AddrPort, ca string) (finding, bool) {
	address := at.String()
	raw, err := os.ReadFile(filepath.Join(s.place.PKI(), ca))
	if err != nil {
		return inconclusive("read authority: %v", err), true
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	conn, err := s.labNet.DialContext(ctx, "tcp", address)
	if err != nil {
		return inconclusive("%v", err), false
	}
	defer conn.Close()
	err = tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: at.Addr().String(), MinVersion: tls.VersionTLS12}).HandshakeContext(ctx)
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return landed("TLS handshake with %s: %v", address, err), true
	case err != nil:
		return inconclusive("TLS handshake with %s: %v", address, err), false
	}
	return mismatch("a TLS handshake with %s succeeds", address), false
}

// verifyRefused asks the API who a component is, with its own kubeconfig. The
// API's own certificate is not looked at: another fault may be of that.
func (s *Supervisor) verifyRefused(ctx context.Context, n plan.Node, component string) (finding, bool) {
	file := pki.Kubeconfig(component)
	cfg, err := clientcmd.BuildConfigFromFlags("https://"+s.current().Topology.APIAddress, filepath.Join(s.place.Root(n.Name), file))
	if err != nil {
		return inconclusive("read /%s: %v", file, err), true
	}
	cfg.Insecure, cfg.CAData, cfg.Timeout = true, nil, presenting
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return inconclusive("read /%s: %v", file, err), true
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Host+"/api/v1/nodes/"+n.Name, nil)
	if err != nil {
		return inconclusive("%v", err), true
	}
	response, err := client.Do(request)
	if err != nil {
		return inconclusive("the API does not answer: %v", err), false
	}
	defer response.Body.Close()
	text := fmt.Sprintf("with /%s the API answers %s", file, response.Status)
	if response.StatusCode != http.StatusUnauthorized {
		return mismatch("%s", text), false
	}
	return landed("%s", text), true
}
