package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"workbench/cluster/event"
)

// Held is an image that a node has.
type Held struct {
	Name   string // "" for one without
	ID     string // digest of its configuration
	Digest string // of what its name stands for
	Size   int64  // bytes of its blobs
}

// Images are the names that the node has images under.
func (n *Node) Images(ctx context.Context) ([]Held, error) {
	answer, err := n.cri.ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask the CRI for its images: %w", err)
	}
	var out []Held
	for _, i := range answer.GetImages() {
		h := Held{ID: i.GetId(), Size: int64(i.GetSize())}
		if digests := i.GetRepoDigests(); len(digests) > 0 {
			_, h.Digest, _ = strings.Cut(digests[0], "@")
		}
		names := i.GetRepoTags()
		if len(names) == 0 {
			names = i.GetRepoDigests()
		}
		for _, name := range names {
			h.Name = name
			out = append(out, h)
		}
	}
	return out, nil
}

// List is what the node has, with what is known of each image.
func (n *Node) List(ctx context.Context) ([]event.NodeImage, error) {
	c := Contents{Images: n.client.ImageService(), Blobs: n.client.ContentStore(), Layers: n.client.SnapshotService(Overlay)}
	return c.List(ctx)
}

// Take removes an image from the node, with what belongs to no other, and returns
// once the CRI does not have it. It returns false if the node did not have it.
// Containers that run keep their files.
func (n *Node) Take(ctx context.Context, name string) (bool, error) {
	ctx = namespaces.WithNamespace(ctx, Namespace)
	i, err := n.client.ImageService().Get(ctx, name)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take image %s: %w", name, err)
	}
	names, err := n.names(ctx, name, i)
	if err == nil {
		err = n.forget(ctx, name, names)
	}
	if err == nil {
		err = n.Sweep()
	}
	if err != nil {
		return false, fmt.Errorf("take image %s: %w", name, err)
	}
	return true, nil
}
