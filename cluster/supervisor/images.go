package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/event"
	"workbench/cluster/plan"
	"workbench/runtime/image/store"
)

// images serialises what is done to the images of one node.
type images struct {
	mu    sync.Mutex
	turns map[string]*sync.Mutex
	// removed counts what went from nodes, tidied is up to which of that they were
	// looked through.
	removed, tidied int
}

func (i *images) turn(node string) *sync.Mutex {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.turns == nil {
		i.turns = map[string]*sync.Mutex{}
	}
	if i.turns[node] == nil {
		i.turns[node] = &sync.Mutex{}
	}
	return i.turns[node]
}

const containerdComponent = "containerd"

// onNode does something with the images of a node that runs.
func (s *Supervisor) onNode(name string, do func(*store.Node) error) (err error) {
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	if err := s.refusePaused(name, m); err != nil {
		return err
	}
	turn := s.images.turn(name)
	turn.Lock()
	defer turn.Unlock()
	place := s.imagePlace(m)
	n, err := store.OpenNode(place.Inside+plan.ContainerdSocket, place)
	if err != nil {
		return fmt.Errorf("images of %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if err := do(n); err != nil {
		return fmt.Errorf("images of %s: %w", name, err)
	}
	return nil
}

// followContainerd gives a node the lab's images when its containerd is ready
// again, in case some were loaded while it was not.
func (s *Supervisor) followContainerd(body event.Body) {
	c, ok := body.(event.ComponentState)
	if ok && c.Component == containerdComponent && c.State == event.ComponentReady && s.background.Err() == nil {
		s.sources.Go(func() { s.giveImages(s.background, c.Node) })
	}
}

// giveImages gives a node the images of the lab that it does not have. A node
// without one of them is still a node, so what goes wrong is told and no more.
func (s *Supervisor) giveImages(ctx context.Context, name string) {
	loaded, err := s.place.LoadedImages()
	gone := s.goneFrom(name)
	if err == nil && len(loaded) == 0 && len(gone) == 0 && !s.lostImages(name) {
		return
	}
	var pool *store.Pool
	if err == nil {
		pool, err = store.OpenPool(s.place.ImagePool())
	}
	if err == nil {
		err = s.onNode(name, func(n *store.Node) error {
			return errors.Join(s.setGone(ctx, name, n, gone), n.Sweep(), giveAll(ctx, n, pool, loaded, gone))
		})
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("give images", "node", name, "cause", err)
		s.rec.Emit(event.Action{Verb: "image.give", Target: name, Error: err.Error()})
	}
}

func giveAll(ctx context.Context, n *store.Node, pool *store.Pool, loaded []event.ImageLoaded, gone []string) error {
	have, err := n.Images(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range loaded {
		if slices.Contains(gone, i.Name) {
			continue
		}
		if !slices.ContainsFunc(have, func(h store.Held) bool { return h.Name == i.Name && h.Digest == i.Digest }) {
			errs = append(errs, n.Give(ctx, pool, i.Name, targetOf(i), i.Source))
		}
	}
	return errors.Join(errs...)
}

func targetOf(i event.ImageLoaded) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: i.MediaType, Digest: digest.Digest(i.Digest), Size: i.Length}
}

// onWorkers does something with the images of every worker, at the same time, and
// returns what came of it where it succeeded, and why it did not elsewhere.
func onWorkers[T any](s *Supervisor, do func(string, *store.Node) (T, error)) (got map[string]T, failed map[string]error) {
	got, failed = map[string]T{}, map[string]error{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, name := range s.workers() {
		all.Go(func() {
			var one T
			err := s.onNode(name, func(n *store.Node) (err error) {
				one, err = do(name, n)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[name] = err
				return
			}
			got[name] = one
		})
	}
	all.Wait()
	return got, failed
}
