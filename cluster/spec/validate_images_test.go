package spec

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

// authority is the certificate of one, as PEM text.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}

func TestRegistriesAreChecked(t *testing.T) {
	pem := authority(t)
	key := strings.ReplaceAll(pem, "CERTIFICATE", "PRIVATE KEY")
	file := func(more, ca string) string {
		return minimal(Kind) + "spec:\n  images:\n    registries:\n      registry.lab:5000:\n" + more + "        ca: |\n          " + strings.ReplaceAll(strings.TrimSpace(ca), "\n", "\n          ") + "\n"
	}
	for name, c := range map[string]struct{ file, want string }{
		"one":             {file("", pem), ""},
		"two, and words":  {file("", "# of the class\n"+pem+"# of the school\n"+pem), ""},
		"with an address": {file("        url: https://10.10.0.101:5001\n", pem), ""},
		"no certificate":  {file("", "hello"), `spec.images.registries["registry.lab:5000"].ca: it has no certificate; write the PEM text`},
		"a key":           {file("", key), "it has a private key, and should have certificates alone"},
		"damaged":         {file("", strings.Replace(pem, "\nMII", "\nAAA", 1)), "certificate 1 in it: "},
		"plain http":      {file("        url: http://10.10.0.101:5001\n", pem), "leave it out: http has no certificate"},
		"not checked":     {file("        insecure: true\n", pem), "a ca is of no use where the certificate is not checked; leave out insecure"},
	} {
		lab, err := Load("lab.yaml", strings.NewReader(c.file))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		case err == nil:
			if found, err := ParseCertificates(lab.Spec.Images.Registries["registry.lab:5000"].CA); err != nil || len(found) != strings.Count(c.file, "BEGIN CERT") {
				t.Errorf("%s: %d certificates, %v", name, len(found), err)
			}
		}
	}
}
