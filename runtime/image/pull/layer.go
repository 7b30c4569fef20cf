package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"workbench/runtime/image/store"
)

// layerPath is where a node's containerd asks for a layer to be unpacked, and linked
// into its new snapshot.
const layerPath = "/workbench/layer"

// maxRequest bounds such a request, in bytes: an image has at most 127 layers.
const maxRequest = 1 << 20

// Blob opens a packed layer that is there already, in the cache or in an image of the
// lab. Its content is that of its digest.
func (s *Server) Blob(d digest.Digest) (*os.File, error) {
	f, err := s.open(d)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("layer %s is not in the cache: %w", d, err)
	}
	return f, err
}

// serveLayer unpacks a layer for a node that has pulled it.
func (s *Server) serveLayer(w http.ResponseWriter, r *http.Request, node string) {
	var want store.Pulled
	if err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(&want); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !s.begin() {
		http.Error(w, "the lab goes down", http.StatusServiceUnavailable)
		return
	}
	defer s.work.Done()
	switch err := s.cfg.Unpack(r.Context(), node, want, s.Blob); {
	case errors.Is(err, store.ErrUnshared):
		s.cfg.Log.Warn("a node unpacks a layer for itself", "node", node, "cause", err)
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case err != nil:
		s.cfg.Log.Warn("unpack a layer", "node", node, "cause", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// begin counts one more piece of work that Close waits for, unless that was called.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.background.Err() != nil {
		return false
	}
	s.work.Add(1)
	return true
}

// Layers asks a Server for layers, from a node.
type Layers struct {
	url, token string
	client     http.Client
}

// NewLayers asks the server at a URL with the token of nodes.
func NewLayers(url, token string) *Layers {
	// A layer may take long, but somebody has to be there.
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: dialTimeout, Interval: dialTimeout, Count: 3}}
	return &Layers{url: url + layerPath, token: token, client: http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, IdleConnTimeout: 10 * time.Second}}}
}

// Ask has a layer linked into the node. It returns store.ErrUnshared where nothing was
// written.
func (l *Layers) Ask(ctx context.Context, want store.Pulled) error {
	raw, err := json.Marshal(want)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set(TokenHeader, l.token)
	resp, err := l.client.Do(req)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return fmt.Errorf("%w: %w", store.ErrUnshared, err)
		}
		return fmt.Errorf("have a layer unpacked: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxRequest))
	if err != nil {
		return fmt.Errorf("have a layer unpacked: %w", err)
	}
	why := strings.TrimSpace(string(said))
	if resp.StatusCode == http.StatusUnprocessableEntity {
		return fmt.Errorf("%w: %s", store.ErrUnshared, strings.TrimPrefix(why, store.ErrUnshared.Error()+": "))
	}
	return fmt.Errorf("have a layer unpacked: %s: %s", resp.Status, why)
}
