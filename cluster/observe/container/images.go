package container

import (
	"context"
	"slices"
	"time"

	"workbench/cluster/event"
)

// Images tells what images a node has, at first and whenever that changes.
type Images struct {
	Node   string
	Events Subscriber
	// List is what there is now.
	List func(ctx context.Context) ([]event.NodeImage, error)
	Emit func(at time.Time, body event.Body)
}

// settle is how long it has to be silent: a pull gives an image several names.
const settle = 100 * time.Millisecond

// maxImages bounds what is told of a node.
const maxImages = 200

// Run tells until ctx ends.
func (i *Images) Run(ctx context.Context) {
	stream, failed := i.Events.Subscribe(ctx, `topic~="^/images/",namespace==`+Namespace)
	var told []event.NodeImage
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	for first := true; ; {
		select {
		case <-stream:
			quiet.Reset(settle)
		case <-quiet.C:
			list, err := i.List(ctx)
			if err != nil || !first && slices.Equal(list, told) {
				continue // of an error containerd's log tells
			}
			first, told = false, list
			i.Emit(time.Now(), event.NodeImages{Node: i.Node, Images: list[:min(len(list), maxImages)], Unlisted: max(0, len(list)-maxImages)})
		case <-failed:
			return
		}
	}
}
