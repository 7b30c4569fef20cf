package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/cluster/plan"
	"workbench/runtime/image"
	"workbench/runtime/image/store"
)

// images serialises what is done to the images of one node.
type images struct {
	mu    sync.Mutex
	turns map[string]*sync.Mutex
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
	n, err := store.OpenNode(fmt.Sprintf("/proc/%d/root%s", m.handle.PID, plan.ContainerdSocket), s.place.Root(name), fmt.Sprintf("/proc/%d/root", m.handle.PID))
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
			return errors.Join(s.setGone(ctx, name, n, gone), giveAll(ctx, n, pool, loaded, gone))
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
			errs = append(errs, n.Give(ctx, pool, i.Name, targetOf(i)))
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
		return struct{}{}, n.Give(ctx, pool, i.Name, targetOf(i))
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
	if strings.HasPrefix(i.Name, image.Domain+"/") {
		return fmt.Errorf("load %s: %s is the name of the images that come with the workbench; give it another with --tag", i.Name, image.Domain)
	}
	return nil
}

// listImages prints who has which image, as the nodes say.
func (o *operation) listImages(ctx context.Context) error {
	loaded, err := o.place.LoadedImages()
	if err != nil {
		return err
	}
	have, failed := onWorkers(o.Supervisor, func(_ string, n *store.Node) ([]store.Held, error) { return n.Images(ctx) })
	held := map[string]map[string]store.Held{} // by name, by node
	for node, images := range have {
		for _, h := range images {
			if held[h.Name] == nil {
				held[h.Name] = map[string]store.Held{}
			}
			held[h.Name][node] = h
		}
	}
	for _, i := range loaded {
		if held[i.Name] == nil {
			held[i.Name] = map[string]store.Held{}
		}
	}
	var out strings.Builder
	tw := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "IMAGE\tDIGEST\tSIZE\tFROM\tNODES")
	for _, name := range slices.Sorted(maps.Keys(held)) {
		fmt.Fprintln(tw, imageRow(name, held[name], loaded, len(have)))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), "\n") {
		o.tell(line)
	}
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		o.tell(fmt.Sprintf("%s cannot be asked: %v", name, failed[name]))
	}
	return nil
}

// imageRow is a line on an image: what the nodes have, or what they are to have.
func imageRow(name string, on map[string]store.Held, loaded []event.ImageLoaded, nodes int) string {
	from, sum, size := "pulled", "", int64(0)
	var shown string
	for _, node := range slices.Sorted(maps.Keys(on)) {
		if sum == "" {
			sum, size = on[node].Digest, on[node].Size
		}
	}
	if strings.HasPrefix(name, image.Domain+"/") {
		from = "workbench"
	}
	for _, i := range loaded {
		if i.Name == name {
			from, sum, size = i.Source, i.Digest, i.Bytes
		}
	}
	switch names := slices.Sorted(maps.Keys(on)); {
	case len(names) == nodes:
		shown = "all"
	case len(names) == 0:
		shown = "none"
	default:
		shown = strings.Join(names, ",")
	}
	_, short, _ := strings.Cut(sum, ":")
	return fmt.Sprintf("%s\t%.12s\t%s\t%s\t%s", name, short, member.Bytes(size), from, shown)
}

// removeImage removes an image from the lab and from its nodes.
func (o *operation) removeImage(ctx context.Context) error {
	name, err := store.Normalise(o.Target)
	if err != nil {
		return err
	}
	o.Target = name
	if strings.HasPrefix(name, image.Domain+"/") {
		return fmt.Errorf("remove %s: it comes with the workbench, and cannot be removed", name)
	}
	if err := o.refuseUsed(ctx, name); err != nil {
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

// refuseUsed refuses to remove what pods use: one that is started again there could
// not get it.
func (o *operation) refuseUsed(ctx context.Context, name string) error {
	users, _ := onWorkers(o.Supervisor, func(_ string, n *store.Node) ([]string, error) { return n.Users(ctx, name) })
	var used []string
	for node, pods := range users {
		for _, pod := range pods {
			used = append(used, pod+" on "+node)
		}
	}
	if len(used) == 0 || o.Yes {
		return nil
	}
	slices.Sort(used)
	return fmt.Errorf("remove %s: in use by %s; delete the pods first, or remove it all the same with --force", name, strings.Join(used, ", "))
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
