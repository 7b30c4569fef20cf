package supervisor

import (
	"context"
	"fmt"

	"workbench/runtime/image/store"
)

// unpackLayer unpacks a layer that a node has pulled, once for all nodes, and links
// it into the node. What goes wrong before anything is written there is
// store.ErrUnshared.
func (s *Supervisor) unpackLayer(ctx context.Context, u *store.Unpacker, node string, want store.Pulled, blobs store.Blobs) error {
	m, err := s.machine(node)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnshared, err)
	}
	linking := false
	err = u.Use(ctx, want.Layers, blobs, func(layer string) error {
		packed, err := blobs(want.Layers[len(want.Layers)-1].Blob)
		if err != nil {
			return err
		}
		defer packed.Close()
		// Layers that nothing leads to are swept meanwhile otherwise.
		turn := s.images.turn(node)
		turn.Lock()
		defer turn.Unlock()
		linking = true
		return s.imagePlace(m).Link(layer, want, packed)
	})
	if err != nil && !linking {
		return fmt.Errorf("%w: %w", store.ErrUnshared, err)
	}
	return err
}
