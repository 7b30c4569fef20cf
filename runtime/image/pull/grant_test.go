package pull

import (
	"encoding/json"
	"fmt"
	"net/http"
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
