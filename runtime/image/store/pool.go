package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// Pool holds what images that were loaded or pulled consist of, for all labs of
// a state directory, each part once:
//
//	DIR/blobs/sha256/DIGEST   manifests, configurations, packed layers; mode 0444
//	DIR/layers/CHAIN/         an unpacked layer, as an overlay's lower directory
//	DIR/incoming-*/           what is being unpacked: moved when all of it is there
//	DIR/lock                  held while images come and go, shared by those who unpack
//
// Blobs are those of images that were loaded; what was pulled stays packed in the
// cache of downloads. Of both the layers are here, and all is held against its digest.
// Nodes get hard links of blobs and of unpacked files; see Node.Give.
type Pool struct {
	dir   string
	blobs content.Store
}

// OpenPool opens a pool and makes it if there is none.
func OpenPool(dir string) (*Pool, error) {
	// Only root may look into layers: they have programs that become root.
	if err := errors.Join(os.MkdirAll(dir, 0o711), os.MkdirAll(filepath.Join(dir, "layers"), 0o700)); err != nil {
		return nil, fmt.Errorf("open image pool: %w", err)
	}
	blobs, err := local.NewStore(dir)
	if err != nil {
		return nil, fmt.Errorf("open image pool: %w", err)
	}
	return &Pool{dir: dir, blobs: blobs}, nil
}

// Lock keeps others from adding and removing images until unlock is called.
func (p *Pool) Lock(ctx context.Context) (unlock func(), err error) {
	return p.lock(ctx, unix.LOCK_EX)
}

// lock takes the lock alone, or shared with others who add layers only.
func (p *Pool) lock(ctx context.Context, how int) (unlock func(), err error) {
	unlock, err = lock(ctx, filepath.Join(p.dir, "lock"), how)
	if err != nil {
		return nil, fmt.Errorf("wait for another process that loads or removes images: %w", err)
	}
	return unlock, nil
}

func blobIn(dir string, d digest.Digest) string {
	return filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded())
}

func layerIn(dir string, chain digest.Digest) string {
	return filepath.Join(dir, "layers", chain.Encoded())
}

// Parts are what an image consists of, on this machine's platform.
type Parts struct {
	Target   ocispec.Descriptor   // what its name stands for: an index or a manifest
	Blobs    []ocispec.Descriptor // all, those that are referred to first
	Config   ocispec.Descriptor
	Layers   []ocispec.Descriptor // bottom first
	DiffIDs  []digest.Digest      // of the layers, unpacked
	Platform string               // such as linux/amd64
}

// Size is how many bytes the blobs have.
func (p Parts) Size() (bytes int64) {
	for _, b := range p.Blobs {
		bytes += b.Size
	}
	return bytes
}

// chain is the ID of the layers up to and with one, under which it is unpacked.
func (p Parts) chain(at int) digest.Digest { return identity.ChainID(slices.Clone(p.DiffIDs[:at+1])) }

// Parts finds the parts of an image in the pool.
func (p *Pool) Parts(ctx context.Context, target ocispec.Descriptor) (Parts, error) {
	return partsOf(ctx, p.blobs, target)
}

