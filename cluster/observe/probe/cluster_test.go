package probe

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// cluster is an API server behind an in-memory network, so that a test can run in
// a synctest bubble, where time passes only when everything waits.
type cluster struct {
	t      *testing.T
	server *http.Server
	dialed chan net.Conn
	closed chan struct{}

	mu      sync.Mutex
	state   state
	exists  map[string]bool // objects, by path
	beats   []string        // what was written
	dials   int
	reads   []string // query of each read
	flights map[string]int
}

type state int

const (
	healthy state = iota
	refusing
	hanging
	hangingWrites
	overloaded // answers 503 and says to come back in a minute
	closing    // closes connections instead of answering
)

func newCluster(t *testing.T) *cluster {
	c := &cluster{
		t: t, dialed: make(chan net.Conn), closed: make(chan struct{}),
		exists: map[string]bool{"/api/v1/namespaces/kube-system": true}, flights: map[string]int{},
	}
	c.server = &http.Server{Handler: c, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = c.server.Serve(c) })
	t.Cleanup(func() {
		_ = c.server.Close()
		serving.Wait()
	})
	return c
}

func (c *cluster) rest() *rest.Config {
	return &rest.Config{Host: "http://cluster", Dial: c.dial, WrapTransport: func(next http.RoundTripper) http.RoundTripper {
		return flight{c, next}
	}}
}

// flight checks that no target has two requests on the way.
type flight struct {
	c    *cluster
	next http.RoundTripper
}

func (f flight) RoundTrip(r *http.Request) (*http.Response, error) {
	target := Write
	if r.Method == http.MethodGet {
		target = Read
	}
	if n := f.count(target, 1); n > 1 {
		f.c.t.Errorf("%s has %d requests at once", target, n)
	}
	defer f.count(target, -1)
	return f.next.RoundTrip(r)
}

func (f flight) count(target string, n int) int {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.c.flights[target] += n
	return f.c.flights[target]
}

func (c *cluster) become(s state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}

func (c *cluster) dialCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dials
}

func (c *cluster) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c.mu.Lock()
	refused := c.state == refusing
	c.dials++
	c.mu.Unlock()
	if refused {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	select {
	case c.dialed <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr implement net.Listener.
func (c *cluster) Accept() (net.Conn, error) {
	select {
	case conn := <-c.dialed:
		return conn, nil
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

func (c *cluster) Close() error {
	close(c.closed)
	return nil
}

func (c *cluster) Addr() net.Addr { return &net.UnixAddr{Name: "cluster"} }

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	now := c.state
	c.mu.Unlock()
	if now == hangingWrites && r.Method != http.MethodGet {
		now = hanging
	}
	switch now {
	case hanging:
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case overloaded:
		w.Header().Set("Retry-After", "60")
		c.status(w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "etcd has no leader")
	case closing:
		panic(http.ErrAbortHandler)
	default:
		c.answer(w, r)
	}
}

func (c *cluster) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
		c.reads = append(c.reads, r.URL.RawQuery)
		c.object(w, r.URL.Path)
	case http.MethodPost:
		var o metav1.PartialObjectMetadata
		if err := json.Unmarshal(body, &o); err != nil {
			c.t.Errorf("posted %q: %v", body, err)
		}
		name := r.URL.Path + "/" + o.Name
		if in, ok := strings.CutSuffix(r.URL.Path, "/configmaps"); ok && !c.exists[in] {
			c.t.Errorf("posted %s before its namespace", name)
		}
		if c.exists[name] {
			c.status(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, "")
			return
		}
		c.exists[name] = true
		c.object(w, name)
	case http.MethodPatch:
		if c.exists[r.URL.Path] {
			c.beats = append(c.beats, string(body))
		}
		c.object(w, r.URL.Path)
	default:
		c.t.Errorf("%s %s", r.Method, r.URL)
	}
}

func (c *cluster) object(w http.ResponseWriter, path string) {
	if !c.exists[path] {
		c.status(w, http.StatusNotFound, metav1.StatusReasonNotFound, "")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"kind":"ConfigMap","apiVersion":"v1"}`)
}

func (c *cluster) status(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: message,
	})
}
