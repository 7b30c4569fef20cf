package image_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/runtime/image"
	"workbench/runtime/image/imagetest"
)

func TestImages(t *testing.T) {
	images := imagetest.Images(t)
	var references []string
	for _, i := range images {
		references = append(references, i.Reference())
		size := int64(0)
		for _, blob := range i.Blobs() {
			size += blob.Size
			if digest.FromBytes(blob.Body) != blob.Digest || int64(len(blob.Body)) != blob.Size {
				t.Errorf("%s: a blob does not have the digest and size %s, %d", i.Reference(), blob.Digest, blob.Size)
			}
		}
		if size != i.Size || i.Digest != i.Target().Digest || i.ID != i.Config().Digest {
			t.Errorf("%s: %+v", i.Reference(), i)
		}
	}
	if want := []string{image.Pause, image.Demo, image.DemoTwo, image.Toolbox, image.CoreDNS, image.MetricsServer}; !slices.Equal(references, want) {
		t.Errorf("images %v, want %v", references, want)
	}
	one, _ := images[1].Layers()
	two, _ := images[2].Layers()
	if one[0].Digest != two[0].Digest || images[1].Digest == images[2].Digest {
		t.Error("the demo versions must differ but share their layer")
	}
	for at, version := range map[int]string{1: "DEMO_VERSION=1", 2: "DEMO_VERSION=2"} {
		var config ocispec.Image
		blobs := images[at].Blobs()
		if err := json.Unmarshal(blobs[len(blobs)-2].Body, &config); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(config.Config.Env, version) {
			t.Errorf("%s: environment %v, want %s", images[at].Reference(), config.Config.Env, version)
		}
	}
	if len(images[0].References()) != 3 || images[0].Size > 4096 {
		t.Errorf("pause has names %v and %d bytes", images[0].References(), images[0].Size)
	}
}

// TestVersions compares the tags of images with the modules they are made of.
func TestVersions(t *testing.T) {
	for reference, module := range map[string]string{
		image.CoreDNS: "github.com/coredns/coredns", image.MetricsServer: "sigs.k8s.io/metrics-server",
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := ":" + strings.TrimPrefix(strings.TrimSpace(string(out)), "v"); !strings.HasSuffix(reference, want) {
			t.Errorf("the image is called %s, want %s", reference, want)
		}
	}
}

func TestArchiveIsDeterministic(t *testing.T) {
	images := imagetest.Images(t)
	var first, second bytes.Buffer
	if err := errors.Join(image.WriteArchive(&first, images), image.WriteArchive(&second, images)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same images differ")
	}
}

func TestBuildsAreReproducible(t *testing.T) {
	first, second := imagetest.Dist(t, runtime.GOARCH, "demo", "toolbox"), imagetest.Dist(t, runtime.GOARCH, "demo", "toolbox")
	err := filepath.WalkDir(first, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		a, err := os.ReadFile(path)
		b, otherErr := os.ReadFile(filepath.Join(second, entry.Name()))
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds", entry.Name())
		}
		return errors.Join(err, otherErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	var wrong *image.NotBuiltError
	if _, err := image.Load(os.DirFS(first), other); !errors.As(err, &wrong) || wrong.Have != runtime.GOARCH {
		t.Errorf("layers of another architecture: %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	meta := func(text string) fstest.MapFS {
		return fstest.MapFS{"demo.json": {Data: []byte(text)}, "demo.tar.zst": {Data: []byte("short")}}
	}
	for want, built := range map[string]fs.FS{
		"go tool task build":       fstest.MapFS{},
		"demo.json":                meta("{"),
		"build again":              meta(`{"name":"demo","arch":"amd64","size":6}`),
		"is for s390x, not amd64;": meta(`{"name":"demo","arch":"s390x"}`),
	} {
		if _, err := image.Load(built, "amd64"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	if _, err := image.Load(fstest.MapFS{}, "riscv64"); err == nil {
		t.Error("an unknown architecture must be refused")
	}
}

// TestMake assembles an image of two layers, as the archive of a test has it.
func TestMake(t *testing.T) {
	made, err := image.Make("registry.example/web", "2", "amd64", ocispec.ImageConfig{User: "7"}, []byte("below"), []byte("above"))
	if err != nil {
		t.Fatal(err)
	}
	layers, ids := made.Layers()
	if made.Reference() != "registry.example/web:2" || len(layers) != 2 || len(ids) != 2 || ids[1] != digest.FromString("above") {
		t.Errorf("made %s with layers %v", made.Reference(), ids)
	}
	var config ocispec.Image
	blobs := made.Blobs()
	if err := json.Unmarshal(blobs[len(blobs)-2].Body, &config); err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "7" || !slices.Equal(config.RootFS.DiffIDs, ids) || len(config.History) != 2 {
		t.Errorf("configuration %+v", config)
	}
	if _, err := image.Make("registry.example/empty", "1", "amd64", ocispec.ImageConfig{}); err == nil {
		t.Error("an image without layers was made")
	}
}
