package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"workbench/runtime/image/store"
)

// TestLayersAreAskedFor has layers unpacked, with each end that may have.
func TestLayersAreAskedFor(t *testing.T) {
	n := newNode(t, nil)
	layer := []byte("a layer")
	d := digest.FromBytes(layer)
	if err := n.cache.put(d, layer); err != nil {
		t.Fatal(err)
	}
	want := store.Pulled{Upper: "/var/lib/containerd/x/7/fs", Layers: []store.Packed{{Blob: d, DiffID: digest.FromString("unpacked")}}}
	n.unpack = func(node string, got store.Pulled, blobs store.Blobs) error {
		if diff := cmp.Diff(want, got); diff != "" || node != "w1" {
			t.Errorf("of %s (-want +got):\n%s", node, diff)
		}
		f, err := blobs(d)
		if err != nil {
			return err
		}
		defer f.Close()
		if raw, err := io.ReadAll(f); err != nil || string(raw) != string(layer) {
			t.Errorf("the blob is %q, %v", raw, err)
		}
		if _, err := blobs(digest.FromString("another")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a blob that is not there: %v", err)
		}
		return nil
	}
	layers := NewLayers("http://"+n.address, "secret")
	if err := layers.Ask(t.Context(), want); err != nil {
		t.Error(err)
	}
	n.unpack = func(string, store.Pulled, store.Blobs) error {
		return fmt.Errorf("%w: %w", store.ErrUnshared, errors.New("not in the cache"))
	}
	if err := layers.Ask(t.Context(), want); !errors.Is(err, store.ErrUnshared) || err.Error() != "the layer is not shared: not in the cache" {
		t.Errorf("one that is not shared: %v", err)
	}
	n.unpack = func(string, store.Pulled, store.Blobs) error { return errors.New("half of it is written") }
	if err := layers.Ask(t.Context(), want); errors.Is(err, store.ErrUnshared) || !strings.Contains(fmt.Sprint(err), "half of it is written") {
		t.Errorf("one that failed: %v", err)
	}
	if err := NewLayers("http://"+n.address, "guessed").Ask(t.Context(), want); err == nil || errors.Is(err, store.ErrUnshared) {
		t.Errorf("without the token: %v", err)
	}
	if err := NewLayers("http://127.0.0.1:1", "secret").Ask(t.Context(), want); !errors.Is(err, store.ErrUnshared) {
		t.Errorf("when nobody is there: %v", err)
	}
}

// TestCloseWaitsForLayers ends a server while a layer is unpacked.
func TestCloseWaitsForLayers(t *testing.T) {
	n := newNode(t, nil)
	begun, ended := make(chan struct{}), false
	n.cfg.Unpack = func(ctx context.Context, _ string, _ store.Pulled, _ store.Blobs) error {
		close(begun)
		<-ctx.Done()
		ended = true
		return ctx.Err()
	}
	asked := make(chan error, 1)
	go func() { asked <- NewLayers("http://"+n.address, "secret").Ask(context.Background(), store.Pulled{}) }()
	<-begun
	if err := n.Close(); err != nil || !ended {
		t.Errorf("closed: %v, the layer's end awaited: %v", err, ended)
	}
	if err := <-asked; err == nil {
		t.Error("it was unpacked")
	}
	if n.begin() {
		t.Error("work begins after the end")
	}
}
