package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"workbench/runtime/image/imagetest"
)

// packed are the layers of an image whose layers are not compressed.
func packed(m imagetest.Made) (layers []Packed) {
	for _, d := range m.Layers {
		layers = append(layers, Packed{d, d})
	}
	return layers
}

// cacheOf is a cache with the blobs of an image, which counts how often one is opened.
func cacheOf(t *testing.T, m imagetest.Made) (blobs Blobs, opened *atomic.Int32) {
	t.Helper()
	dir := t.TempDir()
	for d, raw := range m.Blobs {
		if err := os.WriteFile(filepath.Join(dir, d.Encoded()), raw, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	opened = &atomic.Int32{}
	return func(d digest.Digest) (*os.File, error) {
		opened.Add(1)
		return os.Open(filepath.Join(dir, d.Encoded()))
	}, opened
}

// TestUnpackedOnce has many unpack the same layers at the same time.
func TestUnpackedOnce(t *testing.T) {
	p, m := newPool(t), twoLayers(t, "")
	u := NewUnpacker(p)
	blobs, opened := cacheOf(t, m)
	layers := packed(m)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := u.Use(t.Context(), layers, blobs, func(dir string) error {
				if dir != layerIn(p.dir, chainOf(layers)) {
					t.Errorf("the layer is at %s", dir)
				}
				var hidden unix.Stat_t
				if err := unix.Lstat(filepath.Join(dir, "etc/hidden"), &hidden); err != nil || hidden.Mode&unix.S_IFMT != unix.S_IFCHR {
					t.Errorf("what it hides is %+v, %v", hidden, err)
				}
				raw, err := os.ReadFile(filepath.Join(dir, "etc/added"))
				if string(raw) != "added" {
					t.Errorf("it has %q", raw)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := opened.Load(); got != 2 {
		t.Errorf("%d blobs were opened, want each of 2 once", got)
	}
	if left := contents(t, p); len(left) != 2 {
		t.Errorf("the pool has %v, want 2 layers", left)
	}
	// Another process finds them, and is certain before it gives the topmost away.
	if err := NewUnpacker(p).Use(t.Context(), layers, blobs, func(string) error { return nil }); err != nil || opened.Load() != 3 {
		t.Errorf("%v, %d blobs were opened, want one more", err, opened.Load())
	}
}

// TestNobodyPoisonsTheOthers names layers that are not what their blobs have in them.
func TestNobodyPoisonsTheOthers(t *testing.T) {
	p, m := newPool(t), twoLayers(t, "")
	u := NewUnpacker(p)
	blobs, _ := cacheOf(t, m)
	right := packed(m)
	give := func(string) error {
		t.Error("it is given")
		return nil
	}
	refused := func(what string, layers []Packed, want string) {
		t.Helper()
		if err := u.Use(t.Context(), layers, blobs, give); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	refused("another digest", []Packed{{right[0].Blob, right[1].DiffID}}, "should be "+right[1].DiffID.String())
	refused("another digest below", []Packed{{right[0].Blob, right[1].DiffID}, right[1]}, "should be "+right[1].DiffID.String())
	refused("no digest", []Packed{{"../../etc", right[1].DiffID}}, "invalid")
	refused("none", nil, "none is named")
	refused("one that is not there", []Packed{{digest.FromString("x"), right[0].DiffID}}, "no such file")
	if left := contents(t, p); len(left) > 0 {
		t.Errorf("the pool has %v", left)
	}
	if err := u.Use(t.Context(), right, blobs, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	// The layer is there, but who has the one blob does not get the other's content.
	refused("another's layer", []Packed{{right[1].Blob, right[0].DiffID}}, "should be "+right[0].DiffID.String())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewUnpacker(newPool(t)).Use(ctx, right, blobs, give); !errors.Is(err, context.Canceled) {
		t.Errorf("when nobody wants it any more: %v", err)
	}
}

// TestPruneKeepsWhatNodesHave prunes layers that a node has links of, and not.
func TestPruneKeepsWhatNodesHave(t *testing.T) {
	p := newPool(t)
	m := imagetest.Make(t, "app", "", ocispec.ImageConfig{}, nil, nil)
	layer := imagetest.Layer(t, map[string]string{"etc/": "", "etc/file": "content"})
	m.Blobs[digest.FromBytes(layer)] = layer
	blobs, _ := cacheOf(t, m)
	layers := []Packed{{digest.FromBytes(layer), digest.FromBytes(layer)}}
	node := filepath.Join(p.dir, "node")
	if err := NewUnpacker(p).Use(t.Context(), layers, blobs, func(dir string) error {
		// A second name within the layer is nobody else's.
		return errors.Join(os.Link(filepath.Join(dir, "etc/file"), filepath.Join(dir, "etc/same")), os.Mkdir(node, 0o700), linkTree(dir, node, ""))
	}); err != nil {
		t.Fatal(err)
	}
	prune := func() int {
		t.Helper()
		if _, err := p.Prune(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		return len(contents(t, p))
	}
	if left := prune(); left != 1 {
		t.Errorf("%d layers are left that a node has, want 1", left)
	}
	if err := os.RemoveAll(node); err != nil {
		t.Fatal(err)
	}
	if left := prune(); left != 0 {
		t.Errorf("%d layers are left that nobody has", left)
	}
}

// nodeRoot is a node's containerd without a daemon, with the blobs of an image and
// the labels that a pull gives them.
func nodeRoot(t *testing.T, ctx context.Context, dir string, m imagetest.Made) *root {
	t.Helper()
	r, err := open(ctx, filepath.Join(dir, stateDir), Overlay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	blobs := r.db.ContentStore()
	for d, raw := range m.Blobs {
		if err := content.WriteBlob(ctx, blobs, d.String(), strings.NewReader(string(raw)), ocispec.Descriptor{Digest: d, Size: int64(len(raw))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := images.Walk(ctx, images.SetChildrenLabels(blobs, images.ChildrenHandler(blobs)), m.Manifest); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPulledLayersAreLinks unpacks an image on two nodes as containerd does, one
// layer after the other.
func TestPulledLayersAreLinks(t *testing.T) {
	p, m := newPool(t), twoLayers(t, "")
	u := NewUnpacker(p)
	blobs, _ := cacheOf(t, m)
	ctx := namespaces.WithNamespace(t.Context(), Namespace)
	var nodes []string
	for range 2 {
		dir := t.TempDir()
		nodes = append(nodes, dir)
		r := nodeRoot(t, ctx, dir, m)
		a := &Applier{Content: r.db.ContentStore(), Snapshots: r.db.Snapshotter(Overlay), Else: refusing{t}, Ask: func(ctx context.Context, want Pulled) error {
			// The node sees itself at /, this test does not.
			want.Upper = strings.TrimPrefix(want.Upper, dir)
			return u.Use(ctx, want.Layers, blobs, func(layer string) error {
				file, err := blobs(want.Layers[len(want.Layers)-1].Blob)
				if err != nil {
					return err
				}
				defer file.Close()
				return Place{dir, dir}.Link(layer, want, file)
			})
		}}
		unpackAll(t, ctx, r, a, m)
		c := Contents{Images: nil, Blobs: a.Content, Layers: a.Snapshots}
		for at, l := range m.Layers {
			if !c.shared(ctx, chainOf(packed(m)[:at+1]), l) {
				t.Errorf("layer %d is not told to be shared", at)
			}
		}
	}
	for _, pattern := range []string{"io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/etc/added", "io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/etc/kept", "io.containerd.content.v1.content/blobs/sha256/" + m.Layers[0].Encoded()} {
		var found []os.FileInfo
		for _, dir := range nodes {
			files, err := filepath.Glob(filepath.Join(dir, stateDir, pattern))
			if err != nil || len(files) != 1 {
				t.Fatalf("%s: %v, %v", pattern, files, err)
			}
			info, err := os.Stat(files[0])
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, info)
		}
		if !os.SameFile(found[0], found[1]) {
			t.Errorf("%s is not one file on both nodes", pattern)
		}
	}
}

// unpackAll unpacks an image by containerd's protocol; see its core/unpack.
func unpackAll(t *testing.T, ctx context.Context, r *root, a diff.Applier, m imagetest.Made) {
	t.Helper()
	sn, parent := r.db.Snapshotter(Overlay), ""
	for at, l := range m.Layers {
		chain := identity.ChainID(append([]digest.Digest{}, m.Layers[:at+1]...)).String()
		key := "extract-" + chain
		mounts, err := sn.Prepare(ctx, key, parent, snapshots.WithLabels(map[string]string{snapshots.LabelSnapshotRef: chain}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Apply(ctx, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l, Size: int64(len(m.Blobs[l]))}, mounts)
		if err != nil || got.Digest != l {
			t.Fatalf("layer %d is unpacked as %s, %v", at, got.Digest, err)
		}
		if err := sn.Commit(ctx, chain, key); err != nil {
			t.Fatal(err)
		}
		parent = chain
	}
}

// refusing is for layers that are to be shared.
type refusing struct{ t *testing.T }

// Apply implements diff.Applier.
func (r refusing) Apply(context.Context, ocispec.Descriptor, []mount.Mount, ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	r.t.Error("the node unpacks for itself")
	return ocispec.Descriptor{}, errors.New("no")
}

// TestUnsharedLayersAreUnpacked has a node unpack for itself what nobody gives it, but
// not what was begun.
func TestUnsharedLayersAreUnpacked(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: image files belong to root")
	}
	ctx := namespaces.WithNamespace(t.Context(), Namespace)
	layer := imagetest.Layer(t, map[string]string{"file": "content"})
	m := imagetest.Make(t, "app", "", ocispec.ImageConfig{}, [][]byte{layer}, []digest.Digest{digest.FromBytes(layer)})
	r := nodeRoot(t, ctx, t.TempDir(), m)
	answer := errors.New("half of it is written")
	a := &Applier{Content: r.db.ContentStore(), Snapshots: r.db.Snapshotter(Overlay), Ask: func(context.Context, Pulled) error { return answer }, Else: extractor{blobs: r.db.ContentStore()}}
	blob := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: m.Layers[0], Size: int64(len(layer))}
	if _, err := a.Apply(ctx, blob, []mount.Mount{{Type: "bind", Source: "/nowhere"}}); err == nil || errors.Is(err, answer) {
		t.Errorf("a snapshot that nobody knows is not unpacked by the node: %v", err)
	}
	prepared, err := a.Snapshots.Prepare(ctx, "extract-1", "", snapshots.WithLabels(map[string]string{snapshots.LabelSnapshotRef: m.Layers[0].String()}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(ctx, blob, prepared); !errors.Is(err, answer) {
		t.Errorf("a layer of which half is written: %v", err)
	}
	wrapped := blob
	wrapped.MediaType += "+encrypted"
	if _, err := a.Apply(ctx, wrapped, prepared); errors.Is(err, answer) {
		t.Errorf("one that only upstream may know is asked for: %v", err)
	}
	if err := a.Snapshots.Remove(ctx, "extract-1"); err != nil {
		t.Fatal(err)
	}
	answer = ErrUnshared
	unpackAll(t, ctx, r, a, m)
	if (&Contents{Blobs: a.Content, Layers: a.Snapshots}).shared(ctx, m.Layers[0], m.Layers[0]) {
		t.Error("a layer of the node's own is told to be shared")
	}
}
