package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// who stands for the credentials of a request, so that they need not be kept.
func who(r *http.Request) string {
	user, secret, ok := r.BasicAuth()
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(user + "\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// grantFor is how long a registry's word holds that someone may have something: as
// long as tokens of registries do, or longer than what lies between the requests of
// one pull.
const grantFor = 5 * time.Minute

// maxGrants bounds those that are remembered.
const maxGrants = 10_000

// grants are what registries serve to whom. The cache is for all pods, but what is
// in it may have been pulled with the credentials of one: another gets it when its
// registry, and by the same repository, would serve it to that one as well.
type grants struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func grantKey(r request, d digest.Digest) string {
	return r.registry + "/" + r.repository + "@" + d.String() + " " + r.who
}

// add remembers that a registry served a blob or manifest to who asks.
func (g *grants) add(r request, d digest.Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until == nil || len(g.until) >= maxGrants {
		g.until = map[string]time.Time{} // registries are asked again
	}
	g.until[grantKey(r, d)] = time.Now().Add(grantFor)
}

// has says that the registry's word holds still.
func (g *grants) has(r request, d digest.Digest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.until[grantKey(r, d)])
}

// authorise asks the registry of a blob whether it would serve it to who asks. One
// that is away cannot take back what it served to all.
func (s *Server) authorise(r *http.Request, req request, d digest.Digest) error {
	ctx, cancel := context.WithTimeout(r.Context(), 2*s.cfg.Patience)
	defer cancel()
	_, _, err := s.upstream(r, req.registry).Resolve(ctx, req.name())
	if err == nil {
		s.grant(req, d)
		return nil
	}
	if r.Context().Err() == nil && s.vouched(req, d, err) {
		s.granted.add(req, d)
		return nil
	}
	return s.explain(r, req, err)
}
