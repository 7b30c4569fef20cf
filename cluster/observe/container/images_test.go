package container_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/containerd/v2/core/events"
	"github.com/google/go-cmp/cmp"

	"workbench/cluster/event"
	"workbench/cluster/observe/container"
)

// changes is a source of events that says only that there was one.
type changes chan *events.Envelope

func (c changes) Subscribe(ctx context.Context, _ ...string) (<-chan *events.Envelope, <-chan error) {
	failed := make(chan error)
	context.AfterFunc(ctx, func() { close(failed) })
	return c, failed
}

// TestImagesAreToldWhenTheyChange gives an image its three names, and changes what
// changes nothing.
func TestImagesAreToldWhenTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := changes(make(chan *events.Envelope))
		ctx, stop := context.WithCancel(t.Context())
		pause, app := event.NodeImage{Name: "pause"}, event.NodeImage{Name: "app"}
		have, asked := []event.NodeImage{pause}, 0
		var told []event.Body
		images := container.Images{
			Node: "w1", Events: source, Emit: func(_ time.Time, b event.Body) { told = append(told, b) },
			List: func(context.Context) ([]event.NodeImage, error) { asked++; return have, nil },
		}
		ended := make(chan struct{})
		go func() { defer close(ended); images.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		have = []event.NodeImage{app, pause}
		for range 3 {
			source <- &events.Envelope{}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		source <- &events.Envelope{}
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		<-ended
		want := []event.Body{event.NodeImages{Node: "w1", Images: []event.NodeImage{pause}}, event.NodeImages{Node: "w1", Images: []event.NodeImage{app, pause}}}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Error(diff)
		}
		if asked != 3 {
			t.Errorf("the images were listed %d times, want 3", asked)
		}
	})
}
