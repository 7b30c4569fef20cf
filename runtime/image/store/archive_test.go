package store

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/runtime/image"
	"workbench/runtime/image/imagetest"
)

func TestContainerdImportsArchive(t *testing.T) {
	list := imagetest.Images(t)
	var tar bytes.Buffer
	if err := image.WriteArchive(&tar, list); err != nil {
		t.Fatal(err)
	}
	blobs, err := local.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	target, err := archive.ImportIndex(t.Context(), blobs, &tar)
	if err != nil {
		t.Fatal(err)
	}
	body, err := content.ReadBlob(t.Context(), blobs, target)
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil {
		t.Fatal(err)
	}
	var names, want []string
	for at, manifest := range index.Manifests {
		names = append(names, manifest.Annotations[images.AnnotationImageName])
		want = append(want, list[at].Reference())
		complete, _, _, missing, err := images.Check(t.Context(), blobs, manifest, platforms.Default())
		if err != nil || !complete || len(missing) > 0 {
			t.Errorf("%s: complete %v, missing %v, %v", names[at], complete, missing, err)
		}
	}
	if diff := cmp.Diff(want, names); diff != "" || len(names) != 6 {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
