package pki

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"
)

// leaf says what a certificate must be.
type leaf struct {
	commonName   string
	organization string // or ""
	usages       []x509.ExtKeyUsage
	dns          []string
	ips          []string
}

func client(commonName, organization string) leaf {
	return leaf{commonName: commonName, organization: organization, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// pair is a certificate and its key, PEM.
type pair struct{ cert, key []byte }

// ensure returns old when it is what l asks for, or else a new pair.
func (l leaf) ensure(old pair, ca *authority, now time.Time) (pair, error) {
	if l.fits(old, ca, now) {
		return old, nil
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return pair{}, fmt.Errorf("make key of %s: %w", l.commonName, err)
	}
	notAfter := now.Add(leafValidity)
	if notAfter.After(ca.cert.NotAfter) {
		notAfter = ca.cert.NotAfter
	}
	cfg := &pkiutil.CertConfig{
		Config: certutil.Config{
			CommonName: l.commonName,
			AltNames:   certutil.AltNames{DNSNames: slices.Clone(l.dns), IPs: l.addresses()},
			Usages:     l.usages,
			NotBefore:  now.Add(-backdate).UTC(),
		},
		NotAfter: notAfter.UTC(),
	}
	if l.organization != "" {
		cfg.Organization = []string{l.organization}
	}
	cert, err := pkiutil.NewSignedCert(cfg, key, ca.cert, ca.key, false)
	if err != nil {
		return pair{}, fmt.Errorf("sign certificate of %s: %w", l.commonName, err)
	}
	return pair{cert: pkiutil.EncodeCertPEM(cert), key: keyPEM}, nil
}

// fits tells whether p is what l asks for, signed by ca and valid for long enough.
func (l leaf) fits(p pair, ca *authority, now time.Time) bool {
	certs, err := certutil.ParseCertsPEM(p.cert)
	if err != nil || len(certs) != 1 {
		return false
	}
	key, err := parseKey(p.key)
	if err != nil {
		return false
	}
	cert := certs[0]
	var organization []string
	if l.organization != "" {
		organization = []string{l.organization}
	}
	return samePublicKey(cert.PublicKey, key) &&
		cert.Subject.CommonName == l.commonName &&
		slices.Equal(cert.Subject.Organization, organization) &&
		slices.Equal(cert.ExtKeyUsage, l.usages) &&
		sameSet(cert.DNSNames, l.dns) &&
		sameSet(texts(cert.IPAddresses), texts(l.addresses())) &&
		!now.Before(cert.NotBefore) && now.Add(renewBefore).Before(cert.NotAfter) &&
		cert.CheckSignatureFrom(ca.cert) == nil
}

func (l leaf) addresses() []net.IP {
	ips := make([]net.IP, 0, len(l.ips))
	for _, ip := range l.ips {
		ips = append(ips, net.ParseIP(ip))
	}
	return ips
}

func texts(ips []net.IP) []string {
	s := make([]string, 0, len(ips))
	for _, ip := range ips {
		s = append(s, ip.String())
	}
	return s
}

// sameSet compares without regard to order and repetition.
func sameSet(a, b []string) bool {
	sorted := func(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
	return slices.Equal(sorted(a), sorted(b))
}
