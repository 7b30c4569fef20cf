package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/rootfs"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	diskmount "workbench/runtime/mount"
)

// stateDir is containerd's root directory in a node.
const stateDir = "/var/lib/containerd"

// Node is the containerd of a node that runs.
type Node struct {
	client *containerd.Client
	cri    cri.ImageServiceClient
	place  Place
}

// Place is where a node is, seen from here.
type Place struct {
	Root   string // its root file system
	Inside string // the same with what is mounted in the node
}

// answerTimeout bounds how long a containerd may take to answer the first time.
const answerTimeout = 10 * time.Second

// OpenNode connects to a node's containerd, at its socket as a path of this process.
func OpenNode(socket string, place Place) (*Node, error) {
	client, err := containerd.New(socket, containerd.WithDefaultNamespace(Namespace), containerd.WithTimeout(answerTimeout))
	if err != nil {
		return nil, fmt.Errorf("connect to containerd: %w", err)
	}
	conn, ok := client.Conn().(grpc.ClientConnInterface)
	if !ok {
		return nil, errors.Join(errors.New("connect to containerd: no connection"), client.Close())
	}
	return &Node{client: client, cri: cri.NewImageServiceClient(conn), place: place}, nil
}

// Close ends the connection.
func (n *Node) Close() error { return n.client.Close() }

// leaseFor is how long the parts of an image are safe from the node's garbage
// collector while they are given.
const leaseFor = 10 * time.Minute

// Give makes an image of the pool one of the node's, as a pull would: its blobs and
// the files of its layers become hard links of the pool's. What the node has
// already stays. From is what to say of where it comes from. It returns once the CRI
// knows the image.
func (n *Node) Give(ctx context.Context, p *Pool, name string, target ocispec.Descriptor, from string) error {
	if err := n.give(ctx, p, name, target, from); err != nil {
		return fmt.Errorf("give image %s: %w", name, err)
	}
	return nil
}

func (n *Node) give(ctx context.Context, p *Pool, name string, target ocispec.Descriptor, from string) (err error) {
	ctx = namespaces.WithNamespace(ctx, Namespace)
	parts, err := p.Parts(ctx, target)
	if err != nil {
		return err
	}
	ctx, done, err := n.client.WithLease(ctx, leases.WithRandomID(), leases.WithExpiration(leaseFor))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done(context.WithoutCancel(ctx))) }()
	blobs := n.client.ContentStore()
	for _, b := range parts.Blobs {
		if err := n.giveBlob(ctx, p, b); err != nil {
			return fmt.Errorf("%s %s: %w", kindOf(b), b.Digest, err)
		}
	}
	label := images.SetChildrenLabels(blobs, images.FilterPlatforms(images.ChildrenHandler(blobs), platforms.Default()))
	present := images.HandlerFunc(func(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		if d.Digest != target.Digest && !contains(parts.Blobs, d.Digest) {
			return nil, images.ErrSkipDesc // of another platform, or an attestation
		}
		return label(ctx, d)
	})
	if err := images.Walk(ctx, present, target); err != nil {
		return fmt.Errorf("label blobs: %w", err)
	}
	for at, layer := range parts.Layers {
		l := rootfs.Layer{Blob: layer, Diff: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: parts.DiffIDs[at]}}
		links := linker{layerIn(p.dir, parts.chain(at)), n.place, parts.DiffIDs[at]}
		shared := snapshots.WithLabels(map[string]string{sharedLabel: "pool"})
		if _, err := rootfs.ApplyLayer(ctx, l, append([]digest.Digest{}, parts.DiffIDs[:at]...), n.client.SnapshotService(Overlay), links, shared); err != nil {
			return fmt.Errorf("layer %s: %w", layer.Digest, err)
		}
		if err := setLabel(ctx, blobs, layer, labels.LabelUncompressed, parts.DiffIDs[at].String()); err != nil {
			return err
		}
	}
	if len(parts.Layers) > 0 {
		if err := setLabel(ctx, blobs, parts.Config, snapshotReference+Overlay, parts.chain(len(parts.Layers)-1).String()); err != nil {
			return err
		}
	}
	// Not of its names: those are made anew when it is pulled.
	if err := setLabel(ctx, blobs, target, fromLabel, from); err != nil {
		return err
	}
	for _, called := range references(name, parts.Config.Digest, target.Digest) {
		if err := n.call(ctx, called, target); err != nil {
			return err
		}
	}
	return n.await(ctx, name, true)
}

func contains(blobs []ocispec.Descriptor, d digest.Digest) bool {
	return slices.ContainsFunc(blobs, func(b ocispec.Descriptor) bool { return b.Digest == d })
}

