package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"workbench/cluster/event"
	"workbench/runtime/image"
)

// Labels that a node's containerd keeps for the workbench: of a manifest or an index
// from where it was loaded, of a layer that its files are links of those in the pool.
const (
	fromLabel   = "workbench.local/from"
	sharedLabel = "workbench.local/shared"
)

// sharedLayer is the label that the blob of a layer has instead, when it was pulled:
// containerd makes the snapshot then, and gives it its own labels alone.
func sharedLayer(chain digest.Digest) string { return sharedLabel + "." + chain.Encoded() }

// Contents reads what images a containerd has.
type Contents struct {
	Images images.Store
	Blobs  content.Store
	Layers interface { // snapshots.Snapshotter is one
		Stat(ctx context.Context, key string) (snapshots.Info, error)
	}
	known map[digest.Digest]known
}

// known is what does not change of an image: all but its names and where its layers
// are.
type known struct {
	bytes  int64
	chains []digest.Digest // of its layers, bottom first
	blobs  []digest.Digest // the same packed
}

// List is all images with a name, sorted by it.
func (c *Contents) List(ctx context.Context) ([]event.NodeImage, error) {
	ctx = namespaces.WithNamespace(ctx, Namespace)
	all, err := c.Images.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	builtin, seen := map[digest.Digest]bool{}, map[digest.Digest]known{}
	for _, i := range all {
		k, err := c.know(ctx, i)
		if err != nil {
			continue // it comes or goes
		}
		seen[i.Target.Digest] = k
		if image.ComesWithLab(i.Name) {
			for _, chain := range k.chains {
				builtin[chain] = true
			}
		}
	}
	c.known = seen
	var out []event.NodeImage
	for _, i := range all {
		k, ok := seen[i.Target.Digest]
		if !ok || !shown(i, all) {
			continue
		}
		one := event.NodeImage{Name: i.Name, Digest: i.Target.Digest.String(), Bytes: k.bytes, Layers: len(k.chains), From: c.from(ctx, i)}
		for at, chain := range k.chains {
			if builtin[chain] || c.shared(ctx, chain, k.blobs[at]) {
				one.Shared++
			}
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b event.NodeImage) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// shown says whether a name of an image is one that people know it by. Containerd's
// CRI keeps it under its ID and its digest, too.
func shown(i images.Image, all []images.Image) bool {
	if strings.HasPrefix(i.Name, digest.Canonical.String()+":") {
		return false
	}
	repository, _, byDigest := strings.Cut(i.Name, "@")
	return !byDigest || !slices.ContainsFunc(all, func(o images.Image) bool {
		return o.Target.Digest == i.Target.Digest && strings.HasPrefix(o.Name, repository+":")
	})
}

// know reads the size and the layers of an image, once.
func (c *Contents) know(ctx context.Context, i images.Image) (known, error) {
	if k, ok := c.known[i.Target.Digest]; ok {
		return k, nil
	}
	var k known
	m, err := images.Manifest(ctx, c.Blobs, i.Target, platforms.Default())
	if err != nil {
		return k, err
	}
	diffIDs, err := images.RootFS(ctx, c.Blobs, m.Config)
	if err != nil {
		return k, err
	}
	if len(diffIDs) != len(m.Layers) {
		return k, fmt.Errorf("image %s: %d layers, unpacked %d", i.Name, len(m.Layers), len(diffIDs))
	}
	k.bytes = i.Target.Size + m.Config.Size
	for at, layer := range m.Layers {
		k.chains = append(k.chains, identity.ChainID(slices.Clone(diffIDs[:at+1])))
		k.blobs = append(k.blobs, layer.Digest)
		k.bytes += layer.Size
	}
	return k, nil
}

// from is where an image came from; "" for a registry.
func (c *Contents) from(ctx context.Context, i images.Image) string {
	if image.ComesWithLab(i.Name) {
		return "workbench"
	}
	info, err := c.Blobs.Info(ctx, i.Target.Digest)
	if err != nil {
		return "" // it goes
	}
	return info.Labels[fromLabel]
}

// shared says that the files of a layer are in the pool, and here by links.
func (c *Contents) shared(ctx context.Context, chain, blob digest.Digest) bool {
	if c.Layers == nil {
		return false // this containerd unpacks nothing
	}
	info, err := c.Layers.Stat(ctx, chain.String())
	if err != nil {
		return false // not unpacked
	}
	if info.Labels[sharedLabel] != "" {
		return true
	}
	packed, err := c.Blobs.Info(ctx, blob)
	return err == nil && packed.Labels[sharedLayer(chain)] != ""
}
