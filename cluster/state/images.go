package state

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"workbench/cluster/event"
)

// Bounds of what a world keeps of images. The oldest go first.
const (
	MaxPulls        = 128 // downloads under way
	MaxPullFailures = 64  // images
)

// Images are what nodes have, and what they pull.
type Images struct {
	// Nodes are the images of each node, as its containerd last told.
	Nodes map[string]event.NodeImages `json:"nodes,omitempty"`
	// Loaded into the lab in this run, by name.
	Loaded map[string]event.ImageLoaded `json:"loaded,omitempty"`
	// Pulls are downloads that take long, by the part's name.
	Pulls map[string]Pull `json:"pulls,omitempty"`
	// Failures are the last failed pulls, by the image's name.
	Failures map[string]PullFailure `json:"failures,omitempty"`
}

// Pull is a download under way.
type Pull struct {
	event.ImageProgress
	At time.Time `json:"at"` // when it was last told
}

// PullFailure is why an image could not be pulled.
type PullFailure struct {
	event.ImagePull
	At    time.Time `json:"at"`
	Count int       `json:"count"` // since the last success
}

func (i *Images) apply(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.NodeImages:
		mk(&i.Nodes)
		for _, image := range b.Images {
			// A node that has it now has got it after all, from wherever.
			if f, ok := i.Failures[image.Name]; ok && f.Node == b.Node && !i.has(b.Node, image.Name) {
				delete(i.Failures, image.Name)
			}
		}
		i.Nodes[b.Node] = b
	case event.ImageLoaded:
		mk(&i.Loaded)
		i.Loaded[b.Name] = b
		delete(i.Failures, b.Name)
	case event.ImageRemoved:
		delete(i.Loaded, b.Name)
	case event.ImageProgress:
		mk(&i.Pulls)
		if _, ok := i.Pulls[b.Image]; !ok && len(i.Pulls) >= MaxPulls {
			dropOldest(i.Pulls, func(p Pull) time.Time { return p.At })
		}
		i.Pulls[b.Image] = Pull{b, at}
	case event.ImagePull:
		i.pulled(at, b)
	}
}

// has says that a node has an image of a name.
func (i *Images) has(node, name string) bool {
	return slices.ContainsFunc(i.Nodes[node].Images, func(have event.NodeImage) bool { return have.Name == name })
}

// pulled folds the end of a download. A manifest that comes again after a failure
// is another try, which the failure of before says nothing of.
func (i *Images) pulled(at time.Time, b event.ImagePull) {
	delete(i.Pulls, b.Image)
	name := cmp.Or(b.Of, b.Image) // of a build of before
	if b.Error == "" {
		if b.Part == "manifest" {
			delete(i.Failures, name)
		}
		return
	}
	mk(&i.Failures)
	was, ok := i.Failures[name]
	if !ok && len(i.Failures) >= MaxPullFailures {
		dropOldest(i.Failures, func(f PullFailure) time.Time { return f.At })
	}
	i.Failures[name] = PullFailure{b, at, was.Count + 1}
}

// ImageRow is an image by one name and digest, of all nodes that have it; or one
// that is only pulled, or failed to be, so far.
type ImageRow struct {
	event.NodeImage
	// On are the nodes that have it, sorted; Shared is that of the node with the
	// least.
	On []string
	// Pulls are its parts that come, by name, and Failure is why it did not come.
	Pulls   []Pull
	Failure *PullFailure
}

// Rows are all images, by name.
func (i *Images) Rows() []ImageRow {
	rows := map[string]*ImageRow{}
	named := map[string]*ImageRow{} // the first by name
	add := func(key, name string, one event.NodeImage) *ImageRow {
		if rows[key] == nil {
			rows[key] = &ImageRow{NodeImage: one}
			if named[name] == nil {
				named[name] = rows[key]
			}
		}
		return rows[key]
	}
	for _, node := range slices.Sorted(maps.Keys(i.Nodes)) {
		for _, image := range i.Nodes[node].Images {
			r := add(image.Name+" "+image.Digest, image.Name, image)
			r.On, r.Shared = append(r.On, node), min(r.Shared, image.Shared)
		}
	}
	of := func(name string) *ImageRow {
		if named[name] != nil {
			return named[name]
		}
		return add(name+" ", name, event.NodeImage{Name: name})
	}
	for _, name := range slices.Sorted(maps.Keys(i.Loaded)) {
		if r := of(name); len(r.On) == 0 {
			l := i.Loaded[name]
			r.Digest, r.Bytes, r.From = l.Digest, l.Bytes, l.Source
		}
	}
	for _, part := range slices.Sorted(maps.Keys(i.Pulls)) {
		p := i.Pulls[part]
		r := of(p.Of)
		r.Pulls = append(r.Pulls, p)
	}
	for _, name := range slices.Sorted(maps.Keys(i.Failures)) {
		f := i.Failures[name]
		of(name).Failure = &f
	}
	var out []ImageRow
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, *rows[key])
	}
	return out
}
