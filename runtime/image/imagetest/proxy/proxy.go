// Package proxy is an HTTP proxy for tests.
package proxy

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Forwarder is an HTTP proxy that sends all connections to one of two addresses, and
// notes what it was asked for.
type Forwarder struct {
	// Plain and TLS are host:port of who answers in place of everybody.
	Plain, TLS string
	// Wants is the header Proxy-Authorization that has to come; "" for none.
	Wants string

	mu    sync.Mutex
	asked []string
}

// ServeHTTP implements http.Handler.
func (f *Forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.Host)
	f.mu.Unlock()
	if f.Wants != "" && r.Header.Get("Proxy-Authorization") != f.Wants {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		f.tunnel(w)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI, out.URL.Host = "", f.Plain
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func (f *Forwarder) tunnel(w http.ResponseWriter) {
	to, err := net.Dial("tcp", f.TLS)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}()
	_, _ = io.Copy(to, from)
	_ = to.Close()
	<-back
}

// Asked are the methods and hosts that it was asked for, sorted, each once.
func (f *Forwarder) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.asked)
	slices.Sort(out)
	return slices.Compact(out)
}
