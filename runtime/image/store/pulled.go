package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Differ is the ID of the plugin by which a node's containerd unpacks what it pulls.
const Differ = "workbench"

// ErrUnshared says that a layer cannot be given to a node, and why. Nothing was
// written: the node can unpack it for itself.
var ErrUnshared = errors.New("the layer is not shared")

// Pulled is a layer that a node has pulled, and wants to have unpacked.
type Pulled struct {
	// Upper is the directory of the new snapshot, as the node calls it.
	Upper string `json:"upper"`
	// Layers are what it lies on and, last, itself.
	Layers []Packed `json:"layers"`
}

// Applier unpacks layers in a node's containerd: it asks for links to what is
// unpacked already, or now, for all nodes.
type Applier struct {
	Content   content.Store
	Snapshots snapshots.Snapshotter
	// Ask has the layer linked into the node.
	Ask func(context.Context, Pulled) error
	// Else unpacks what is not shared.
	Else diff.Applier
}

// Apply implements diff.Applier.
func (a *Applier) Apply(ctx context.Context, blob ocispec.Descriptor, mounts []mount.Mount, opts ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	layers, err := a.share(ctx, blob, mounts)
	if errors.Is(err, ErrUnshared) {
		log.G(ctx).WithError(err).WithField("layer", blob.Digest).Warn("unpacked for this node alone")
		return a.Else.Apply(ctx, blob, mounts, opts...)
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	// The label is for who lists images; the layer is there without it, too.
	label := sharedLayer(chainOf(layers))
	if _, err := a.Content.Update(ctx, content.Info{Digest: blob.Digest, Labels: map[string]string{label: "pool"}}, "labels."+label); err != nil {
		log.G(ctx).WithError(err).WithField("layer", blob.Digest).Warn("it is not noted that it is shared")
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: layers[len(layers)-1].DiffID, Size: blob.Size}, nil
}

func (a *Applier) share(ctx context.Context, blob ocispec.Descriptor, mounts []mount.Mount) ([]Packed, error) {
	if err := a.saysSo(ctx, blob); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnshared, err)
	}
	upper, err := upperOf(mounts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnshared, err)
	}
	chain, err := a.chainAt(ctx, upper)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnshared, err)
	}
	layers, err := a.layersOf(ctx, blob.Digest, chain)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnshared, err)
	}
	return layers, a.Ask(ctx, Pulled{upper, layers})
}

// saysSo wants a layer to be what its media type says: compressed if that says so, and
// nothing that only upstream may know.
func (a *Applier) saysSo(ctx context.Context, blob ocispec.Descriptor) (err error) {
	said, err := images.DiffCompression(ctx, blob.MediaType)
	if err != nil || said != "" {
		return err
	}
	if blob.MediaType != ocispec.MediaTypeImageLayer {
		return fmt.Errorf("its media type is %s", blob.MediaType)
	}
	r, err := a.Content.ReaderAt(ctx, blob)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	begin := make([]byte, 16)
	n, err := r.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if compression.DetectCompression(begin[:n]) != compression.Uncompressed {
		return fmt.Errorf("its media type %s says that it is not compressed", blob.MediaType)
	}
	return nil
}

// errFound ends a walk.
var errFound = errors.New("found")

// chainAt is the chain that a snapshot is prepared for, by its directory.
func (a *Applier) chainAt(ctx context.Context, upper string) (digest.Digest, error) {
	prepared := map[string]string{} // chains by key
	if err := a.Snapshots.Walk(ctx, func(_ context.Context, i snapshots.Info) error {
		if chain := i.Labels[snapshots.LabelSnapshotRef]; chain != "" && i.Kind == snapshots.KindActive {
			prepared[i.Name] = chain
		}
		return nil
	}); err != nil {
		return "", fmt.Errorf("list snapshots: %w", err)
	}
	for key, chain := range prepared {
		mounts, err := a.Snapshots.Mounts(ctx, key)
		if err != nil {
			continue // it goes
		}
		if at, err := upperOf(mounts); err == nil && at == upper {
			return digest.Parse(chain)
		}
	}
	return "", fmt.Errorf("no snapshot is prepared at %s", upper)
}

// layersOf finds the image of which a blob is the layer of a chain, and returns its
// layers up to that.
func (a *Applier) layersOf(ctx context.Context, blob, chain digest.Digest) ([]Packed, error) {
	var found []Packed
	err := a.Content.Walk(ctx, func(i content.Info) error {
		var m ocispec.Manifest
		var config ocispec.Image
		if a.read(ctx, i.Digest, &m) != nil || !holds(m.Layers, blob) || a.read(ctx, m.Config.Digest, &config) != nil {
			return nil // another's, or on its way
		}
		if len(config.RootFS.DiffIDs) != len(m.Layers) {
			return nil
		}
		var layers []Packed
		for at, l := range m.Layers {
			layers = append(layers, Packed{l.Digest, config.RootFS.DiffIDs[at]})
			if l.Digest == blob && chainOf(layers) == chain {
				found = layers
				return errFound
			}
		}
		return nil
	}, `labels."containerd.io/gc.ref.content.config"`)
	if err != nil && !errors.Is(err, errFound) {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	if found == nil {
		return nil, fmt.Errorf("no manifest has it as the layer %s", chain)
	}
	return found, nil
}

func holds(layers []ocispec.Descriptor, blob digest.Digest) bool {
	return slices.ContainsFunc(layers, func(l ocispec.Descriptor) bool { return l.Digest == blob })
}

func (a *Applier) read(ctx context.Context, d digest.Digest, into any) error {
	info, err := a.Content.Info(ctx, d)
	if err != nil {
		return err
	}
	if info.Size > maxDocument {
		return fmt.Errorf("%s is no manifest and no configuration", d)
	}
	raw, err := content.ReadBlob(ctx, a.Content, ocispec.Descriptor{Digest: d, Size: info.Size})
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// Link makes a layer of the pool the content of a node's new snapshot, and the packed
// one, which the node has, a link to the same file for all.
func (p Place) Link(layer string, want Pulled, packed *os.File) error {
	top := want.Layers[len(want.Layers)-1]
	blob := blobIn(filepath.Join(p.Root, stateDir, contentDir()), top.Blob)
	if err := sameSize(blob, packed); err != nil {
		return fmt.Errorf("%w: %w", ErrUnshared, err)
	}
	if err := (linker{layer, p, top.DiffID}).fill(want.Upper); err != nil {
		return fmt.Errorf("link layer %s: %w", top.Blob, err)
	}
	if err := p.replace(blob, packed); err != nil {
		return fmt.Errorf("link blob %s: %w", top.Blob, err)
	}
	return nil
}

// sameSize wants a node to have what it wants to have unpacked: it was given that
// by who may give it.
func sameSize(blob string, packed *os.File) error {
	own, err := os.Lstat(blob)
	if err != nil {
		return err
	}
	info, err := packed.Stat()
	if err == nil && (!own.Mode().IsRegular() || own.Size() != info.Size()) {
		err = fmt.Errorf("%s has %d bytes, and should have %d", blob, own.Size(), info.Size())
	}
	return err
}

// replace makes a blob a link to another file of the same content. Where the file
// system cannot do that, the blob stays.
func (p Place) replace(blob string, packed *os.File) error {
	fresh := filepath.Join(p.Root, stateDir, ".workbench-"+filepath.Base(blob))
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(packed.Name(), fresh) != nil {
		return nil
	}
	if err := os.Rename(fresh, blob); err != nil {
		return err
	}
	// Of two links to one file already, rename(2) leaves both.
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
