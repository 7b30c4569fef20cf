package image

import (
	_ "crypto/sha256" // package digest looks it up
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Make assembles an image that is not embedded, such as one for a test: layers
// are uncompressed tars, bottom first, name is a repository such as
// registry.example/nginx and arch Go's name of an architecture.
func Make(name, tag, arch string, config ocispec.ImageConfig, layers ...[]byte) (Image, error) {
	if len(layers) == 0 {
		return Image{}, errors.New("make image " + name + ":" + tag + ": it has no layer")
	}
	blobs := make([]Blob, len(layers))
	for at, tar := range layers {
		blobs[at] = tarBlob(tar)
	}
	return recipe{name: name, tag: tag, config: config}.assemble(arch, blobs, diffIDs(blobs))
}

// tarBlob is an uncompressed layer, whose digest is that of its content too.
func tarBlob(tar []byte) Blob {
	return Blob{
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(tar), Size: int64(len(tar))},
		Body:       tar,
	}
}

func diffIDs(tars []Blob) []digest.Digest {
	ids := make([]digest.Digest, len(tars))
	for at, tar := range tars {
		ids[at] = tar.Digest
	}
	return ids
}
