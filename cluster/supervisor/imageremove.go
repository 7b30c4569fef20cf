package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/runtime/image"
	"workbench/runtime/image/store"
)

// removeImage removes an image from the lab and from its nodes.
func (o *operation) removeImage(ctx context.Context) error {
	name, err := store.Normalise(o.Target)
	if err != nil {
		return err
	}
	o.Target = name
	if image.ComesWithLab(name) {
		return fmt.Errorf("remove %s: it comes with the workbench, and cannot be removed", name)
	}
	if err := o.awaitUnused(ctx, name); err != nil {
		return err
	}
	o.images.mu.Lock()
	loaded, err := o.place.LoadedImages()
	kept := layout.WithoutImage(loaded, name)
	if err == nil && len(kept) < len(loaded) {
		err = o.place.SaveLoadedImages(kept)
	}
	o.images.mu.Unlock()
	if err != nil {
		return err
	}
	taken, failed := onWorkers(o.Supervisor, func(_ string, n *store.Node) (bool, error) { return n.Take(ctx, name) })
	maps.DeleteFunc(taken, func(_ string, had bool) bool { return !had })
	had := slices.Sorted(maps.Keys(taken))
	if len(had) == 0 && len(kept) == len(loaded) && len(failed) == 0 {
		return fmt.Errorf("remove %s: no node has it; see: workbench image list", name)
	}
	o.rec.Emit(event.ImageRemoved{Name: name, Nodes: had})
	o.same = "crictl rmi " + name
	freed, err := PruneImages(ctx, o.place)
	if err != nil {
		return err
	}
	o.say("%s is removed: had by %s; %s of blobs given back", name, orNone(had), member.Bytes(freed))
	for _, node := range slices.Sorted(maps.Keys(failed)) {
		o.say("%s may still have it: %v", node, failed[node])
	}
	return nil
}

// PruneImages removes from the pool what no lab of the state directory has, and
// returns how many bytes of blobs that were.
func PruneImages(ctx context.Context, place layout.Lab) (int64, error) {
	pool, err := store.OpenPool(place.ImagePool())
	if err != nil {
		return 0, err
	}
	unlock, err := pool.Lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	labs, err := layout.List(place.State)
	if err != nil {
		return 0, err
	}
	var keep []ocispec.Descriptor
	for _, name := range labs {
		loaded, err := layout.Lab{State: place.State, Name: name}.LoadedImages()
		if err != nil {
			return 0, err
		}
		for _, i := range loaded {
			keep = append(keep, targetOf(i))
		}
	}
	return pool.Prune(ctx, keep)
}
