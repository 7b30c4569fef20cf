package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	certutil "k8s.io/client-go/util/cert"
)

// How long ago a certificate expired that is made to have expired, and for how
// long it was valid before.
const (
	expiredAgo = time.Hour
	wasValid   = 24 * time.Hour
)

// ofComponent are the files below etc/kubernetes by which a component shows who
// it is, to its clients or its servers. Files with an ending are kubeconfigs, the
// others pairs; what a component uses to speak to one other only is left out.
func ofComponent(component string) []string {
	switch component {
	case "etcd":
		return []string{"pki/etcd/peer.crt", "pki/etcd/server.crt"}
	case "kube-apiserver":
		return []string{"pki/apiserver.crt"}
	case "kube-controller-manager":
		return []string{"controller-manager.conf", "pki/controller-manager.crt"}
	case "cloud-controller-manager":
		return []string{"cloud-controller-manager.conf", "pki/cloud-controller-manager.crt"}
	case "kube-scheduler":
		return []string{"scheduler.conf", "pki/scheduler.crt"}
	case "kubelet":
		return []string{"kubelet.conf", "pki/kubelet.crt"}
	case "kube-proxy":
		return []string{"kube-proxy.conf"}
	}
	return nil
}

// Kubeconfig is the kubeconfig of a component below a node's root; "" when it
// has none.
func Kubeconfig(component string) string {
	for _, name := range ofComponent(component) {
		if filepath.Ext(name) == ".conf" {
			return filepath.Join("etc", "kubernetes", name)
		}
	}
	return ""
}

// Expiry replaces certificates of one node's components, and puts them back.
type Expiry struct {
	// Dir is the lab's own directory, with its authorities.
	Dir string
	// Root is the node's root directory on the host.
	Root string
	// Keep holds the originals, by component, while they are replaced.
	Keep string
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// Expired tells whether the certificates of a component have been replaced.
func (x Expiry) Expired(component string) bool {
	_, err := os.Stat(filepath.Join(x.Keep, component))
	return err == nil
}

// Expire replaces the certificates of a component by ones that expired an hour
// ago: of the same authority, key and names. The originals are kept first, so
// whatever ends it midway, Restore brings them back.
func (x Expiry) Expire(component string) error {
	names := ofComponent(component)
	if len(names) == 0 {
		return fmt.Errorf("%s has no certificate of its own", component)
	}
	return x.open(component, func(node, keep *store) error {
		lab, err := openStore(x.Dir, ".", 0o700)
		if err != nil {
			return err
		}
		defer lab.Close()
		for _, name := range names {
			original, err := keep.read(name)
			if err == nil && original == nil {
				if original, err = node.read(name); err == nil && original == nil {
					err = fmt.Errorf("%s is missing", node.path(name))
				}
				if err == nil {
					err = keep.putDurable(name, original, secretMode)
				}
			}
			if err != nil {
				return err
			}
			data, err := x.expire(lab, name, original)
			if err != nil {
				return fmt.Errorf("%s: %w", node.path(name), err)
			}
			if err := node.put(name, data, modeOf(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Restore puts the original certificates of a component back, byte for byte.
func (x Expiry) Restore(component string) error {
	if !x.Expired(component) {
		return nil
	}
	err := x.open(component, func(node, keep *store) error {
		for _, name := range ofComponent(component) {
			original, err := keep.read(name)
			if err != nil {
				return err
			}
			if original == nil {
				continue // it ended before this one was replaced
			}
			if err := node.putDurable(name, original, modeOf(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(x.Keep, component)); err != nil {
		return fmt.Errorf("forget the kept certificates of %s: %w", component, err)
	}
	return nil
}

// Kept are the components whose certificates are replaced, sorted.
func (x Expiry) Kept() ([]string, error) {
	entries, err := os.ReadDir(x.Keep)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list kept certificates: %w", err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	slices.Sort(out)
	return out, nil
}

func (x Expiry) open(component string, do func(node, keep *store) error) error {
	node, err := openStore(x.Root, filepath.Join("etc", "kubernetes"), 0o755)
	if err != nil {
		return err
	}
	defer node.Close()
	keep, err := openStore(filepath.Join(x.Keep, component), ".", 0o700)
	if err != nil {
		return err
	}
	defer keep.Close()
	return do(node, keep)
}

func modeOf(name string) fs.FileMode {
	if filepath.Ext(name) == ".conf" {
		return secretMode
	}
	return publicMode
}

// expire is the file with its certificate replaced by an expired one, the rest
// of it as it was.
func (x Expiry) expire(lab *store, name string, original []byte) ([]byte, error) {
	now := time.Now
	if x.Now != nil {
		now = x.Now
	}
	if filepath.Ext(name) != ".conf" {
		return reissue(lab, original, now())
	}
	old, encoded, err := embedded(original)
	if err != nil {
		return nil, err
	}
	cert, err := reissue(lab, old, now())
	if err != nil {
		return nil, err
	}
	return bytes.Replace(original, encoded, []byte(base64.StdEncoding.EncodeToString(cert)), 1), nil
}

// embedded is the client certificate in a kubeconfig, and as it is written there.
func embedded(kubeconfig []byte) (cert, encoded []byte, err error) {
	const field = "client-certificate-data: "
	for line := range bytes.Lines(kubeconfig) {
		if _, value, ok := bytes.Cut(line, []byte(field)); ok {
			encoded = bytes.TrimSpace(value)
			cert, err = base64.StdEncoding.DecodeString(string(encoded))
			return cert, encoded, err
		}
	}
	return nil, nil, errors.New("no client certificate is embedded")
}

// reissue signs a certificate again, by whichever authority of the lab it is of,
// with a validity that is over.
func reissue(lab *store, old []byte, now time.Time) ([]byte, error) {
	certs, err := certutil.ParseCertsPEM(old)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	cert := certs[0]
	for _, name := range []string{"ca", "etcd/ca"} {
		raw, err := lab.read(name + ".crt")
		if err != nil || raw == nil {
			return nil, fmt.Errorf("read certificate authority %s: %w", lab.path(name+".crt"), errors.Join(err, fs.ErrNotExist))
		}
		ca, err := loadAuthority(lab, name+".crt", name+".key", raw, now)
		if err != nil {
			return nil, err
		}
		if cert.CheckSignatureFrom(ca.cert) != nil {
			continue
		}
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
		if err != nil {
			return nil, fmt.Errorf("number the certificate: %w", err)
		}
		again := *cert
		again.SerialNumber = serial.Add(serial, big.NewInt(1))
		again.NotAfter = now.Add(-expiredAgo).UTC()
		again.NotBefore = again.NotAfter.Add(-wasValid)
		der, err := x509.CreateCertificate(rand.Reader, &again, ca.cert, cert.PublicKey, ca.key)
		if err != nil {
			return nil, fmt.Errorf("sign the certificate: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
	}
	return nil, errors.New("no authority of the lab signed it")
}
