package store

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// SourceName is where images are from, in short.
func SourceName(from string) string {
	if from == "-" {
		return "standard input"
	}
	if strings.HasPrefix(from, dockerPrefix) {
		return from
	}
	return filepath.Base(from)
}

// OpenArchive opens what images are read from: a file, a directory with an OCI
// layout, "-" for standard input, or docker: and the name of an image that the Docker
// daemon of this machine has. It streams.
func OpenArchive(ctx context.Context, stdin io.Reader, from string) (io.ReadCloser, error) {
	if from == "-" {
		return io.NopCloser(stdin), nil
	}
	if name, ok := strings.CutPrefix(from, dockerPrefix); ok {
		return saveFromDocker(ctx, name)
	}
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.Open(from)
	}
	if _, err := os.Stat(filepath.Join(from, "oci-layout")); err != nil {
		return nil, fmt.Errorf("the directory is no OCI layout: %w", err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(packDirectory(w, from)) }() // ends with the reader
	return r, nil
}

// packDirectory writes a directory as a tar.
func packDirectory(w io.Writer, dir string) error {
	out := tar.NewWriter(w)
	return errors.Join(out.AddFS(os.DirFS(dir)), out.Close())
}

// dockerPrefix is in front of the name of an image that a Docker daemon has.
const dockerPrefix = "docker:"

// dockerSocket is where the daemon answers unless DOCKER_HOST says otherwise.
const dockerSocket = "/var/run/docker.sock"

// saveFromDocker asks the Docker daemon of this machine for an image, as docker
// save does.
func saveFromDocker(ctx context.Context, name string) (io.ReadCloser, error) {
	socket := dockerSocket
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		path, ok := strings.CutPrefix(host, "unix://")
		if !ok {
			return nil, fmt.Errorf("DOCKER_HOST=%s: only a unix socket can be asked; use: docker save %s | workbench image load -", host, name)
		}
		socket = path
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/images/get?"+url.Values{"names": {name}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no Docker daemon answers at %s; load an archive instead: workbench image load FILE", socket)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the Docker daemon at %s: %w", socket, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var refusal struct{ Message string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&refusal); err != nil || refusal.Message == "" {
		refusal.Message = resp.Status
	}
	return nil, fmt.Errorf("the Docker daemon says: %s", refusal.Message)
}
