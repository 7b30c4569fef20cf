package pull

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// publicDir is where the cache notes, by the digest of a manifest or blob, in which
// repositories a registry served it to who had no credentials.
const publicDir = "public"

func (c *cache) publicPath(r request, d digest.Digest) string {
	return filepath.Join(blobPath(filepath.Join(c.dir, publicDir), d), digest.FromString(r.registry+"/"+r.repository).Encoded())
}

// public says that a registry once served something to everybody.
func (c *cache) public(r request, d digest.Digest) bool {
	_, err := os.Lstat(c.publicPath(r, d))
	return err == nil
}

// publish notes that a registry serves something to everybody, or no more.
func (c *cache) publish(r request, d digest.Digest, to bool) error {
	note := c.publicPath(r, d)
	if !to {
		if err := os.Remove(note); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if c.public(r, d) {
		return nil
	}
	return errors.Join(os.MkdirAll(filepath.Dir(note), 0o700), os.WriteFile(note, nil, 0o600))
}

// grant remembers that a registry serves something to who asks.
func (s *Server) grant(r request, d digest.Digest) {
	s.granted.add(r, d)
	if r.who == "" {
		s.publish(r, d, true)
	}
}

func (s *Server) publish(r request, d digest.Digest, to bool) {
	if err := s.cache.publish(r, d, to); err != nil {
		s.cfg.Log.Warn("note who may have an image", "image", r.name(), "cause", err)
	}
}

// vouched says whether who asks may have something from the cache though its registry
// did not say so: where it gave no answer, and once served that to everybody. An
// answer is remembered.
func (s *Server) vouched(r request, d digest.Digest, err error) bool {
	if !silent(err) {
		if r.who == "" && refusal(err) {
			s.publish(r, d, false)
		}
		return false
	}
	if !s.cache.public(r, d) {
		return false
	}
	s.cfg.Log.Warn("a registry does not answer: what it served to all is taken from the cache", "image", r.name(), "cause", err)
	return true
}

// vouchFor remembers of a manifest, whose registry is away, that who asks may have
// it, and what it names of that everybody might: a pull waits for the registry once.
func (s *Server) vouchFor(r request, d digest.Digest, raw []byte) {
	s.granted.add(r, d)
	for _, part := range partsOf(raw) {
		if s.cache.public(r, part) {
			s.granted.add(r, part)
		}
	}
	s.called.learn(r, d, raw)
}

// silent says that an error is none that a registry answered with: nobody was there,
// or it could not.
func silent(err error) bool {
	var (
		status      remoteerrors.ErrUnexpectedStatus
		certificate *tls.CertificateVerificationError
		network     *net.OpError
		name        *net.DNSError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &status):
		return status.StatusCode >= http.StatusInternalServerError || status.StatusCode == http.StatusTooManyRequests
	case errors.As(err, &certificate), errors.Is(err, http.ErrSchemeMismatch):
		return false // somebody was
	case errors.As(err, &network), errors.As(err, &name), errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}

// refusal says that an error is a registry's no.
func refusal(err error) bool {
	var status remoteerrors.ErrUnexpectedStatus
	return errdefs.IsNotFound(err) || unauthorised(err) || errors.As(err, &status) && (status.StatusCode == http.StatusForbidden || status.StatusCode == http.StatusNotFound)
}
