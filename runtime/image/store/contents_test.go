package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	diskmount "workbench/runtime/mount"
)

// TestContents reads what a store of the images that come with the lab has, and then
// one of them under another name.
func TestContents(t *testing.T) {
	config := testConfig(t)
	dir := t.TempDir()
	if err := populate(t.Context(), dir, Overlay, config.Images); err != nil {
		t.Fatal(err)
	}
	ctx := namespaces.WithNamespace(t.Context(), Namespace)
	r, err := open(ctx, dir, Overlay)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	c := Contents{Images: metadata.NewImageStore(r.db), Blobs: r.db.ContentStore(), Layers: r.db.Snapshotter(Overlay)}
	list, err := c.List(t.Context())
	if err != nil || len(list) != len(config.Images) {
		t.Fatalf("%d images, %v, want %d: %+v", len(list), err, len(config.Images), list)
	}
	for _, i := range list {
		if i.From != "workbench" || i.Layers == 0 || i.Shared != i.Layers || i.Bytes == 0 || i.Digest == "" {
			t.Errorf("%+v", i)
		}
	}
	copied := images.Image{Name: "docker.io/class/app:1", Target: config.Images[0].Target()}
	byDigest := images.Image{Name: "docker.io/class/app@" + copied.Target.Digest.String(), Target: copied.Target}
	for _, i := range []images.Image{copied, byDigest} {
		if _, err := c.Images.Create(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := setLabel(ctx, c.Blobs, copied.Target, fromLabel, "app.tar"); err != nil {
		t.Fatal(err)
	}
	list, err = c.List(t.Context())
	if err != nil || len(list) != len(config.Images)+1 || list[0].Name != copied.Name || list[0].From != "app.tar" || list[0].Shared != list[0].Layers {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestSweep removes what a node's disk leads to no more, and nothing of a node
// without a disk.
func TestSweep(t *testing.T) {
	root, inside := t.TempDir(), t.TempDir()
	layers := filepath.Join(stateDir, snapshotterDir(Overlay), "snapshots")
	for _, dir := range []string{filepath.Join(root, layers, "1", "fs"), filepath.Join(root, layers, "2", "fs"), filepath.Join(inside, layers)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		entries, err := os.ReadDir(filepath.Join(root, layers))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if err := (Place{root, inside}).Sweep(); err != nil || left() != 2 {
		t.Errorf("of a node without a disk: %d layers left, %v", left(), err)
	}
	if err := os.Mkdir(filepath.Join(inside, layers+diskmount.Given), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(layers+diskmount.Given, "2"), filepath.Join(inside, layers, "2")); err != nil {
		t.Fatal(err)
	}
	if err := (Place{root, inside}).Sweep(); err != nil || left() != 1 || !exists(filepath.Join(root, layers, "2", "fs")) {
		t.Errorf("%d layers left, %v; want the one that the disk leads to", left(), err)
	}
}
