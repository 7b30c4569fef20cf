// Package image holds the container images that a lab has without any network:
// the pod sandbox, a small web application to deploy, and a toolbox to look
// around with. All are built from this repository and embedded in the binary.
//
//	pause    generated machine code           -> package pause
//	demo     \ compiled by "go run ./build",  -> dist/*.tar.zst, embedded here
//	toolbox  / one zstd layer each               with dist/*.json beside them
//	coredns /
//	metrics-server  a link to the node's own program: see MetricsServer
//
// Images are reproducible: timestamps are the Unix epoch, so the digests depend
// only on the sources, the Go version and the architecture. Package store puts
// the images into the content store that all nodes of a lab share.
package image

import (
	"embed"
	"io/fs"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Domain is the registry name in front of the images. It must never resolve:
// the images cannot be pulled, they only exist in the store.
const Domain = "workbench.local"

// ComesWithLab says whether a name is that of an image of the workbench's own.
func ComesWithLab(name string) bool { return strings.HasPrefix(name, Domain+"/") }

// Names of the images, with which pods refer to them.
const (
	Pause   = Domain + "/pause:1"
	Demo    = Domain + "/demo:1"
	DemoTwo = Domain + "/demo:2"
	Toolbox = Domain + "/toolbox:1"
	CoreDNS = Domain + "/coredns:" + coreDNSVersion
	// MetricsServer runs the node's workbench binary, which its pods mount.
	MetricsServer = Domain + "/metrics-server:" + metricsServerVersion
)

// Image is one image for one architecture. It is immutable.
type Image struct {
	Name   string        // repository, such as workbench.local/demo
	Tag    string        // such as 1
	Digest digest.Digest // of the manifest
	ID     digest.Digest // of the configuration; what CRI calls the image ID
	Size   int64         // bytes of manifest, configuration and compressed layers

	manifest, config Blob
	layers           []Blob
	diffIDs          []digest.Digest
}

// Blob is one content-addressed part of an image.
type Blob struct {
	ocispec.Descriptor
	Body []byte
}

// Reference is the name with tag by which pods refer to the image.
func (i Image) Reference() string { return i.Name + ":" + i.Tag }

// References are all names under which containerd's CRI keeps a pulled image:
// its ID, the name with tag, and the name with digest.
func (i Image) References() []string {
	return []string{i.ID.String(), i.Reference(), i.Name + "@" + i.Digest.String()}
}

// Target describes the manifest.
func (i Image) Target() ocispec.Descriptor { return i.manifest.Descriptor }

// Config describes the configuration.
func (i Image) Config() ocispec.Descriptor { return i.config.Descriptor }

// Layers describes the layers, bottom first. The second result has the digests
// of the uncompressed layers in the same order.
func (i Image) Layers() ([]ocispec.Descriptor, []digest.Digest) {
	layers := make([]ocispec.Descriptor, len(i.layers))
	for at, layer := range i.layers {
		layers[at] = layer.Descriptor
	}
	return layers, i.diffIDs
}

// Blobs are all parts, those that are referred to before those that refer.
func (i Image) Blobs() []Blob {
	return append(append([]Blob{}, i.layers...), i.config, i.manifest)
}

//go:embed dist
var dist embed.FS

// Builtin returns the embedded images for the architecture of this process,
// pause first. It returns a *NotBuiltError if the binary was compiled without
// the generated layers or with those of another architecture.
func Builtin() ([]Image, error) {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return Load(built, runtime.GOARCH)
}
