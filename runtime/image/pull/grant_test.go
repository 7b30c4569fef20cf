package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/runtime/image/imagetest"
	"workbench/runtime/image/imagetest/registry"
)

const (
	user     = "student"
	password = "c0rrect-horse"
)

// private is a registry with an image in two repositories that only a user may have;
// downloads counts what was served of blobs.
func private(t *testing.T, m imagetest.Made, guard func(testing.TB, http.Handler, string, string) http.Handler) (where string, downloads *atomic.Int32) {
	t.Helper()
	downloads = &atomic.Int32{}
	return serve(t, m, func(next http.Handler) http.Handler {
		other := imagetest.Layer(t, map[string]string{"other": "content"})
		registry.Push(t, next, imagetest.Make(t, "other", "", ocispec.ImageConfig{}, [][]byte{other}, []digest.Digest{digest.FromBytes(other)}), "team/other", "1")
		counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				downloads.Add(1)
			}
			next.ServeHTTP(w, r)
		})
		return guard(t, counting, user, password)
	}), downloads
}

// TestCredentials pulls a private image with the credentials of one pod, and then
// wants it with those of others, from the cache and not.
func TestCredentials(t *testing.T) {
	for kind, guard := range map[string]func(testing.TB, http.Handler, string, string) http.Handler{"basic": registry.Basic, "token": registry.Token} {
		t.Run(kind, func(t *testing.T) {
			m := image(t)
			where, downloads := private(t, m, guard)
			n := newNode(t, map[string]Registry{"registry.lab": {URL: where}})
			byTag, byDigest := "registry.lab/team/app:1", "registry.lab/team/app@"+m.Manifest.Digest.String()
			refused := func(when string) {
				t.Helper()
				for _, name := range []string{byTag, byDigest} {
					if _, err := n.pull(t, name); err == nil || !strings.Contains(err.Error(), "authoriz") {
						t.Errorf("%s, %s without credentials: %v", when, name, err)
					}
					if _, err := n.pullAs(t, name, user, "wrong"); err == nil || !strings.Contains(err.Error(), "401") {
						t.Errorf("%s, %s with wrong credentials: %v", when, name, err)
					}
				}
				for d := range m.Blobs {
					if code := n.get(t, "/v2/team/app/blobs/"+d.String(), "", ""); code != http.StatusUnauthorized {
						t.Errorf("%s, blob %s without credentials: %d", when, d, code)
					}
				}
			}
			refused("before")
			for _, name := range []string{byTag, byTag, byDigest} {
				got, err := n.pullAs(t, name, user, password)
				if err != nil {
					t.Fatal(err)
				}
				for d, raw := range m.Blobs {
					if string(got[d]) != string(raw) {
						t.Errorf("%s has %d bytes, want %d", d, len(got[d]), len(raw))
					}
				}
			}
			if got := downloads.Load(); got != 2 {
				t.Errorf("the registry was asked for blobs %d times, want once for each of 2", got)
			}
			refused("after")
			// Who may have one repository of a registry has no other's by it.
			if code := n.get(t, "/v2/team/other/blobs/"+m.Layers[0].String(), user, password); code != http.StatusNotFound {
				t.Errorf("a blob by a repository that does not have it: %d", code)
			}
			if raw, err := json.Marshal(n.events()); err != nil || strings.Contains(string(raw), password) || strings.Contains(string(raw), user) {
				t.Errorf("the journal is told the credentials, or %v: %s", err, raw)
			}
		})
	}
}

