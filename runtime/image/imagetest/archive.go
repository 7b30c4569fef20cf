package imagetest

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Made is an image made for a test: its blobs by digest, its manifest, and how
// docker save would write it.
type Made struct {
	Name     string
	Blobs    map[digest.Digest][]byte
	Manifest ocispec.Descriptor
	Config   digest.Digest
	Layers   []digest.Digest // packed, bottom first
}

// Layer packs files into a layer. A name that ends with a slash is a directory, one
// that begins with .wh. hides what is below.
func Layer(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range sorted(files) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			h = &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeDir}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(files[name])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Make makes an image of layers, each with the digest that it has unpacked, for an
// architecture; "" is that of this process.
func Make(t testing.TB, name, arch string, config ocispec.ImageConfig, layers [][]byte, diffIDs []digest.Digest) Made {
	t.Helper()
	if arch == "" {
		arch = runtime.GOARCH
	}
	m := Made{Name: name, Blobs: map[digest.Digest][]byte{}}
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for _, layer := range layers {
		d := m.put(layer)
		kind := ocispec.MediaTypeImageLayer
		if bytes.HasPrefix(layer, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			kind = ocispec.MediaTypeImageLayerZstd
		}
		if bytes.HasPrefix(layer, []byte{0x1f, 0x8b}) {
			kind = ocispec.MediaTypeImageLayerGzip
		}
		manifest.Layers = append(manifest.Layers, ocispec.Descriptor{MediaType: kind, Digest: d, Size: int64(len(layer))})
		m.Layers = append(m.Layers, d)
	}
	image := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: arch}, Config: config, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: diffIDs}}
	raw := document(t, image)
	m.Config = m.put(raw)
	manifest.Config = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.Config, Size: int64(len(raw))}
	raw = document(t, manifest)
	m.Manifest = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: m.put(raw), Size: int64(len(raw)), Platform: &image.Platform}
	return m
}

func (m Made) put(raw []byte) digest.Digest {
	d := digest.FromBytes(raw)
	m.Blobs[d] = raw
	return d
}

func document(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Docker is the image as docker save wrote it before it wrote OCI layouts.
func (m Made) Docker(t testing.TB) []byte {
	t.Helper()
	files := map[string]string{m.Config.Encoded() + ".json": string(m.Blobs[m.Config])}
	var layers []string
	for at, d := range m.Layers {
		name := fmt.Sprintf("%d/layer.tar", at)
		files[name] = string(m.Blobs[d])
		layers = append(layers, name)
	}
	files["manifest.json"] = string(document(t, []map[string]any{{"Config": m.Config.Encoded() + ".json", "RepoTags": []string{m.Name}, "Layers": layers}}))
	return Layer(t, files)
}

// Files are the files of an OCI layout of images of one name: of several, an index
// of their platforms.
func Files(t testing.TB, made ...Made) map[string]string {
	t.Helper()
	files := map[string]string{ocispec.ImageLayoutFile: `{"imageLayoutVersion":"1.0.0"}`}
	put := func(raw []byte) { files["blobs/sha256/"+digest.FromBytes(raw).Encoded()] = string(raw) }
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, m := range made {
		for _, raw := range m.Blobs {
			put(raw)
		}
		index.Manifests = append(index.Manifests, m.Manifest)
	}
	top := index
	if len(made) > 1 {
		raw := document(t, index)
		put(raw)
		top.Manifests = []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(raw), Size: int64(len(raw))}}
	}
	top.Manifests[0].Annotations = map[string]string{"io.containerd.image.name": made[0].Name}
	files[ocispec.ImageIndexFile] = string(document(t, top))
	return files
}

func sorted(files map[string]string) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Children are the blobs that a manifest names.
func Children(t testing.TB, manifest []byte) []ocispec.Descriptor {
	t.Helper()
	var m ocispec.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	return append([]ocispec.Descriptor{m.Config}, m.Layers...)
}
