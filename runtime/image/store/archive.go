package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	layers "github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// Named is an image and its name.
type Named struct {
	Name string // normalised, such as docker.io/library/nginx:1.29
	Parts
}

// Normalise makes of a name what Kubernetes and Docker take it for: nginx is
// docker.io/library/nginx:latest.
func Normalise(name string) (string, error) {
	ref, err := reference.ParseDockerRef(name)
	if err != nil {
		return "", fmt.Errorf("image name %q: %w", name, err)
	}
	return ref.String(), nil
}

// incoming is the prefix of directories of imports under way.
const incoming = "incoming-"

// Import reads an archive of images - of docker save, or an OCI layout, packed
// or not - into the pool and unpacks it. Every digest in it is checked, and what
// is wrong leaves the pool as it was. A name renames the one image in it. The
// caller holds the lock.
func (p *Pool) Import(ctx context.Context, r io.Reader, name string) (_ []Named, err error) {
	if err := p.sweep(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(p.dir, incoming)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	blobs, err := local.NewStore(dir)
	if err != nil {
		return nil, err
	}
	plain, err := compression.DecompressStream(r)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	index, err := archive.ImportIndex(ctx, checked{blobs}, plain)
	if err := errors.Join(err, plain.Close()); err != nil {
		return nil, unreadable(err)
	}
	found, err := p.named(ctx, blobs, index, name)
	if err != nil {
		return nil, err
	}
	for _, i := range found {
		if err := p.unpack(ctx, dir, blobs, i.Parts); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", i.Name, err)
		}
	}
	return found, p.adopt(dir, found)
}

// sweep removes what a process that was killed left of an import. The caller holds
// the lock.
func (p *Pool) sweep() error {
	stale, err := filepath.Glob(filepath.Join(p.dir, incoming+"*"))
	if err != nil {
		return err
	}
	for _, dir := range stale {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// unreadable says what is wrong with an archive as a whole.
func unreadable(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive ends too early: %w; get it again", err)
	case strings.Contains(err.Error(), "unrecognized image format"), strings.Contains(err.Error(), "invalid tar header"):
		return fmt.Errorf("this is no archive of images: %w; make one with docker save, or an OCI layout", err)
	}
	return fmt.Errorf("read archive: %w", err)
}

// checked holds blobs of an archive against the digest that their path says.
type checked struct{ content.Store }

// Writer implements content.Ingester.
func (c checked) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	w, err := c.Store.Writer(ctx, opts...)
	if err != nil {
		return nil, err
	}
	return checkedWriter{w, promised(strings.TrimPrefix(o.Ref, "tar-"))}, nil
}

// promised is the digest that the name of a file in an archive stands for; "" if
// for none.
func promised(name string) digest.Digest {
	name = path.Clean(name)
	if rest, ok := strings.CutPrefix(name, "blobs/"); ok {
		algorithm, hex, _ := strings.Cut(rest, "/")
		if d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex); d.Validate() == nil {
			return d
		}
	}
	if hex, ok := strings.CutSuffix(name, ".json"); ok { // a configuration of docker save
		if d := digest.NewDigestFromEncoded(digest.SHA256, hex); d.Validate() == nil {
			return d
		}
	}
	return ""
}

type checkedWriter struct {
	content.Writer
	want digest.Digest
}

// Commit implements content.Writer.
func (w checkedWriter) Commit(ctx context.Context, size int64, expected digest.Digest, opts ...content.Opt) error {
	if got := w.Digest(); w.want != "" && w.want.Algorithm() == got.Algorithm() && got != w.want {
		return fmt.Errorf("blob %s is damaged: its content is %s; get the archive again", w.want, got)
	}
	return w.Writer.Commit(ctx, size, expected, opts...)
}

