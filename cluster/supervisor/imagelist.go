package supervisor

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/runtime/image/store"
)

// Images implements api.Imager: what the workers say that they have, and what was
// loaded and none of them has.
func (s *Supervisor) Images(ctx context.Context) (api.ImageList, error) {
	loaded, err := s.place.LoadedImages()
	if err != nil {
		return api.ImageList{}, err
	}
	held, failed := onWorkers(s, func(_ string, n *store.Node) ([]event.NodeImage, error) { return n.List(ctx) })
	list := imageList(held, loaded)
	for node, err := range failed {
		if list.Unasked == nil {
			list.Unasked = map[string]string{}
		}
		list.Unasked[node] = err.Error()
	}
	return list, nil
}

// imageList puts together what nodes hold. Of a name that means another image on
// another node there is one for each.
func imageList(held map[string][]event.NodeImage, loaded []event.ImageLoaded) api.ImageList {
	type key struct{ name, digest string }
	all := map[key]*api.Image{}
	workers := slices.Sorted(maps.Keys(held))
	for _, node := range workers {
		for _, h := range held[node] {
			at := key{h.Name, h.Digest}
			i := all[at]
			if i == nil {
				i = &api.Image{Name: h.Name, Digest: h.Digest, Bytes: h.Bytes, Layers: h.Layers, Shared: h.Shared, From: cmp.Or(h.From, "pulled")}
				all[at] = i
			}
			i.Shared = min(i.Shared, h.Shared)
			i.Nodes = append(i.Nodes, node)
		}
	}
	for _, l := range loaded {
		if at := (key{l.Name, l.Digest}); all[at] == nil {
			all[at] = &api.Image{Name: l.Name, Digest: l.Digest, Bytes: l.Bytes, From: l.Source, Nodes: []string{}}
		}
	}
	list := api.ImageList{Images: []api.Image{}, Workers: workers}
	for _, i := range all {
		list.Images = append(list.Images, *i)
	}
	slices.SortFunc(list.Images, func(a, b api.Image) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest))
	})
	return list
}
