package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// extractor applies a layer to a directory without mounting anything: to the source
// of the bind mount that a snapshot without parent would be. That way no mount can
// be left behind, however the process ends.
type extractor struct {
	blobs content.Provider
	opts  []archive.ApplyOpt
}

// Apply implements diff.Applier. The result describes the uncompressed layer.
func (e extractor) Apply(ctx context.Context, blob ocispec.Descriptor, mounts []mount.Mount, _ ...diff.ApplyOpt) (_ ocispec.Descriptor, err error) {
	if len(mounts) != 1 || mounts[0].Type != "bind" {
		return ocispec.Descriptor{}, fmt.Errorf("extract to %v: want the one bind mount of a snapshot without parent", mounts)
	}
	packed, err := e.blobs.ReaderAt(ctx, blob)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer func() { err = errors.Join(err, packed.Close()) }()
	return extract(ctx, content.NewReader(packed), mounts[0].Source, e.opts...)
}

// extract unpacks a layer into a directory, and describes it as it is unpacked.
func extract(ctx context.Context, packed io.Reader, into string, opts ...archive.ApplyOpt) (ocispec.Descriptor, error) {
	return unpacked(packed, func(layer io.Reader) error {
		_, err := archive.Apply(ctx, into, layer, opts...)
		return err
	})
}

// unpacked hands on what a packed layer has in it, and describes that. What use
// leaves unread counts as well: the padding behind the last entry belongs to the
// layer's digest.
func unpacked(packed io.Reader, use func(io.Reader) error) (_ ocispec.Descriptor, err error) {
	stream, err := compression.DecompressStream(packed)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	sum := digest.Canonical.Digester()
	counted := &counter{reader: io.TeeReader(stream, sum.Hash())}
	if err := use(counted); err != nil {
		return ocispec.Descriptor{}, err
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return ocispec.Descriptor{}, err
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: sum.Digest(), Size: counted.bytes}, nil
}

type counter struct {
	reader io.Reader
	bytes  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	c.bytes += int64(n)
	return n, err
}
