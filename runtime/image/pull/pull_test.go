package pull

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/event"
	"workbench/runtime/image/imagetest"
	"workbench/runtime/image/imagetest/registry"
	"workbench/runtime/image/store"
)

// node is a lab with one node: a server, and what it told.
type node struct {
	*Server
	address string

	mu     sync.Mutex
	told   []event.ImagePull
	failed chan event.ImagePull
	// far is where to tell how far downloads are; nil for nowhere.
	far chan event.ImageProgress
	// unpack answers who wants a layer unpacked.
	unpack func(node string, want store.Pulled, blobs store.Blobs) error
}

func (n *node) events() []event.ImagePull {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]event.ImagePull{}, n.told...)
}

func newNode(t *testing.T, registries map[string]Registry) *node {
	t.Helper()
	return newNodeAt(t, registries, filepath.Join(t.TempDir(), "cache"))
}

// newNodeAt makes one with a cache, which may be another's.
func newNodeAt(t *testing.T, registries map[string]Registry, cache string) *node {
	t.Helper()
	n := &node{failed: make(chan event.ImagePull, 100)}
	var err error
	n.Server, err = New(Config{
		Cache: cache, CacheBytes: 1 << 30, Patience: time.Second, Token: "secret", Registries: registries,
		Blobs: func() []string { return nil },
		Local: func(string) (ocispec.Descriptor, bool) { return ocispec.Descriptor{}, false },
		Gone:  func(string, string) bool { return false },
		Unpack: func(_ context.Context, node string, want store.Pulled, blobs store.Blobs) error {
			return n.unpack(node, want, blobs)
		},
		InLab: func(netip.Addr) bool { return false },
		DialLab: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there is no lab")
		},
		Node: func(netip.Addr) string { return "w1" },
		Emit: func(b event.Body) {
			n.mu.Lock()
			defer n.mu.Unlock()
			switch b := b.(type) {
			case event.ImagePull:
				n.told = append(n.told, b)
				if b.Error != "" {
					n.failed <- b
				}
			case event.ImageProgress:
				select {
				case n.far <- b:
				default: // nobody wants to know
				}
			}
		},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- n.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	return n
}

// pull asks for an image as containerd does, and returns its blobs.
func (n *node) pull(t *testing.T, name string) (map[digest.Digest][]byte, error) {
	t.Helper()
	return n.pullAs(t, name, "", "")
}

// pullAs does so with credentials of a pod's.
func (n *node) pullAs(t *testing.T, name, user, password string) (map[digest.Digest][]byte, error) {
	t.Helper()
	authorizer := docker.NewDockerAuthorizer(docker.WithAuthCreds(func(string) (string, string, error) { return user, password, nil }))
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: func(string) ([]docker.RegistryHost, error) {
		return []docker.RegistryHost{{
			Client: &http.Client{}, Scheme: "http", Host: n.address, Path: "/v2", Authorizer: authorizer,
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve, Header: http.Header{TokenHeader: {"secret"}},
		}}, nil
	}})
	out := map[digest.Digest][]byte{}
	name, target, err := resolver.Resolve(t.Context(), name)
	if err != nil {
		return nil, err
	}
	fetcher, err := resolver.Fetcher(t.Context(), name)
	if err != nil {
		return nil, err
	}
	fetch := func(d ocispec.Descriptor) ([]byte, error) {
		body, err := fetcher.Fetch(t.Context(), d)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		raw, err := io.ReadAll(body)
		out[d.Digest] = raw
		return raw, err
	}
	raw, err := fetch(target)
	if err != nil {
		return nil, err
	}
	for _, d := range imagetest.Children(t, raw) {
		if _, err := fetch(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func image(t *testing.T) imagetest.Made {
	t.Helper()
	layer := imagetest.Layer(t, map[string]string{"file": strings.Repeat("content", 100_000)})
	return imagetest.Make(t, "app", "", ocispec.ImageConfig{}, [][]byte{layer}, []digest.Digest{digest.FromBytes(layer)})
}

// serve is a registry with an image, with something before it.
func serve(t *testing.T, m imagetest.Made, before func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(t)
	registry.Push(t, handler, m, "team/app", "1")
	server := httptest.NewServer(before(handler))
	t.Cleanup(server.Close)
	return server.URL
}

func as(next http.Handler) http.Handler { return next }

func TestPullIsDownloadedOnce(t *testing.T) {
	m := image(t)
	var blobs atomic.Int32
	where := serve(t, m, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				blobs.Add(1)
			}
			next.ServeHTTP(w, r)
		})
	})
	n := newNode(t, map[string]Registry{"registry.lab": {URL: where}})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			got, err := n.pull(t, "registry.lab/team/app:1")
			if err != nil {
				t.Error(err)
				return
			}
			for d, raw := range m.Blobs {
				if string(got[d]) != string(raw) {
					t.Errorf("%s has %d bytes, want %d", d, len(got[d]), len(raw))
				}
			}
		})
	}
	all.Wait()
	if got := blobs.Load(); got != 2 {
		t.Errorf("the registry was asked for blobs %d times, want once for each of 2", got)
	}
	for _, e := range n.events() {
		if e.Error != "" || e.Node != "w1" || e.Bytes == 0 {
			t.Errorf("told %+v", e)
		}
	}
}

