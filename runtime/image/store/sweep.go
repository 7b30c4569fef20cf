package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	diskmount "workbench/runtime/mount"
)

// Sweep removes the layers from a node's root that its own disk leads to no more:
// containerd, which removed them, knows only the disk. Who calls it gives the node
// no image meanwhile.
func (n *Node) Sweep() error { return n.place.Sweep() }

// Sweep does so without asking containerd.
func (p Place) Sweep() error {
	layers := filepath.Join(stateDir, snapshotterDir(Overlay), "snapshots")
	if !exists(filepath.Join(p.Inside, layers+diskmount.Given)) {
		return nil // it has no disk of its own: containerd's layers are those of the root
	}
	given, err := os.ReadDir(filepath.Join(p.Root, layers))
	if err != nil {
		return fmt.Errorf("remove layers that nothing leads to: %w", err)
	}
	var errs []error
	for _, layer := range given {
		_, err := os.Lstat(filepath.Join(p.Inside, layers, layer.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			err = os.RemoveAll(filepath.Join(p.Root, layers, layer.Name()))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