// references are all names under which containerd's CRI keeps an image: its ID, the
// name with digest, and the name.
func references(name string, config, target digest.Digest) []string {
	out := []string{config.String()}
	if ref, err := reference.ParseDockerRef(name); err == nil {
		if _, ok := ref.(reference.Digested); !ok {
			out = append(out, ref.Name()+"@"+target.String())
		}
	}
	return append(out, name)
}

// call gives an image a name, or a name another image.
func (n *Node) call(ctx context.Context, name string, target ocispec.Descriptor) error {
	i := images.Image{Name: name, Target: target, Labels: map[string]string{managedLabel: managedValue, pinnedLabel: pinnedValue}}
	_, err := n.client.ImageService().Create(ctx, i)
	if errdefs.IsAlreadyExists(err) {
		_, err = n.client.ImageService().Update(ctx, i)
	}
	if err != nil {
		return fmt.Errorf("name it %s: %w", name, err)
	}
	return nil
}

// giveBlob makes a blob one of the node's. Containerd takes what is in its place
// already for its own when it is told of it; should its collector be faster, the
// blob is copied.
func (n *Node) giveBlob(ctx context.Context, p *Pool, b ocispec.Descriptor) (err error) {
	place := blobIn(filepath.Join(n.place.Root, stateDir, contentDir()), b.Digest)
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	if err := link(blobIn(p.dir, b.Digest), place); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	r, err := p.blobs.ReaderAt(ctx, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return content.WriteBlob(ctx, n.client.ContentStore(), "workbench-"+b.Digest.String(), content.NewReader(r), b)
}

// linker fills a new snapshot of a node with hard links of a layer of the pool.
type linker struct {
	layer string
	place Place
	diff  digest.Digest
}

// Apply implements diff.Applier.
func (l linker) Apply(_ context.Context, blob ocispec.Descriptor, mounts []mount.Mount, _ ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	upper, err := upperOf(mounts)
	if err == nil {
		err = l.fill(upper)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.diff, Size: blob.Size}, err
}

// upperOf is the directory that a snapshot's mounts are written to.
func upperOf(mounts []mount.Mount) (string, error) {
	if len(mounts) != 1 {
		return "", fmt.Errorf("fill a snapshot: %d mounts, want 1", len(mounts))
	}
	upper := mounts[0].Source // of a snapshot without parent
	for _, o := range mounts[0].Options {
		if dir, ok := strings.CutPrefix(o, "upperdir="); ok {
			upper = dir
		}
	}
	return upper, nil
}

// fill fills the directory of a snapshot, as the node calls it.
func (l linker) fill(upper string) error {
	if !strings.HasPrefix(upper, stateDir+"/") || strings.Contains(upper, "..") {
		return fmt.Errorf("fill a snapshot: its directory %s is not below %s", upper, stateDir)
	}
	into := filepath.Join(l.place.Root, upper)
	onDisk := !exists(into)
	if onDisk {
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
	}
	if err := linkTree(l.layer, into, ""); err != nil {
		return err
	}
	if err := likeness(l.layer, into); err != nil {
		return err
	}
	if onDisk {
		if err := l.lead(filepath.Dir(upper)); err != nil {
			return fmt.Errorf("fill a snapshot: %w", err)
		}
	}
	return nil
}

// lead makes a new snapshot on the node's own disk a symbolic link to the one of
// its root, as mount.Disk makes those of layers that the node began with.
func (l linker) lead(snapshot string) error {
	given := filepath.Join(filepath.Dir(snapshot)+diskmount.Given, filepath.Base(snapshot))
	if !exists(filepath.Join(l.place.Inside, given)) {
		return fmt.Errorf("the node does not see %s of its root", given)
	}
	own := filepath.Join(l.place.Inside, snapshot)
	entries, err := os.ReadDir(own)
	if err != nil {
		return err
	}
	for _, e := range entries { // fs and work, empty still
		err = errors.Join(err, os.Remove(filepath.Join(own, e.Name())))
	}
	return errors.Join(err, os.Remove(own), os.Symlink(given, own))
}

// awaitTimeout is how long the CRI may take to hear of a change of images, of which
// containerd tells it by an event.
const awaitTimeout = 20 * time.Second

// await waits until the CRI has an image, or no more.
func (n *Node) await(ctx context.Context, name string, want bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitTimeout, fmt.Errorf("the CRI did not hear of it within %v", awaitTimeout))
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		have, err := n.Has(ctx, name)
		if err == nil && have == want {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// Has says whether the CRI, which the kubelet asks, has an image.
func (n *Node) Has(ctx context.Context, name string) (bool, error) {
	answer, err := n.cri.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
	if err != nil {
		return false, fmt.Errorf("ask the CRI for image %s: %w", name, err)
	}
	return answer.GetImage() != nil, nil
}
