package spec

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// registryHost is what stands before the first slash of an image's name.
var registryHost = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

func (c *checker) checkRegistries() {
	registries := c.lab.Spec.Images.Registries
	for _, host := range slices.Sorted(maps.Keys(registries)) {
		p := registriesPath.child(host)
		if !registryHost.MatchString(host) {
			c.refuse(p, "write what image names begin with, such as registry.example:5000", "%q is no host of a registry", clip(host))
		}
		c.checkRegistry(p, registries[host])
	}
}

func (c *checker) checkRegistry(p path, r Registry) {
	plain := false
	if r.URL != "" {
		u, err := url.Parse(r.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !registryHost.MatchString(u.Host) || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
			c.refuse(p.child("url"), "write http://HOST:PORT or https://HOST:PORT", "%q is no address of a registry", clip(r.URL))
			return
		}
		plain = u.Scheme == "http"
	}
	if r.Insecure && plain {
		c.refuse(p.child("insecure"), "leave it out: http has no certificate", "insecure is for https, and the URL is %q", clip(r.URL))
	}
	if r.CA == "" {
		return
	}
	switch _, err := ParseCertificates(r.CA); {
	case err != nil:
		c.refuse(p.child("ca"), "write the PEM text of the authority's certificate: ca: | and below it, indented, -----BEGIN CERTIFICATE----- and so on", "%s", err.Error())
	case plain:
		c.refuse(p.child("ca"), "leave it out: http has no certificate", "a ca is for https, and the URL is %q", clip(r.URL))
	case r.Insecure:
		c.refuse(p.child("ca"), "leave out insecure, so that the certificate is checked", "a ca is of no use where the certificate is not checked")
	}
}

// ParseCertificates are the certificates in PEM text, of which there has to be one.
// Words between them are comments.
func ParseCertificates(text string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	rest := []byte(text)
	for len(strings.TrimSpace(string(rest))) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it has a %s, and should have certificates alone", strings.ToLower(block.Type))
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it: %w", len(out)+1, err)
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, errors.New("it has no certificate")
	}
	return out, nil
}