// named are the images of an imported index.
func (p *Pool) named(ctx context.Context, blobs content.Store, top ocispec.Descriptor, name string) ([]Named, error) {
	var index ocispec.Index
	if err := readJSON(ctx, blobs, top, &index); err != nil {
		return nil, err
	}
	if len(index.Manifests) == 0 {
		return nil, errors.New("no image is in it")
	}
	if name != "" && len(index.Manifests) > 1 {
		return nil, fmt.Errorf("%d images are in it: a name can be given to one only", len(index.Manifests))
	}
	var found []Named
	for _, m := range index.Manifests {
		called := name
		if called == "" {
			called = m.Annotations[images.AnnotationImageName]
		}
		if called == "" {
			// By the specification a tag; what builds images puts a whole name there.
			called = m.Annotations[ocispec.AnnotationRefName]
			if !strings.ContainsAny(called, "/:") {
				return nil, fmt.Errorf("image %s in it has no name, only the tag %q; name it with --tag NAME", m.Digest, called)
			}
		}
		called, err := Normalise(called)
		if err != nil {
			return nil, err
		}
		m.Annotations, m.Platform = nil, nil
		parts, err := partsOf(ctx, blobs, m)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", called, err)
		}
		found = append(found, Named{called, parts})
	}
	return found, nil
}

// unpack makes of each layer that the pool does not have a directory, without a
// mount: whiteouts become what an overlay knows them by.
func (p *Pool) unpack(ctx context.Context, dir string, blobs content.Store, parts Parts) error {
	var below []string // topmost first
	for at, layer := range parts.Layers {
		chain := parts.chain(at)
		target := layerIn(p.dir, chain)
		if !exists(target) {
			target = layerIn(dir, chain)
		}
		if !exists(target) {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			if err := unpackLayer(ctx, blobs, layer, parts.DiffIDs[at], target, below); err != nil {
				return err
			}
		}
		below = append([]string{target}, below...)
	}
	return nil
}

func unpackLayer(ctx context.Context, blobs content.Store, layer ocispec.Descriptor, want digest.Digest, target string, below []string) error {
	packed, err := blobs.ReaderAt(ctx, layer)
	if err != nil {
		return err
	}
	defer packed.Close()
	return unpackInto(ctx, content.NewReader(packed), Packed{layer.Digest, want}, target, below)
}

// unpackInto unpacks a layer into a directory, whose files are those of an overlay's
// upper directory then. Below are the layers that it lies on, topmost first: it has
// the directories that it does not name from them.
func unpackInto(ctx context.Context, packed io.Reader, layer Packed, target string, below []string) error {
	var opts []layers.ApplyOpt
	if len(below) > 0 {
		opts = append(opts, layers.WithConvertWhiteout(layers.OverlayConvertWhiteout), layers.WithParents(below))
	}
	got, err := extract(ctx, packed, target, opts...)
	if err != nil {
		return fmt.Errorf("layer %s is damaged: %w", layer.Blob, err)
	}
	return layer.check(got.Digest)
}

// adopt moves images that are complete, and on disk, into the pool, what they
// consist of first.
func (p *Pool) adopt(dir string, found []Named) error {
	if err := syncAll(dir); err != nil {
		return err
	}
	for _, i := range found {
		for at := range i.Layers {
			if err := moveInto(layerIn(dir, i.chain(at)), layerIn(p.dir, i.chain(at))); err != nil {
				return err
			}
		}
		for _, b := range i.Blobs {
			if err := moveInto(blobIn(dir, b.Digest), blobIn(p.dir, b.Digest)); err != nil {
				return err
			}
		}
	}
	return nil
}

// syncAll writes the file system of a directory to disk: of many small files that is
// sooner done than one by one.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// moveInto moves a file or directory to its place, unless that is taken.
func moveInto(from, to string) error {
	if exists(to) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o711); err != nil {
		return err
	}
	err := os.Rename(from, to)
	if err != nil && exists(to) {
		return nil // another process was faster
	}
	return errors.Join(err, syncPath(filepath.Dir(to)))
}
