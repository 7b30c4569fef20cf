package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/plan"
	"workbench/cluster/spec"
	"workbench/runtime/image"
	"workbench/runtime/image/pull"
	"workbench/runtime/image/store"
)

// cacheBytes bounds what was pulled, for all labs of a state directory.
const cacheBytes = 8 << 30

// serveImages answers the containerd of every node, which has no route out, for all
// registries, until the lab goes down. It listens in the lab's network alone.
func (s *Supervisor) serveImages() error {
	p := s.current()
	pool, err := store.OpenPool(s.place.ImagePool())
	if err != nil {
		return err
	}
	unpacker := store.NewUnpacker(pool)
	builtin := sync.OnceValue(builtinImages)
	cfg := pull.Config{
		Cache: s.place.ImageCache(), CacheBytes: cacheBytes,
		// The golden store is made by when a node asks.
		Blobs:      func() []string { return []string{filepath.Join(s.place.ImagePool(), "blobs"), s.golden.Blobs()} },
		Registries: map[string]pull.Registry{},
		Local:      func(name string) (ocispec.Descriptor, bool) { return s.localImage(name, builtin) },
		Unpack: func(ctx context.Context, node string, want store.Pulled, blobs store.Blobs) error {
			return s.unpackLayer(ctx, unpacker, node, want, blobs)
		},
		Gone:  func(node, name string) bool { return slices.Contains(s.goneFrom(node), name) },
		InLab: p.Gateway.Masked().Contains,
		DialLab: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.labNet.DialContext(ctx, network, address)
		},
		Token: s.registryToken, Node: s.nodeAt, Emit: s.rec.Emit, Log: s.log,
	}
	for host, r := range s.saved.Lab.Spec.Images.Registries {
		one := pull.Registry{URL: strings.TrimSuffix(r.URL, "/"), Insecure: r.Insecure}
		if r.CA != "" {
			if one.CA, err = spec.ParseCertificates(r.CA); err != nil {
				return fmt.Errorf("serve images to nodes: the ca of registry %s: %w", host, err)
			}
		}
		cfg.Registries[host] = one
	}
	server, err := pull.New(cfg)
	if err != nil {
		return err
	}
	var listener net.Listener
	address := netip.AddrPortFrom(p.Gateway.Addr(), plan.RegistryPort)
	if err := s.labNet.Do(func() error {
		listener, err = net.Listen("tcp", address.String())
		return err
	}); err != nil {
		return errors.Join(fmt.Errorf("serve images to nodes at %s: %w", address, err), server.Close())
	}
	s.sources.Go(func() {
		if err := server.Serve(listener); err != nil {
			s.log.Error("serve images", "cause", err)
		}
	})
	s.sources.Go(func() {
		<-s.background.Done()
		if err := server.Close(); err != nil {
			s.log.Warn("serve images", "cause", err)
		}
	})
	return nil
}

// nodeAt names the node with an address.
func (s *Supervisor) nodeAt(addr netip.Addr) string {
	for _, n := range s.current().Nodes {
		if n.Address == addr {
			return n.Name
		}
	}
	return addr.String()
}

// localImage finds an image that the lab has already, so that pulling it anew, as
// imagePullPolicy Always does, needs no network.
func (s *Supervisor) localImage(name string, builtin func() map[string]ocispec.Descriptor) (ocispec.Descriptor, bool) {
	if image.ComesWithLab(name) {
		d, ok := builtin()[name]
		return d, ok
	}
	loaded, err := s.place.LoadedImages()
	if err != nil {
		s.log.Warn("find image", "image", name, "cause", err)
	}
	for _, i := range loaded {
		repository, _, _ := strings.Cut(name, "@")
		if i.Name == name || strings.HasPrefix(i.Name, repository+":") && strings.HasSuffix(name, "@"+i.Digest) {
			return targetOf(i), true
		}
	}
	return ocispec.Descriptor{}, false
}

// builtinImages are the images that come with the workbench, by name.
func builtinImages() map[string]ocispec.Descriptor {
	out := map[string]ocispec.Descriptor{}
	images, err := image.Builtin()
	if err != nil {
		return out // the golden store could not be made either
	}
	for _, i := range images {
		out[i.Reference()] = i.Target()
	}
	return out
}
