// Package registry is a registry for tests: that of
// github.com/distribution/distribution, in this process and in memory.
package registry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // where it keeps images
	"github.com/sirupsen/logrus"

	"workbench/runtime/image/imagetest"
)

// New is an empty registry.
func New(t testing.TB) http.Handler {
	t.Helper()
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.HTTP.Secret = "of a test"
	config.Catalog.MaxEntries = 100
	return handlers.NewApp(t.Context(), config)
}

// Push pushes an image into a registry.
func Push(t testing.TB, registry http.Handler, m imagetest.Made, repository, tag string) {
	t.Helper()
	server := httptest.NewServer(registry)
	defer server.Close()
	for d, raw := range m.Blobs {
		if d == m.Manifest.Digest {
			continue
		}
		begun := send(t, http.MethodPost, server.URL+"/v2/"+repository+"/blobs/uploads/", "", nil, http.StatusAccepted)
		location, err := url.Parse(begun.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		query := location.Query()
		query.Set("digest", d.String())
		location.RawQuery = query.Encode()
		send(t, http.MethodPut, location.String(), "application/octet-stream", raw, http.StatusCreated)
	}
	send(t, http.MethodPut, server.URL+"/v2/"+repository+"/manifests/"+tag, m.Manifest.MediaType, m.Blobs[m.Manifest.Digest], http.StatusCreated)
}

func send(t testing.TB, method, where, kind string, body []byte, want int) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, where, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %s: %s, %v", method, where, resp.Status, raw, err)
	}
	return resp.Header
}
