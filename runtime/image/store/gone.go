package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
)

// A node that loses an image keeps its parts under a lease that names it, so that it
// can have it back as it was, whatever happened meanwhile.
const (
	goneLease = "workbench-gone-"
	goneLabel = "workbench.local/gone"
)

// lost is an image that the node lost; it is the value of goneLabel.
type lost struct {
	Name  string       `json:"name"`
	Names []string     `json:"names"` // all that it was known by
	Image images.Image `json:"image"`
}

// SetGone makes the node lose the images of some names, and have back those that
// it lost before and that are not among them. The names are normalised. What it does
// not have it cannot lose.
func (n *Node) SetGone(ctx context.Context, names []string) error {
	ctx = namespaces.WithNamespace(ctx, Namespace)
	listed, err := n.client.LeasesService().List(ctx)
	if err != nil {
		return fmt.Errorf("list what images are gone: %w", err)
	}
	var errs []error
	for _, l := range listed {
		if !strings.HasPrefix(l.ID, goneLease) {
			continue
		}
		var was lost
		if err := json.Unmarshal([]byte(l.Labels[goneLabel]), &was); err != nil {
			errs = append(errs, fmt.Errorf("bring back the image of lease %s: %w", l.ID, err))
			continue
		}
		if !slices.Contains(names, was.Name) {
			errs = append(errs, n.bringBack(ctx, l, was))
		}
	}
	for _, name := range names {
		if err := n.lose(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("lose image %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (n *Node) bringBack(ctx context.Context, l leases.Lease, was lost) error {
	for _, called := range was.Names {
		if err := n.call(ctx, called, was.Image.Target); err != nil {
			return fmt.Errorf("bring back image %s: %w", was.Name, err)
		}
	}
	if err := n.await(ctx, was.Name, true); err != nil {
		return fmt.Errorf("bring back image %s: %w", was.Name, err)
	}
	return n.client.LeasesService().Delete(ctx, l)
}

func (n *Node) lose(ctx context.Context, name string) error {
	i, err := n.client.ImageService().Get(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := n.names(ctx, name, i)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(lost{name, names, images.Image{Target: i.Target}})
	if err != nil {
		return err
	}
	l, err := n.client.LeasesService().Create(ctx, leases.WithID(goneLease+digest.FromString(name).Encoded()[:16]), leases.WithLabels(map[string]string{goneLabel: string(raw)}))
	if err != nil && !errdefs.IsAlreadyExists(err) {
		return err
	}
	if err == nil {
		if err := n.client.LeasesService().AddResource(ctx, l, leases.Resource{ID: i.Target.Digest.String(), Type: "content"}); err != nil {
			return err
		}
	}
	return n.forget(ctx, name, names)
}

// names are all names of an image that go with one: those that CRI adds go with the
// last one only.
func (n *Node) names(ctx context.Context, name string, i images.Image) ([]string, error) {
	same, err := n.client.ImageService().List(ctx, "target.digest=="+i.Target.Digest.String())
	if err != nil {
		return nil, err
	}
	others := slices.ContainsFunc(same, func(o images.Image) bool {
		return o.Name != name && !strings.Contains(o.Name, "@") && !strings.HasPrefix(o.Name, digest.Canonical.String()+":")
	})
	if others {
		return []string{name}, nil
	}
	config, err := i.Config(ctx, n.client.ContentStore(), platforms.Default())
	if err != nil {
		return nil, err
	}
	return references(name, config.Digest, i.Target.Digest), nil
}

// forget removes names of an image, and what belongs to none, and returns once the
// CRI does not have the name.
func (n *Node) forget(ctx context.Context, name string, names []string) error {
	for at, called := range names {
		var opts []images.DeleteOpt
		if at == len(names)-1 {
			opts = append(opts, images.SynchronousDelete())
		}
		if err := n.client.ImageService().Delete(ctx, called, opts...); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove the name %s: %w", called, err)
		}
	}
	return n.await(ctx, name, false)
}
