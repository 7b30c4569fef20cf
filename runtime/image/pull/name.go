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
	name := n.of(r)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by == nil || len(n.by) >= maxNames {
		n.by = map[string]string{}
	}
	n.by[nameKey(r, d.String())] = name
	for _, part := range partsOf(raw) {
		n.by[nameKey(r, part.String())] = name
	}
}

// partsOf are the digests that a manifest or index names; none where it is neither:
// who asked for it finds out.
func partsOf(raw []byte) []digest.Digest {
	type part struct{ Digest digest.Digest }
	var m struct {
		Config            part
		Layers, Manifests []part
	}
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	var out []digest.Digest
	for _, p := range append(append(m.Layers, m.Manifests...), m.Config) {
		if p.Digest.Validate() == nil {
			out = append(out, p.Digest)
		}
	}
	return out
}
