package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
)

// Payload describes a built layer. The build program writes it as NAME.json next
// to the layer NAME.tar.zst.
type Payload struct {
	Name   string        `json:"name"`   // one of Compiled
	Arch   string        `json:"arch"`   // Go's name of the architecture
	Digest digest.Digest `json:"digest"` // of the compressed layer
	DiffID digest.Digest `json:"diffID"` // of the uncompressed layer
	Size   int64         `json:"size"`   // bytes of the compressed layer
	Binary int64         `json:"binary"` // bytes of the program in it
	Inputs string        `json:"inputs"` // hash over everything that the layer was built from
}

// LayerFile and MetaFile are the names of a payload's two files in dist.
func LayerFile(name string) string { return name + ".tar.zst" }

// MetaFile names the file with the Payload as JSON.
func MetaFile(name string) string { return name + ".json" }

// NotBuiltError says that the generated layers are absent or of another
// architecture.
type NotBuiltError struct {
	Payload string // one of Compiled
	Want    string // architecture of this process
	Have    string // architecture of the layer, empty if absent
}

// Error says what to do.
func (e *NotBuiltError) Error() string {
	if e.Have == "" {
		return fmt.Sprintf("image %s is not in this binary: it was compiled before the images were built; build with 'go tool task build'", e.Payload)
	}
	return fmt.Sprintf("image %s in this binary is for %s, not %s; build with 'go tool task build'", e.Payload, e.Have, e.Want)
}

// Load returns the images with layers from a directory as the build program
// writes it.
func Load(built fs.FS, arch string) ([]Image, error) {
	images := make([]Image, 0, 6)
	pause, err := pauseImage(arch)
	if err != nil {
		return nil, err
	}
	images = append(images, pause)
	for _, name := range Compiled() {
		layer, diffID, err := loadLayer(built, name, arch)
		if err != nil {
			return nil, err
		}
		for _, recipe := range recipes(name) {
			made, err := recipe.image(arch, layer, diffID)
			if err != nil {
				return nil, err
			}
			images = append(images, made)
		}
	}
	metrics, err := metricsServerImage(arch)
	if err != nil {
		return nil, err
	}
	return append(images, metrics), nil
}

func loadLayer(built fs.FS, name, arch string) (Blob, digest.Digest, error) {
	meta, err := fs.ReadFile(built, MetaFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Blob{}, "", &NotBuiltError{Payload: name, Want: arch}
	}
	if err != nil {
		return Blob{}, "", fmt.Errorf("read image layer %s: %w", name, err)
	}
	var payload Payload
	if err := json.Unmarshal(meta, &payload); err != nil {
		return Blob{}, "", fmt.Errorf("read image layer %s: %w", MetaFile(name), err)
	}
	if payload.Arch != arch {
		return Blob{}, "", &NotBuiltError{Payload: name, Want: arch, Have: payload.Arch}
	}
	body, err := fs.ReadFile(built, LayerFile(name))
	if err != nil {
		return Blob{}, "", fmt.Errorf("read image layer %s: %w", name, err)
	}
	if int64(len(body)) != payload.Size {
		return Blob{}, "", fmt.Errorf("read image layer %s: %d bytes, %s says %d; remove runtime/image/dist/%s and build again",
			name, len(body), MetaFile(name), payload.Size, MetaFile(name))
	}
	return zstdBlob(payload.Digest, body), payload.DiffID, nil
}
