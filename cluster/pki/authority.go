package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"
)

// How long what we sign is valid.
const (
	authorityValidity = 10 * 365 * 24 * time.Hour
	leafValidity      = 365 * 24 * time.Hour
	// renewBefore is how long before its end a leaf is made anew.
	renewBefore = 30 * 24 * time.Hour
	// backdate tolerates a machine clock that is set back a little after boot.
	backdate = 5 * time.Minute
)

// purgeRemedy is what to do about a lost root of trust.
const purgeRemedy = "restore it from a copy, or start over with 'workbench down --purge' (this deletes the lab's data)"

// authority is a certificate authority with its PEM forms.
type authority struct {
	cert    *x509.Certificate
	key     crypto.Signer
	certPEM []byte
	keyPEM  []byte
}

// trust is everything that other credentials rest on.
type trust struct {
	cluster, etcd, frontProxy *authority
	tokenKey, tokenPub        []byte // of service account tokens, PEM
}

// ensureTrust loads the authorities and the service account key, making those
// that never existed. They are made side by side: each waits for the disk.
func ensureTrust(ctx context.Context, lab *store, now time.Time) (*trust, error) {
	t := &trust{}
	group, ctx := errgroup.WithContext(ctx)
	for _, a := range []struct {
		name, commonName string
		into             **authority
	}{
		{"ca", "kubernetes", &t.cluster},
		{"etcd/ca", "etcd-ca", &t.etcd},
		{"front-proxy-ca", "front-proxy-ca", &t.frontProxy},
	} {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			*a.into, err = ensureAuthority(lab, a.name, a.commonName, now)
			return err
		})
	}
	group.Go(func() (err error) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.tokenKey, t.tokenPub, err = ensureTokenKey(lab)
		return err
	})
	return t, group.Wait()
}

// ensureTokenKey returns the key pair of service account tokens, PEM.
func ensureTokenKey(lab *store) (private, public []byte, err error) {
	key, private, err := ensureKey(lab, "sa.key")
	if err != nil {
		return nil, nil, err
	}
	if public, err = pkiutil.EncodePublicKeyPEM(key.Public()); err != nil {
		return nil, nil, fmt.Errorf("encode %s: %w", lab.path("sa.pub"), err)
	}
	return private, public, lab.putDurable("sa.pub", public, publicMode)
}

func ensureAuthority(lab *store, name, commonName string, now time.Time) (*authority, error) {
	certName, keyName := name+".crt", name+".key"
	certPEM, err := lab.read(certName)
	if err != nil {
		return nil, err
	}
	if certPEM != nil {
		return loadAuthority(lab, certName, keyName, certPEM, now)
	}
	// The key is written first: a key without a certificate is an interrupted
	// first start, and the same key carries on.
	a := &authority{}
	if a.key, a.keyPEM, err = ensureKey(lab, keyName); err != nil {
		return nil, err
	}
	a.cert, err = pkiutil.NewSelfSignedCACert(&pkiutil.CertConfig{
		Config:   certutil.Config{CommonName: commonName, NotBefore: now.Add(-backdate).UTC()},
		NotAfter: now.Add(authorityValidity).UTC(),
	}, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", lab.path(certName), err)
	}
	a.certPEM = pkiutil.EncodeCertPEM(a.cert)
	return a, lab.putDurable(certName, a.certPEM, publicMode)
}

func loadAuthority(lab *store, certName, keyName string, certPEM []byte, now time.Time) (*authority, error) {
	certs, err := certutil.ParseCertsPEM(certPEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority %s: %w; %s", lab.path(certName), err, purgeRemedy)
	}
	keyPEM, err := lab.read(keyName)
	if err != nil {
		return nil, err
	}
	if keyPEM == nil {
		return nil, fmt.Errorf("key %s of certificate authority %s is missing; %s", lab.path(keyName), lab.path(certName), purgeRemedy)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w; %s", lab.path(keyName), err, purgeRemedy)
	}
	a := &authority{cert: certs[0], key: key, certPEM: certPEM, keyPEM: keyPEM}
	switch {
	case !a.cert.IsCA:
		return nil, fmt.Errorf("%s is not a certificate authority; %s", lab.path(certName), purgeRemedy)
	case !samePublicKey(a.cert.PublicKey, key):
		return nil, fmt.Errorf("key %s does not belong to certificate %s; %s", lab.path(keyName), lab.path(certName), purgeRemedy)
	case now.After(a.cert.NotAfter):
		return nil, fmt.Errorf("certificate authority %s expired on %s; start over with 'workbench down --purge' (this deletes the lab's data)",
			lab.path(certName), a.cert.NotAfter.Format(time.DateOnly))
	}
	return a, lab.putDurable(keyName, keyPEM, secretMode)
}

// ensureKey loads a private key, or makes it durable before anything is signed
// with it.
func ensureKey(lab *store, name string) (crypto.Signer, []byte, error) {
	data, err := lab.read(name)
	if err != nil {
		return nil, nil, err
	}
	if data != nil {
		key, err := parseKey(data)
		if err != nil {
			return nil, nil, fmt.Errorf("read key %s: %w; %s", lab.path(name), err, purgeRemedy)
		}
		return key, data, lab.putDurable(name, data, secretMode)
	}
	key, data, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make key %s: %w", lab.path(name), err)
	}
	return key, data, lab.putDurable(name, data, secretMode)
}

func newKey() (crypto.Signer, []byte, error) {
	key, err := pkiutil.NewPrivateKey(kubeadmapi.EncryptionAlgorithmECDSAP256)
	if err != nil {
		return nil, nil, err
	}
	data, err := keyutil.MarshalPrivateKeyToPEM(key)
	return key, data, err
}

func parseKey(data []byte) (crypto.Signer, error) {
	parsed, err := keyutil.ParsePrivateKeyPEM(data)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", parsed)
	}
	return key, nil
}

func samePublicKey(public crypto.PublicKey, key crypto.Signer) bool {
	p, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && p.Equal(key.Public())
}
