package tracing

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"workbench/cluster/event"
)

// TestProxyMarksAndMeasuresRequests asks an API through the proxy, as the command
// does and as a stranger does.
func TestProxyMarksAndMeasuresRequests(t *testing.T) {
	var parents []string
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parents = append(parents, r.Header.Get("Traceparent"))
		if r.Header.Get("Authorization") != "" {
			t.Error("the proxy's own token went on to the API")
		}
		w.Header().Set("Audit-Id", "a1")
		if r.Method == http.MethodPost {
			http.Error(w, "no", http.StatusConflict)
		}
	}))
	defer api.Close()
	const trace = "0123456789abcdef0123456789abcdef"
	p, err := newProxy(trace, kubeconfigOf(t, api))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	cfg, err := clientcmd.RESTConfigFromKubeConfig(p.kube)
	if err != nil {
		t.Fatal(err)
	}
	own, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		req, err := http.NewRequestWithContext(t.Context(), method, cfg.Host+"/api/v1/pods?fieldSelector=secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := own.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	cfg.BearerToken = "another"
	stranger, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := stranger.Get(cfg.Host + "/api")
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger got %s", resp.Status)
	}
	p.close()
	var spans []event.TraceSpan
	for len(spans) < 2 {
		spans = append(spans, p.take()...)
	}
	if len(spans) != 2 || len(parents) != 2 {
		t.Fatalf("%d spans of %d requests", len(spans), len(parents))
	}
	for i, want := range []struct{ name, err string }{{"GET /api/v1/pods 200", ""}, {"POST /api/v1/pods 409", "Conflict"}} {
		s := spans[i]
		if s.Name != want.name || s.Error != want.err || s.Trace != trace || s.Attrs[event.SpanAuditID] != "a1" || s.Took <= 0 {
			t.Errorf("span %+v, want %v", s, want)
		}
		if parents[i] != "00-"+trace+"-"+s.ID+"-01" || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(s.ID) {
			t.Errorf("traceparent %q of span %s", parents[i], s.ID)
		}
	}
}

// kubeconfigOf leads to a server without credentials.
func kubeconfigOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	cfg := clientcmdapi.NewConfig()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	cfg.Clusters["x"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: cert}
	cfg.Contexts["x"] = &clientcmdapi.Context{Cluster: "x"}
	cfg.CurrentContext = "x"
	raw, err := clientcmd.Write(*cfg)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRedactKeepsNoSecret looks at command lines that have one.
func TestRedactKeepsNoSecret(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"kubectl apply -n shop -f x.yaml", "kubectl apply -n shop -f x.yaml"},
		{"/usr/bin/kubectl create secret generic x --from-literal=pw=abc", "kubectl create secret generic x --from-literal=…"},
		{"kubectl create secret generic x --from-literal pw=abc", "kubectl create secret generic x --from-literal …"},
		{"kubectl --token abc get pods", "kubectl --token … get pods"},
		{"kubectl set env deploy/web PASSWORD=abc --replicas=2", "kubectl set env deploy/web PASSWORD=… --replicas=2"},
	} {
		if got := Redact(strings.Fields(c.line)); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}
