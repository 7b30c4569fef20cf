package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Prune removes what belongs to none of the images that are to be kept, and of what
// was pulled, that which nobody has: neither a node nor a scene. It returns how many
// bytes of blobs that gave back. The caller holds the lock.
func (p *Pool) Prune(ctx context.Context, keep []ocispec.Descriptor) (int64, error) {
	blobs, layers := map[string]bool{}, map[string]bool{}
	for _, target := range keep {
		parts, err := p.Parts(ctx, target)
		if err != nil {
			return 0, fmt.Errorf("remove unused parts of images: %w", err)
		}
		for _, b := range parts.Blobs {
			blobs[b.Digest.Encoded()] = true
		}
		for at := range parts.Layers {
			layers[parts.chain(at).Encoded()] = true
		}
	}
	var freed int64
	errs := []error{p.sweep()}
	of := filepath.Join(p.dir, "blobs", digest.Canonical.String())
	entries, err := os.ReadDir(of)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, e := range entries {
		if blobs[e.Name()] {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			freed += info.Size()
		}
		errs = append(errs, os.RemoveAll(filepath.Join(of, e.Name())))
	}
	return freed, errors.Join(append(errs, p.pruneLayers(layers))...)
}

func (p *Pool) pruneLayers(keep map[string]bool) error {
	of := filepath.Join(p.dir, "layers")
	entries, err := os.ReadDir(of)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if keep[e.Name()] {
			continue
		}
		layer := filepath.Join(of, e.Name())
		used, err := linkedElsewhere(layer)
		if err == nil && !used {
			err = os.RemoveAll(layer)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// linkedElsewhere says whether a file of a tree has a name outside of it. A tree
// without files has none, and is made again as soon as removed.
func linkedElsewhere(dir string) (bool, error) {
	type file struct{ device, inode uint64 }
	outside := map[file]uint64{} // names that are not in the tree, as far as that was seen
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || st.Nlink == 1 {
			return nil
		}
		id := file{st.Dev, st.Ino}
		left, seen := outside[id]
		if !seen {
			left = uint64(st.Nlink) //nolint:unconvert // of another size elsewhere
		}
		if outside[id] = left - 1; left == 1 {
			delete(outside, id) // all its names are in the tree
		}
		return nil
	})
	return len(outside) > 0, err
}
