package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/runtime/image/layer"
	"workbench/runtime/image/pause"
)

// recipe is what makes an image out of a layer: how to run it, and what to call it.
type recipe struct {
	name, tag   string
	description string
	config      ocispec.ImageConfig
}

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// recipes lists the images that share the layer of that name.
func recipes(name string) []recipe {
	switch name {
	case "pause":
		return []recipe{{
			name: Domain + "/pause", tag: "1",
			description: "Holds the namespaces of a pod open",
			config:      ocispec.ImageConfig{User: "65535:65535", Entrypoint: []string{"/pause"}, WorkingDir: "/"},
		}}
	case "demo":
		return []recipe{demoRecipe("1"), demoRecipe("2")}
	case "toolbox":
		return []recipe{{
			name: Domain + "/toolbox", tag: "1",
			description: "A shell and the commands to look around in a cluster",
			config: ocispec.ImageConfig{
				Env: []string{path, "HOME=/root"}, Cmd: []string{"/bin/sh"}, WorkingDir: "/",
			},
		}}
	case "coredns":
		return []recipe{{
			name: Domain + "/coredns", tag: coreDNSVersion,
			description: "The cluster's name service",
			config:      ocispec.ImageConfig{Entrypoint: []string{"/coredns"}, WorkingDir: "/", StopSignal: "SIGTERM"},
		}}
	case "metrics-server":
		return []recipe{{
			name: Domain + "/metrics-server", tag: metricsServerVersion,
			description: "Serves what nodes and pods use as the metrics API",
			config: ocispec.ImageConfig{
				User: "65532:65532", Entrypoint: []string{"/metrics-server"}, WorkingDir: "/", StopSignal: "SIGTERM",
			},
		}}
	}
	return nil
}

// metricsServerVersion is that of the module in go.mod; a test compares them.
const metricsServerVersion = "0.9.0"

// KubeProgram is where the image of metrics-server has its program: in a
// directory that every node has and that pods of the image mount from it. The
// program is the node's own, whose text all components share in memory; one more
// copy would be 100 MB of disk and 30 MB of memory.
const KubeProgram = "/opt/workbench/bin/kube"

// coreDNSVersion is the version of the module in go.mod; a test compares them.
const coreDNSVersion = "1.15.0"

// Compiled are the layers that package compile makes, by name.
func Compiled() []string { return []string{"demo", "toolbox", "coredns"} }

// demoRecipe gives every version the same layer and tells the program its version
// by the environment, so that a rolling update needs no further disk space.
func demoRecipe(version string) recipe {
	return recipe{
		name: Domain + "/demo", tag: version,
		description: "A web application that says where it runs, and can be made to fail",
		config: ocispec.ImageConfig{
			User: "65532:65532", Env: []string{path, "DEMO_VERSION=" + version},
			Entrypoint: []string{"/demo"}, WorkingDir: "/",
			ExposedPorts: map[string]struct{}{"8080/tcp": {}}, StopSignal: "SIGTERM",
		},
	}
}

func (r recipe) labels() map[string]string {
	return map[string]string{
		ocispec.AnnotationTitle:       r.name,
		ocispec.AnnotationDescription: r.description,
		ocispec.AnnotationVersion:     r.tag,
	}
}

// image assembles configuration and manifest around one layer.
func (r recipe) image(arch string, layer Blob, diffID digest.Digest) (Image, error) {
	return r.assemble(arch, []Blob{layer}, []digest.Digest{diffID})
}

// assemble makes configuration and manifest around layers, bottom first; diffIDs
// are the digests of their uncompressed content.
func (r recipe) assemble(arch string, layers []Blob, diffIDs []digest.Digest) (Image, error) {
	epoch := time.Unix(0, 0).UTC()
	config := r.config
	config.Labels = r.labels()
	configBlob, err := jsonBlob(ocispec.MediaTypeImageConfig, ocispec.Image{
		Created:  &epoch,
		Platform: ocispec.Platform{OS: "linux", Architecture: arch},
		Config:   config,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: diffIDs},
		History:  slices.Repeat([]ocispec.History{{Created: &epoch, CreatedBy: "workbench", Comment: r.description}}, len(layers)),
	})
	if err != nil {
		return Image{}, fmt.Errorf("describe image %s:%s: %w", r.name, r.tag, err)
	}
	size := configBlob.Size
	descriptors := make([]ocispec.Descriptor, len(layers))
	for at, layer := range layers {
		descriptors[at] = layer.Descriptor
		size += layer.Size
	}
	manifest, err := jsonBlob(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   ocispec.MediaTypeImageManifest,
		Config:      configBlob.Descriptor,
		Layers:      descriptors,
		Annotations: maps.Clone(config.Labels),
	})
	if err != nil {
		return Image{}, fmt.Errorf("describe image %s:%s: %w", r.name, r.tag, err)
	}
	return Image{
		Name: r.name, Tag: r.tag,
		Digest: manifest.Digest, ID: configBlob.Digest,
		Size:     manifest.Size + size,
		manifest: manifest, config: configBlob, layers: layers, diffIDs: diffIDs,
	}, nil
}

// pauseImage has its few hundred bytes in an uncompressed layer.
func pauseImage(arch string) (Image, error) {
	binary, err := pause.Binary(arch)
	if err != nil {
		return Image{}, err
	}
	return smallImage(arch, "pause", layer.File("pause", 0o755, binary))
}

// metricsServerImage has nothing but a link, whose name makes the node's program
// play the role.
func metricsServerImage(arch string) (Image, error) {
	return smallImage(arch, "metrics-server", layer.Symlink("metrics-server", KubeProgram))
}

// smallImage has its files in an uncompressed layer.
func smallImage(arch, name string, files ...layer.Entry) (Image, error) {
	tar, err := layer.Tar(files)
	if err != nil {
		return Image{}, err
	}
	blob := tarBlob(tar)
	return recipes(name)[0].image(arch, blob, blob.Digest)
}

func zstdBlob(id digest.Digest, body []byte) Blob {
	return Blob{
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerZstd, Digest: id, Size: int64(len(body))},
		Body:       body,
	}
}

func jsonBlob(mediaType string, value any) (Blob, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return Blob{}, err
	}
	return Blob{
		Descriptor: ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(body), Size: int64(len(body))},
		Body:       body,
	}, nil
}
