package store

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/event"
)

// Loaded is the image as the event that tells of it, with where it is from.
func (n Named) Loaded(source string) event.ImageLoaded {
	return event.ImageLoaded{
		Name: n.Name, Digest: n.Target.Digest.String(), MediaType: n.Target.MediaType, Length: n.Target.Size,
		Bytes: n.Size(), Platform: n.Platform, Source: source,
	}
}

// Export writes images of the pool as an OCI layout in a tar, which Import reads.
func (p *Pool) Export(w io.Writer, list []Named) error {
	out := tar.NewWriter(w)
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	written := map[digest.Digest]bool{}
	for _, i := range list {
		for _, b := range i.Blobs {
			if written[b.Digest] {
				continue
			}
			written[b.Digest] = true
			if err := p.exportBlob(out, b.Digest); err != nil {
				return fmt.Errorf("write image %s: %s %s: %w", i.Name, kindOf(b), b.Digest, err)
			}
		}
		target := i.Target
		target.Annotations = map[string]string{images.AnnotationImageName: i.Name}
		index.Manifests = append(index.Manifests, target)
	}
	for name, v := range map[string]any{ocispec.ImageLayoutFile: ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}, ocispec.ImageIndexFile: index} {
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(raw))}); err != nil {
			return err
		}
		if _, err := out.Write(raw); err != nil {
			return err
		}
	}
	return out.Close()
}

func (p *Pool) exportBlob(out *tar.Writer, d digest.Digest) error {
	in, err := os.Open(blobIn(p.dir, d))
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	name := ocispec.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}
