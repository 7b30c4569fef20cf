package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/runtime/image"
	"workbench/runtime/image/store"
)

// loadImage makes an image of the pool one of the lab's, and gives it to every
// worker that runs.
func (o *operation) loadImage(ctx context.Context) error {
	if o.Image == nil || o.Image.Name != o.Target {
		return errors.New("load an image: the request has none")
	}
	i := *o.Image
	if err := refuseBuiltin(i); err != nil {
		return err
	}
	pool, err := store.OpenPool(o.place.ImagePool())
	if err != nil {
		return err
	}
	if _, err := pool.Parts(ctx, targetOf(i)); err != nil {
		return fmt.Errorf("load %s: %w", i.Name, err)
	}
	o.images.mu.Lock()
	loaded, err := o.place.LoadedImages()
	if err == nil {
		err = o.place.SaveLoadedImages(layout.WithImage(loaded, i))
	}
	o.images.mu.Unlock()
	if err != nil {
		return err
	}
	o.rec.Emit(i)
	began := time.Now()
	done, failed := onWorkers(o.Supervisor, func(node string, n *store.Node) (struct{}, error) {
		if slices.Contains(o.goneFrom(node), i.Name) {
			return struct{}{}, errors.New("a fault takes it from the node")
		}
		return struct{}{}, n.Give(ctx, pool, i.Name, targetOf(i), i.Source)
	})
	o.same = "ctr -n k8s.io images import, on each node"
	o.say("%s: %s, %s stored once; %s: hard links, in %v", i.Name, i.Digest, member.Bytes(i.Bytes), orNone(slices.Sorted(maps.Keys(done))), time.Since(began).Round(time.Millisecond))
	for _, name := range o.workers() {
		if err := failed[name]; err != nil {
			o.say("%s does not have it yet: %v; it gets it when its containerd is up", name, err)
		}
	}
	return nil
}

// refuseBuiltin refuses to load what would take the place of an image that comes
// with the workbench.
func refuseBuiltin(i event.ImageLoaded) error {
	if image.ComesWithLab(i.Name) {
		return fmt.Errorf("load %s: %s is the name of the images that come with the workbench; give it another with --tag", i.Name, image.Domain)
	}
	return nil
}

// LoadImageStopped makes an image of the pool one of a lab that does not run.
func LoadImageStopped(place layout.Lab, i event.ImageLoaded) error {
	if err := refuseBuiltin(i); err != nil {
		return err
	}
	lock, err := takeLock(place)
	if err != nil {
		return err
	}
	defer lock.Close()
	loaded, err := place.LoadedImages()
	if err != nil {
		return err
	}
	return place.SaveLoadedImages(layout.WithImage(loaded, i))
}