// TestWhyAPullFails holds that containerd, and the journal, are told the reason that
// the registry or the network gave.
func TestWhyAPullFails(t *testing.T) {
	m := image(t)
	layer := m.Layers[0]
	wrong := func(path, body string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && strings.Contains(r.URL.Path, path) {
					w.Header().Set("Docker-Content-Digest", m.Manifest.Digest.String())
					w.Header().Set("Content-Type", m.Manifest.MediaType)
					_, _ = io.WriteString(w, body)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	status := func(code int) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) })
		}
	}
	slow := func(path string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, path) && r.Method == http.MethodGet {
					<-r.Context().Done()
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	damaged := []byte(string(m.Blobs[layer]))
	damaged[0] ^= 1
	manifest := []byte(string(m.Blobs[m.Manifest.Digest]))
	manifest[len(manifest)-2] = ' '
	for name, c := range map[string]struct {
		url   string
		image string
		want  []string
	}{
		"down":           {closed.URL, "team/app:1", []string{"connection refused"}},
		"no such host":   {"http://registry.invalid:5000", "team/app:1", []string{"lookup registry.invalid"}},
		"no such tag":    {serve(t, m, as), "team/app:2", []string{"not found"}},
		"wrong blob":     {serve(t, m, wrong("/blobs/"+layer.String(), string(damaged))), "team/app:1", []string{"digest mismatch", layer.String(), digest.FromBytes(damaged).String()}},
		"wrong manifest": {serve(t, m, wrong("/manifests/", string(manifest))), "team/app:1", []string{"digest mismatch", m.Manifest.Digest.String()}},
		"slow manifest":  {serve(t, m, slow("/manifests/")), "team/app:1", []string{"did not answer within 2s"}},
		"slow blob":      {serve(t, m, slow("/blobs/")), "team/app:1", []string{"sent nothing for 1s"}},
		"401":            {serve(t, m, status(http.StatusUnauthorized)), "team/app:1", []string{"authoriz"}},
		"403":            {serve(t, m, status(http.StatusForbidden)), "team/app:1", []string{"403"}},
		"500":            {serve(t, m, status(http.StatusInternalServerError)), "team/app:1", []string{"500"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, map[string]Registry{"registry.lab": {URL: c.url}})
			_, err := n.pull(t, "registry.lab/"+c.image)
			if err == nil {
				t.Fatal("it was pulled")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("containerd is told %v\nwant %q in it", err, want)
				}
			}
			if told := <-n.failed; told.Node != "w1" || !strings.HasPrefix(told.Image, "registry.lab/team/app") {
				t.Errorf("the journal is told %+v", told)
			}
			if left, _ := filepath.Glob(filepath.Join(n.cfg.Cache, "*", layer.Encoded())); len(left) > 0 && name == "wrong blob" {
				t.Error("what is wrong is in the cache")
			}
		})
	}
}

func TestPodsAreRefused(t *testing.T) {
	n := newNode(t, nil)
	resp, err := http.Get("http://" + n.address + "/v2/library/app/manifests/1?ns=docker.io")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if raw, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusForbidden || !strings.Contains(string(raw), "containerd of nodes alone") {
		t.Errorf("answered %s %q, %v", resp.Status, raw, err)
	}
	if told := n.events(); len(told) > 0 {
		t.Errorf("told %+v", told)
	}
}

// TestWrongEndIsHeldBack streams a blob whose last byte is wrong.
func TestWrongEndIsHeldBack(t *testing.T) {
	job := &download{size: 8}
	job.change = sync.NewCond(&job.mu)
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("12345678"); err != nil {
		t.Fatal(err)
	}
	job.file, job.has = f, 8
	if until, ok := job.more(t.Context(), 0); !ok || until != 7 {
		t.Errorf("handed on up to %d, %v; want all but the last byte", until, ok)
	}
	server := httptest.NewServer(http.HandlerFunc(job.stream))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	part := make([]byte, 7)
	if _, err := io.ReadFull(resp.Body, part); err != nil {
		t.Fatal(err)
	}
	job.set(func() { job.done, job.err = true, errors.New("digest mismatch") })
	if rest, err := io.ReadAll(resp.Body); err == nil || len(rest) > 0 {
		t.Errorf("then came %q, %v; want an end that is too early", rest, err)
	}
}

func TestCacheForgetsTheOldest(t *testing.T) {
	c, err := openCache(t.TempDir(), 25)
	if err != nil {
		t.Fatal(err)
	}
	var all []digest.Digest
	for _, text := range []string{"first.....", "second....", "third....."} {
		d := digest.FromString(text)
		all = append(all, d)
		if err := c.put(d, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for at, d := range all {
		f, err := c.open(d)
		if (err == nil) != (at > 0) {
			t.Errorf("blob %d: %v; want all but the first", at, err)
		}
		if err == nil {
			f.Close()
		}
	}
}
