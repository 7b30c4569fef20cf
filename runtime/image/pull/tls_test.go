package pull

import (
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"

	"workbench/runtime/image/imagetest/registry"
)

// TestCertificates asks a registry whose certificate no authority of the machine has
// signed.
func TestCertificates(t *testing.T) {
	m := image(t)
	handler := registry.New(t)
	registry.Push(t, handler, m, "team/app", "1")
	server := httptest.NewTLSServer(handler)
	defer server.Close()
	plain := httptest.NewServer(handler)
	defer plain.Close()
	ca := []*x509.Certificate{server.Certificate()}
	other := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for name, c := range map[string]struct {
		registry Registry
		want     []string // nothing where it is pulled
	}{
		"unknown authority":   {Registry{URL: server.URL}, []string{"signed by unknown authority", `spec.images.registries["registry.lab"].ca`}},
		"the right authority": {Registry{URL: server.URL, CA: ca}, nil},
		"not checked":         {Registry{URL: server.URL, Insecure: true}, nil},
		"another's name":      {Registry{URL: other, CA: ca}, []string{"certificate is valid for", "not localhost"}},
		"plain http":          {Registry{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, []string{"server gave HTTP response to HTTPS client", `spec.images.registries["registry.lab"].url`}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, map[string]Registry{"registry.lab": c.registry})
			_, err := n.pull(t, "registry.lab/team/app:1")
			if len(c.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			told := n.events()
			if len(told) == 0 {
				t.Fatal("the journal is told nothing")
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(told[len(told)-1].Error, want) {
					t.Errorf("containerd is told %v\nthe journal %s\nwant %q", err, told[len(told)-1].Error, want)
				}
			}
		})
	}
}
