package image

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// containerdName is the annotation from which "ctr images import" takes the name
// of an image in an archive.
const containerdName = "io.containerd.image.name"

// WriteArchive writes the images as one OCI image layout in a tar, as containerd,
// podman and skopeo import it. The same images give the same bytes.
func WriteArchive(w io.Writer, images []Image) error {
	out := archive{tar: tar.NewWriter(w), written: map[digest.Digest]bool{}}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	if err := out.json(ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return err
	}
	for _, image := range images {
		for _, blob := range image.Blobs() {
			if err := out.blob(blob); err != nil {
				return err
			}
		}
		target := image.Target()
		target.Annotations = map[string]string{
			containerdName:            image.Reference(),
			ocispec.AnnotationRefName: image.Tag,
		}
		index.Manifests = append(index.Manifests, target)
	}
	if err := out.json(ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	if err := out.tar.Close(); err != nil {
		return fmt.Errorf("end image archive: %w", err)
	}
	return nil
}

type archive struct {
	tar     *tar.Writer
	written map[digest.Digest]bool
}

func (a *archive) blob(blob Blob) error {
	if a.written[blob.Digest] {
		return nil
	}
	a.written[blob.Digest] = true
	return a.file(ocispec.ImageBlobsDir+"/"+blob.Digest.Algorithm().String()+"/"+blob.Digest.Encoded(), blob.Body)
}

func (a *archive) json(name string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write image archive %s: %w", name, err)
	}
	return a.file(name, body)
}

func (a *archive) file(name string, body []byte) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o644,
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
	if err := a.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("write image archive %s: %w", name, err)
	}
	if _, err := a.tar.Write(body); err != nil {
		return fmt.Errorf("write image archive %s: %w", name, err)
	}
	return nil
}
