package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/rootfs"
	"github.com/containerd/containerd/v2/plugins"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"

	"workbench/runtime/image"
)

// Namespace is the one in which containerd's CRI keeps images.
const Namespace = "k8s.io"

// Labels by which containerd's CRI knows its images; see its internal/cri/labels.
// All our images are pinned: the kubelet must not collect what it cannot pull.
const (
	managedLabel, managedValue = "io.cri-containerd.image", "managed"
	pinnedLabel, pinnedValue   = "io.cri-containerd.pinned", "pinned"
	snapshotReference          = "containerd.io/gc.ref.snapshot."
)

// directories of containerd's plugins below its root: type and ID with a dot.
func contentDir() string  { return plugins.ContentPlugin.String() + ".content" }
func metadataDir() string { return plugins.MetadataPlugin.String() + ".bolt" }
func snapshotterDir(name string) string {
	return plugins.SnapshotPlugin.String() + "." + name
}

// database is the file that makes a directory a containerd root.
func database() string { return filepath.Join(metadataDir(), "meta.db") }

// root is an open containerd root directory.
type root struct {
	db          *metadata.DB
	snapshotter snapshots.Snapshotter // the one below the database
	name        string                // of the snapshotter
}

// open opens a containerd root directory with the parts that the daemon would
// use, and makes what is absent.
func open(ctx context.Context, dir, snapshotter string) (*root, error) {
	store, err := local.NewStore(filepath.Join(dir, contentDir()))
	if err != nil {
		return nil, err
	}
	r := &root{name: snapshotter}
	if snapshotter == Native {
		r.snapshotter, err = native.NewSnapshotter(filepath.Join(dir, snapshotterDir(snapshotter)))
	} else {
		r.snapshotter, err = overlay.NewSnapshotter(filepath.Join(dir, snapshotterDir(snapshotter)), overlay.AsynchronousRemove)
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, metadataDir()), 0o711); err != nil {
		return nil, errors.Join(err, r.snapshotter.Close())
	}
	// As the daemon opens it, but without a write to disk per transaction: the
	// caller flushes the whole tree.
	options := *bolt.DefaultOptions
	options.NoFreelistSync, options.NoSync = true, true
	db, err := bolt.Open(filepath.Join(dir, database()), 0o644, &options)
	if err != nil {
		return nil, errors.Join(err, r.snapshotter.Close())
	}
	r.db = metadata.NewDB(db, store, map[string]snapshots.Snapshotter{snapshotter: r.snapshotter})
	if err := r.db.Init(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *root) close() error {
	return errors.Join(r.db.Close(), r.snapshotter.Close())
}

// populate fills an empty containerd root directory with images.
func populate(ctx context.Context, dir, snapshotter string, list []image.Image) (err error) {
	ctx = namespaces.WithNamespace(ctx, Namespace)
	r, err := open(ctx, dir, snapshotter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	for _, i := range list {
		if err := r.add(ctx, i); err != nil {
			return fmt.Errorf("add image %s: %w", i.Reference(), err)
		}
	}
	return nil
}

// add does what a pull by CRI does: it stores the blobs, unpacks the layers, ties
// everything together with labels for the garbage collector, and names the image.
// No collector runs meanwhile, so no lease is needed.
func (r *root) add(ctx context.Context, i image.Image) error {
	blobs := r.db.ContentStore()
	for _, blob := range i.Blobs() {
		if err := content.WriteBlob(ctx, blobs, blob.Digest.String(), bytes.NewReader(blob.Body), blob.Descriptor); err != nil {
			return fmt.Errorf("store blob %s: %w", blob.Digest, err)
		}
	}
	label := images.SetChildrenLabels(blobs, images.ChildrenHandler(blobs))
	if err := images.Walk(ctx, label, i.Target()); err != nil {
		return fmt.Errorf("label blobs: %w", err)
	}
	chain, err := r.unpack(ctx, i)
	if err != nil {
		return err
	}
	if err := setLabel(ctx, blobs, i.Config(), snapshotReference+r.name, chain.String()); err != nil {
		return err
	}
	names := metadata.NewImageStore(r.db)
	for _, name := range i.References() {
		_, err := names.Create(ctx, images.Image{
			Name: name, Target: i.Target(),
			Labels: map[string]string{managedLabel: managedValue, pinnedLabel: pinnedValue},
		})
		if err != nil {
			return fmt.Errorf("name image %s: %w", name, err)
		}
	}
	return nil
}

// unpack makes a committed snapshot of every layer and returns the chain ID by
// which the topmost is known.
func (r *root) unpack(ctx context.Context, i image.Image) (digest.Digest, error) {
	blobs := r.db.ContentStore()
	layers, diffIDs := i.Layers()
	if len(layers) != 1 {
		return "", fmt.Errorf("unpack %d layers: only images with one layer can be unpacked without mounts", len(layers))
	}
	for at, blob := range layers {
		layer := rootfs.Layer{Blob: blob, Diff: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: diffIDs[at]}}
		if _, err := rootfs.ApplyLayer(ctx, layer, diffIDs[:at], r.db.Snapshotter(r.name), extractor{blobs: blobs}); err != nil {
			return "", fmt.Errorf("unpack layer %s: %w", blob.Digest, err)
		}
		if err := setLabel(ctx, blobs, blob, labels.LabelUncompressed, diffIDs[at].String()); err != nil {
			return "", err
		}
	}
	return identity.ChainID(diffIDs), nil
}

func setLabel(ctx context.Context, blobs content.Store, blob ocispec.Descriptor, label, value string) error {
	info := content.Info{Digest: blob.Digest, Labels: map[string]string{label: value}}
	if _, err := blobs.Update(ctx, info, "labels."+label); err != nil {
		return fmt.Errorf("label blob %s: %w", blob.Digest, err)
	}
	return nil
}