// get asks for a path as a node does and returns the status.
func (n *node) get(t *testing.T, path, user, password string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s%s?ns=registry.lab", n.address, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(TokenHeader, "secret")
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestGrantsEnd holds that a registry's word is for one part, one repository and one
// who asks.
func TestGrantsEnd(t *testing.T) {
	var g grants
	r := request{registry: "registry.lab", repository: "team/app", who: "one"}
	m := image(t)
	g.add(r, m.Config)
	other, elsewhere := r, r
	other.who, elsewhere.repository = "another", "team/other"
	if !g.has(r, m.Config) || g.has(r, m.Layers[0]) || g.has(other, m.Config) || g.has(elsewhere, m.Config) {
		t.Error("granted to another, or of another")
	}
	for at := range maxGrants {
		other.who = fmt.Sprint(at)
		g.add(other, m.Config)
	}
	if len(g.until) > maxGrants {
		t.Errorf("%d are remembered", len(g.until))
	}
}

// TestAwayRegistry pulls from registries that are away after all went well once: what
// they served to all is had by digest, and nothing else.
func TestAwayRegistry(t *testing.T) {
	m := image(t)
	open := httptest.NewServer(func() http.Handler {
		h := registry.New(t)
		registry.Push(t, h, m, "team/app", "1")
		return h
	}())
	where, _ := private(t, m, registry.Basic)
	var closed atomic.Bool
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if closed.Load() {
			http.Error(w, "the storage is away", http.StatusServiceUnavailable)
			return
		}
		u, err := url.Parse(where)
		if err != nil {
			t.Error(err)
		}
		httputil.NewSingleHostReverseProxy(u).ServeHTTP(w, r)
	}))
	t.Cleanup(guarded.Close)
	registries := map[string]Registry{"registry.lab": {URL: open.URL}, "private.lab": {URL: guarded.URL}}
	n := newNode(t, registries)
	byDigest := "registry.lab/team/app@" + m.Manifest.Digest.String()
	private := "private.lab/team/app@" + m.Manifest.Digest.String()
	if _, err := n.pull(t, "registry.lab/team/app:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.pullAs(t, private, user, password); err != nil {
		t.Fatal(err)
	}
	open.Close()
	closed.Store(true)

	// The registry's word of before holds for some minutes: another server has none.
	again := newNodeAt(t, registries, n.cfg.Cache)
	got, err := again.pull(t, byDigest)
	if err != nil {
		t.Fatal(err)
	}
	for d, raw := range m.Blobs {
		if string(got[d]) != string(raw) {
			t.Errorf("%s has %d bytes, want %d", d, len(got[d]), len(raw))
		}
	}
	for _, name := range []string{"registry.lab/team/app:1", "registry.lab/team/other@" + m.Manifest.Digest.String()} {
		if _, err := again.pull(t, name); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, who := range []string{"", user} {
		if _, err := again.pullAs(t, private, who, password); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("%s, as %q: %v", private, who, err)
		}
	}
	if code := again.get(t, "/v2/team/other/blobs/"+m.Layers[0].String(), "", ""); code != http.StatusBadGateway {
		t.Errorf("a blob by another repository: %d", code)
	}
}

// TestTakenBack makes private what was public: the registry's word counts, also once
// it is away.
func TestTakenBack(t *testing.T) {
	m := image(t)
	var guarded atomic.Bool
	where := serve(t, m, func(next http.Handler) http.Handler {
		basic := registry.Basic(t, next, user, password)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if guarded.Load() {
				basic.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	registries := map[string]Registry{"registry.lab": {URL: where}}
	n := newNode(t, registries)
	name := "registry.lab/team/app@" + m.Manifest.Digest.String()
	if _, err := n.pull(t, name); err != nil {
		t.Fatal(err)
	}
	guarded.Store(true)
	if _, err := newNodeAt(t, registries, n.cfg.Cache).pull(t, name); err == nil || !strings.Contains(err.Error(), "authoriz") {
		t.Errorf("of a registry that wants credentials now: %v", err)
	}
	away := map[string]Registry{"registry.lab": {URL: "http://registry.invalid:5000"}}
	if _, err := newNodeAt(t, away, n.cfg.Cache).pull(t, name); err == nil || !strings.Contains(err.Error(), "lookup registry.invalid") {
		t.Errorf("of one that wanted credentials, and is away: %v", err)
	}
}

// TestNotesGoWithTheBlob trims a cache of which notes say who may have what.
func TestNotesGoWithTheBlob(t *testing.T) {
	c, err := openCache(t.TempDir(), 15)
	if err != nil {
		t.Fatal(err)
	}
	r := request{registry: "registry.lab", repository: "team/app"}
	first, second := digest.FromString("first....."), digest.FromString("second....")
	for d, text := range map[digest.Digest]string{first: "first.....", second: "second...."} {
		if err := c.publish(r, d, true); err != nil {
			t.Fatal(err)
		}
		if !c.public(r, d) || c.public(request{registry: "registry.lab", repository: "team/other"}, d) {
			t.Errorf("of %s it is not known who may have it", text)
		}
	}
	for _, text := range []string{"first.....", "second...."} {
		if err := c.put(digest.FromString(text), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if c.has(first) || c.public(r, first) || !c.public(r, second) {
		t.Errorf("first: there %v, noted %v; second: noted %v", c.has(first), c.public(r, first), c.public(r, second))
	}
	if err := errors.Join(c.publish(r, second, false), c.publish(r, second, false)); err != nil || c.public(r, second) {
		t.Errorf("taken back: %v, noted %v", err, c.public(r, second))
	}
}
