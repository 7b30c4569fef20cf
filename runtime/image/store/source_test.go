package store

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workbench/runtime/image/imagetest"
)

// TestFromDocker asks what answers as a Docker daemon does, on a unix socket.
func TestFromDocker(t *testing.T) {
	p := newPool(t)
	archive := twoLayers(t, "").Docker(t)
	socket := filepath.Join(t.TempDir(), "docker.sock")
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	if _, err := OpenArchive(t.Context(), nil, "docker:app"); err == nil || !strings.Contains(err.Error(), "no Docker daemon answers at "+socket) {
		t.Errorf("without a daemon: %v", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/images/get" || r.URL.Query().Get("names") != "team/app:1" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"message":"No such image: other"}`)
			return
		}
		_, _ = w.Write(archive)
	})}
	go server.Serve(listener)
	defer server.Close()
	if _, err := OpenArchive(t.Context(), nil, "docker:other"); err == nil || !strings.Contains(err.Error(), "No such image: other") {
		t.Errorf("of an image that it does not have: %v", err)
	}
	r, err := OpenArchive(t.Context(), nil, "docker:team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if found, err := p.Import(t.Context(), r, ""); err != nil || len(found) != 1 {
		t.Errorf("found %+v, %v", found, err)
	}
	t.Setenv("DOCKER_HOST", "tcp://elsewhere:2375")
	if _, err := OpenArchive(t.Context(), nil, "docker:app"); err == nil || !strings.Contains(err.Error(), "docker save app") {
		t.Errorf("a daemon elsewhere: %v", err)
	}
}

func TestOtherSources(t *testing.T) {
	p := newPool(t)
	files := imagetest.Files(t, twoLayers(t, ""))
	dir := t.TempDir()
	for name, content := range files {
		place := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{dir, "-"} {
		r, err := OpenArchive(t.Context(), bytes.NewReader(imagetest.Layer(t, files)), from)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := p.Import(t.Context(), r, ""); err != nil || len(found) != 1 {
			t.Errorf("%s: found %+v, %v", from, found, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := OpenArchive(t.Context(), nil, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no OCI layout") {
		t.Errorf("a directory of something else: %v", err)
	}
}
