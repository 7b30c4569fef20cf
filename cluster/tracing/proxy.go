package tracing

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"

	"workbench/cluster/event"
)

// proxy is a way to the API on the loopback: it passes requests on as they are,
// but for a traceparent that says that they are a part of the trace, and measures
// them. Who knows its token may use it, and it lives as long as the command.
type proxy struct {
	trace  string
	token  string
	server *http.Server
	kube   []byte // the kubeconfig that leads to it

	mu    sync.Mutex
	spans []event.TraceSpan
}

// maxKept bounds the spans that wait to be told.
const maxKept = 400

// newProxy listens in front of the API that a kubeconfig leads to.
func newProxy(trace, kubeconfig string) (*proxy, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	secure, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	target, err := url.Parse(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	own, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(own, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, fmt.Errorf("listen for the command's requests: %w", err)
	}
	p := &proxy{trace: trace, token: rand.Text()}
	// HTTP/1.1 alone, so that exec, attach and port-forward can take connections over.
	transport := &http.Transport{TLSClientConfig: secure, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, MaxIdleConnsPerHost: 16}
	p.server = &http.Server{Handler: p.handler(target, transport), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(discard{}, "", 0)}
	if p.kube, err = kubeconfigFor("https://"+listener.Addr().String(), own, p.token); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	go func() { _ = p.server.Serve(listener) }() // until close
	return p, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func (p *proxy) close() { _ = p.server.Close() }

func kubeconfigFor(server string, ca []byte, token string) ([]byte, error) {
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters["workbench"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	cfg.AuthInfos["trace"] = &clientcmdapi.AuthInfo{Token: token}
	cfg.Contexts["trace"] = &clientcmdapi.Context{Cluster: "workbench", AuthInfo: "trace"}
	cfg.CurrentContext = "trace"
	return clientcmd.Write(*cfg)
}

// seen is what the answer of a request told.
type seen struct {
	audit string
	code  int
	err   error
}

type seenKey struct{}

func (p *proxy) handler(target *url.URL, transport http.RoundTripper) http.Handler {
	forward := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorLog: log.New(discard{}, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			s := resp.Request.Context().Value(seenKey{}).(*seen)
			s.audit, s.code = resp.Header.Get("Audit-Id"), resp.StatusCode
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			r.Context().Value(seenKey{}).(*seen).err = err
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+p.token)) != 1 {
			http.Error(w, "not the traced command", http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		id := newID(8)
		r.Header.Set("Traceparent", "00-"+p.trace+"-"+id+"-01")
		s := &seen{}
		began := time.Now()
		// A takeover of the connection ends by a panic of the server's own.
		defer func() { p.note(id, r, began, s) }()
		forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), seenKey{}, s)))
	})
}

// note keeps the span of a request that ended.
func (p *proxy) note(id string, r *http.Request, began time.Time, s *seen) {
	span := event.TraceSpan{Trace: p.trace, ID: id, Name: r.Method + " " + r.URL.Path, Kind: "client", Start: began, Took: time.Since(began)}
	switch {
	case s.err != nil:
		span.Error = s.err.Error()
	case s.code > 0:
		span.Name += fmt.Sprint(" ", s.code)
		if s.code >= 400 && (s.code != http.StatusNotFound || r.Method != http.MethodGet) {
			span.Error = http.StatusText(s.code)
		}
	}
	if s.audit != "" {
		span.Attrs = map[string]string{event.SpanAuditID: s.audit}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spans) < maxKept {
		p.spans = append(p.spans, span)
	}
}

// take gives away what was noted since the last time.
func (p *proxy) take() []event.TraceSpan {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.spans
	p.spans = nil
	return out
}

// newID is n random bytes in hex.
func newID(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}
