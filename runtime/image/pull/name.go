package pull

import (
	"encoding/json"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// maxNames bounds the digests whose image is remembered.
const maxNames = 20_000

// names say to which image, by its name, a digest belongs that a node asks for: it
// asks for a tag first, and then for what the manifest names.
type names struct {
	mu sync.Mutex
	by map[string]string
}

func nameKey(r request, d string) string { return r.registry + "/" + r.repository + "@" + d }

// of is the name of the image that a request belongs to.
func (n *names) of(r request) string {
	if !strings.Contains(r.reference, ":") {
		return r.name()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if name := n.by[nameKey(r, r.reference)]; name != "" {
		return name
	}
	return r.name()
}

// learn remembers what a manifest or index, of some digest, consists of.
func (n *names) learn(r request, d digest.Digest, raw []byte) {
	var m struct {
		Config            struct{ Digest string }
		Layers, Manifests []struct{ Digest string }
	}
	if json.Unmarshal(raw, &m) != nil {
		return // who asked for it finds out
	}
	name := n.of(r)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by == nil || len(n.by) >= maxNames {
		n.by = map[string]string{}
	}
	n.by[nameKey(r, d.String())] = name
	n.by[nameKey(r, m.Config.Digest)] = name
	for _, part := range append(m.Layers, m.Manifests...) {
		n.by[nameKey(r, part.Digest)] = name
	}
}