// partsOf follows an image from what its name stands for to its layers.
func partsOf(ctx context.Context, blobs content.Store, target ocispec.Descriptor) (Parts, error) {
	matcher := platforms.Default()
	out := Parts{Target: target}
	manifest := target
	var above []ocispec.Descriptor // indexes, outermost first
	for images.IsIndexType(manifest.MediaType) {
		above = append(above, manifest)
		var index ocispec.Index
		if err := readJSON(ctx, blobs, manifest, &index); err != nil {
			return Parts{}, err
		}
		next, err := choose(index, matcher)
		if err != nil {
			return Parts{}, err
		}
		manifest = next
	}
	if !images.IsManifestType(manifest.MediaType) {
		return Parts{}, fmt.Errorf("%s is %q, which is not an image", manifest.Digest, manifest.MediaType)
	}
	var m ocispec.Manifest
	if err := readJSON(ctx, blobs, manifest, &m); err != nil {
		return Parts{}, err
	}
	var config ocispec.Image
	if err := readJSON(ctx, blobs, m.Config, &config); err != nil {
		return Parts{}, err
	}
	if config.OS != "" && !matcher.Match(platforms.Normalize(config.Platform)) {
		return Parts{}, &PlatformError{Have: []string{platforms.Format(config.Platform)}}
	}
	if len(config.RootFS.DiffIDs) != len(m.Layers) {
		return Parts{}, fmt.Errorf("manifest %s has %d layers, its configuration %s %d", manifest.Digest, len(m.Layers), m.Config.Digest, len(config.RootFS.DiffIDs))
	}
	out.Platform = platforms.Format(platforms.Normalize(config.Platform))
	out.Config, out.Layers, out.DiffIDs = m.Config, m.Layers, config.RootFS.DiffIDs
	for _, layer := range m.Layers {
		if !contains(out.Blobs, layer.Digest) {
			out.Blobs = append(out.Blobs, layer)
		}
	}
	out.Blobs = append(out.Blobs, m.Config, manifest)
	slices.Reverse(above)
	out.Blobs = append(out.Blobs, above...)
	for _, b := range out.Blobs {
		info, err := blobs.Info(ctx, b.Digest)
		if err != nil {
			return Parts{}, fmt.Errorf("%s %s is missing", kindOf(b), b.Digest)
		}
		if b.Size > 0 && info.Size != b.Size {
			return Parts{}, fmt.Errorf("%s %s has %d bytes, and should have %d", kindOf(b), b.Digest, info.Size, b.Size)
		}
	}
	return out, nil
}

// kindOf is the word for what a blob is.
func kindOf(d ocispec.Descriptor) string {
	switch {
	case images.IsLayerType(d.MediaType):
		return "layer"
	case images.IsConfigType(d.MediaType):
		return "configuration"
	case images.IsIndexType(d.MediaType):
		return "index"
	case images.IsManifestType(d.MediaType):
		return "manifest"
	}
	return "blob"
}

// PlatformError says that an image is not for this machine.
type PlatformError struct{ Have []string }

// Error implements error.
func (e *PlatformError) Error() string {
	return fmt.Sprintf("it is for %s, and this machine is %s; get it for that: docker pull --platform %[2]s", list(e.Have), platforms.Format(platforms.DefaultSpec()))
}

func list(names []string) string {
	if len(names) == 0 {
		return "no platform"
	}
	return strings.Join(names, ", ")
}

// choose is the manifest of an index that fits this machine best. Attestations
// have the platform unknown/unknown.
func choose(index ocispec.Index, matcher platforms.MatchComparer) (ocispec.Descriptor, error) {
	var fit []ocispec.Descriptor
	var have []string
	for _, m := range index.Manifests {
		if m.Platform == nil || m.Platform.OS == "" {
			fit = append(fit, m)
			continue
		}
		if m.Platform.OS == "unknown" {
			continue
		}
		have = append(have, platforms.Format(*m.Platform))
		if matcher.Match(platforms.Normalize(*m.Platform)) {
			fit = append(fit, m)
		}
	}
	if len(fit) == 0 {
		return ocispec.Descriptor{}, &PlatformError{Have: have}
	}
	slices.SortStableFunc(fit, func(a, b ocispec.Descriptor) int {
		switch {
		case a.Platform == nil || b.Platform == nil:
			return 0
		case matcher.Less(*a.Platform, *b.Platform):
			return -1
		case matcher.Less(*b.Platform, *a.Platform):
			return 1
		}
		return 0
	})
	return fit[0], nil
}

// maxDocument bounds an index, a manifest or a configuration, in bytes.
const maxDocument = 8 << 20

func readJSON(ctx context.Context, blobs content.Provider, d ocispec.Descriptor, into any) error {
	if d.Size > maxDocument {
		return fmt.Errorf("%s %s has %d bytes, too many for one", kindOf(d), d.Digest, d.Size)
	}
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("%s %q: %w", kindOf(d), d.Digest, err)
	}
	raw, err := content.ReadBlob(ctx, blobs, d)
	if err != nil {
		return fmt.Errorf("%s %s is missing", kindOf(d), d.Digest)
	}
	if got := d.Digest.Algorithm().FromBytes(raw); got != d.Digest {
		return fmt.Errorf("%s %s is damaged: its content is %s", kindOf(d), d.Digest, got)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s %s: %w", kindOf(d), d.Digest, err)
	}
	return nil
}
