package supervisor

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/state"
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

// StoppedImages are those of a lab that does not run, as far as that is known: what
// was loaded into it.
func StoppedImages(place layout.Lab) (api.ImageList, error) {
	if _, err := place.Load(); err != nil {
		return api.ImageList{}, err
	}
	loaded, err := place.LoadedImages()
	return imageList(nil, loaded), err
}

// imageList puts together what nodes hold. Of a name that means another image on
// another node there is one for each.
func imageList(held map[string][]event.NodeImage, loaded []event.ImageLoaded) api.ImageList {
	nodes := map[string]event.NodeImages{}
	for node, images := range held {
		nodes[node] = event.NodeImages{Node: node, Images: images}
	}
	list := api.ImageList{Images: []api.Image{}, Workers: slices.AppendSeq([]string{}, maps.Keys(held))}
	slices.Sort(list.Workers)
	for _, r := range (&state.Images{Nodes: nodes}).Rows() {
		list.Images = append(list.Images, api.Image{
			Name: r.Name, Digest: r.Digest, Bytes: r.Bytes, Layers: r.Layers, Shared: r.Shared, From: cmp.Or(r.From, "pulled"), Nodes: r.On,
		})
	}
	for _, l := range loaded {
		if !slices.ContainsFunc(list.Images, func(i api.Image) bool { return i.Name == l.Name && i.Digest == l.Digest }) {
			list.Images = append(list.Images, api.Image{Name: l.Name, Digest: l.Digest, Bytes: l.Bytes, From: l.Source, Nodes: []string{}})
		}
	}
	slices.SortFunc(list.Images, func(a, b api.Image) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest))
	})
	return list
}
