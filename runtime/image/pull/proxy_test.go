package pull

import (
	"crypto/x509"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"workbench/runtime/image/imagetest/proxy"
	"workbench/runtime/image/imagetest/registry"
)

// TestProxy pulls through the proxies of the environment.
func TestProxy(t *testing.T) {
	m := image(t)
	handler := registry.New(t)
	registry.Push(t, handler, m, "team/app", "1")
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	f := &proxy.Forwarder{Plain: plain.Listener.Addr().String(), TLS: secure.Listener.Addr().String()}
	server := httptest.NewServer(f)
	defer server.Close()
	t.Setenv("HTTP_PROXY", server.URL)
	t.Setenv("HTTPS_PROXY", server.URL)
	t.Setenv("NO_PROXY", "direct.invalid")
	// The test server's certificate is for example.com, which is asked of nobody else.
	registries := map[string]Registry{
		"example.com": {CA: []*x509.Certificate{secure.Certificate()}}, "plain.invalid": {URL: "http://plain.invalid"}, "direct.invalid": {},
	}
	for _, host := range []string{"example.com", "plain.invalid"} {
		// Each with a cache of its own.
		if got, err := newNode(t, registries).pull(t, host+"/team/app:1"); err != nil || len(got) != len(m.Blobs) {
			t.Errorf("%s: %d blobs, %v", host, len(got), err)
		}
	}
	if _, err := newNode(t, registries).pull(t, "direct.invalid/team/app:1"); err == nil || !strings.Contains(err.Error(), "lookup direct.invalid") {
		t.Errorf("what NO_PROXY names: %v", err)
	}
	if want := []string{"CONNECT example.com:443", "GET plain.invalid", "HEAD plain.invalid"}; !slices.Equal(f.Asked(), want) {
		t.Errorf("the proxy was asked for %q, want %q", f.Asked(), want)
	}

	f.Wants = "Basic d2hvOnNlY3JldC13b3Jk" // who:secret-word
	refused := newNode(t, registries)
	if _, err := refused.pull(t, "example.com/team/app:1"); err == nil || !strings.Contains(err.Error(), "Proxy Authentication Required") {
		t.Errorf("a proxy that wants credentials: %v", err)
	}
	t.Setenv("HTTPS_PROXY", strings.Replace(server.URL, "//", "//who:secret-word@", 1))
	if _, err := newNode(t, registries).pull(t, "example.com/team/app:1"); err != nil {
		t.Errorf("with credentials: %v", err)
	}
	server.Close()
	down := newNode(t, registries)
	if _, err := down.pull(t, "example.com/team/app:1"); err == nil || !strings.Contains(err.Error(), "proxyconnect") || strings.Contains(err.Error(), "secret-word") {
		t.Errorf("a proxy that is down: %v", err)
	}
	for _, e := range down.events() {
		if strings.Contains(e.Error, "secret-word") {
			t.Errorf("the journal is told the proxy's credentials: %s", e.Error)
		}
	}
}
