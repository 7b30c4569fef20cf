package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/event"
)

// maxManifest bounds a manifest, in bytes; registries refuse more than 4 MiB.
const maxManifest = 8 << 20

// serveManifest answers with a manifest: of the lab's own images, or the registry's,
// which is asked whether who asks may have it also where it is in the cache.
func (s *Server) serveManifest(w http.ResponseWriter, r *http.Request, req request) {
	began := time.Now()
	if s.cfg.Gone(req.node, req.name()) {
		err := &failure{http.StatusNotFound, errors.New("gone: a fault takes the image from the node")}
		s.tell(req, 0, began, err)
		refuse(w, r, err)
		return
	}
	if target, ok := s.cfg.Local(req.name()); ok {
		if raw, err := s.local(target.Digest); err == nil {
			writeManifest(w, r, target.MediaType, target.Digest, raw)
			return
		}
	}
	if d, err := digest.Parse(req.reference); err == nil && (s.own(d) || s.granted.has(req, d)) {
		if raw, err := s.local(d); err == nil {
			s.called.learn(req, d, raw)
			writeManifest(w, r, mediaType(raw), d, raw)
			return
		}
	}
	stop := s.tellProgress(func() event.ImageProgress {
		return event.ImageProgress{Nodes: []string{req.node}, Image: req.name(), Of: s.called.of(req), Part: req.part()}
	})
	target, raw, err := s.fetchManifest(r, req)
	stop()
	if err != nil && r.Context().Err() != nil {
		s.tell(req, 0, began, fmt.Errorf("%s asks for it no more", req.node))
		return
	}
	if d, derr := digest.Parse(req.reference); err != nil && derr == nil && s.vouched(req, d, err) {
		if raw, err := s.local(d); err == nil {
			s.vouchFor(req, d, raw)
			writeManifest(w, r, mediaType(raw), d, raw)
			return
		}
	}
	if err != nil {
		s.fail(w, r, req, began, s.explain(r, req, err))
		return
	}
	s.grant(req, target.Digest)
	s.called.learn(req, target.Digest, raw)
	s.tell(req, int64(len(raw)), began, nil)
	writeManifest(w, r, target.MediaType, target.Digest, raw)
}

// statusOf is the status that says an error to a node.
func statusOf(err error) int {
	var f *failure
	if errors.As(err, &f) {
		return f.status
	}
	return http.StatusBadGateway
}

// challenge asks for the credentials that the registry wants.
func challenge(w http.ResponseWriter, req request, err error) {
	if statusOf(err) == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", req.registry))
	}
}

func writeManifest(w http.ResponseWriter, r *http.Request, kind string, d digest.Digest, raw []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(raw)
	}
}

// local is a small blob that is there already.
func (s *Server) local(d digest.Digest) ([]byte, error) {
	f, err := s.open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("%s is no manifest", d)
	}
	return raw, err
}

// open opens a blob that is there already.
func (s *Server) open(d digest.Digest) (*os.File, error) {
	if f, err := s.cache.open(d); err == nil {
		return f, nil
	}
	return s.openOwn(d)
}

// openOwn opens a blob of an image that comes with the lab or was loaded into it:
// these are for all.
func (s *Server) openOwn(d digest.Digest) (*os.File, error) {
	for _, dir := range s.cfg.Blobs() {
		if f, err := os.Open(blobPath(dir, d)); err == nil {
			return f, nil
		}
	}
	return nil, os.ErrNotExist
}

func (s *Server) own(d digest.Digest) bool {
	f, err := s.openOwn(d)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// fetchManifest asks the registry what a name stands for, and for the manifest.
func (s *Server) fetchManifest(r *http.Request, req request) (ocispec.Descriptor, []byte, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*s.cfg.Patience)
	defer cancel()
	resolver := s.upstream(r, req.registry)
	name, target, err := resolver.Resolve(ctx, req.name())
	if err != nil {
		return target, nil, err
	}
	if raw, err := s.local(target.Digest); err == nil {
		return target, raw, nil // by tag, and the same as before
	}
	fetcher, err := resolver.Fetcher(ctx, name)
	if err != nil {
		return target, nil, err
	}
	body, err := fetcher.Fetch(ctx, target)
	if err != nil {
		return target, nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, maxManifest+1))
	if err != nil {
		return target, nil, fmt.Errorf("read manifest: %w", err)
	}
	if len(raw) > maxManifest {
		return target, nil, errors.New("the manifest has more than 8 MiB")
	}
	if err := mismatch("manifest", target.Digest, target.Digest.Algorithm().FromBytes(raw)); err != nil {
		return target, nil, err
	}
	return target, raw, s.cache.put(target.Digest, raw)
}

// mismatch says that a registry serves something else under a digest.
func mismatch(kind string, want, got digest.Digest) error {
	if want == got {
		return nil
	}
	return fmt.Errorf("digest mismatch: it serves %s under the digest of %s %s", got, kind, want)
}

// mediaType is that of a manifest or an index.
func mediaType(raw []byte) string {
	var m struct {
		MediaType string            `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &m); err == nil && m.MediaType != "" && (images.IsManifestType(m.MediaType) || images.IsIndexType(m.MediaType)) {
		return m.MediaType
	}
	if len(m.Manifests) > 0 {
		return ocispec.MediaTypeImageIndex
	}
	return ocispec.MediaTypeImageManifest
}
