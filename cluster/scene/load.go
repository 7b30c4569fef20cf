package scene

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"workbench/cluster/layout"
)

// Loaded tells the next run of the lab which scene it begins with.
type Loaded struct {
	Name   string   `json:"name"`
	Faults []string `json:"faults,omitempty"`
}

// Load makes a scene the lab's directory. The lab must be down, and the scene
// verified. What the lab had is deleted once all of the scene is in its place.
func Load(place layout.Lab, m Manifest) error {
	fresh, old := filepath.Join(place.Dir(), ".scene-new"), filepath.Join(place.Dir(), ".scene-old")
	if err := load(place, m, fresh, old); err != nil {
		return errors.Join(fmt.Errorf("load scene %s: %w", m.Name, err), os.RemoveAll(fresh))
	}
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(old)); err != nil {
		return fmt.Errorf("load scene %s: %w", m.Name, err)
	}
	return nil
}

func load(place layout.Lab, m Manifest, fresh, old string) error {
	if err := recoverSwap(place, old); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o700)); err != nil {
		return err
	}
	c, err := newCopier(place.Images())
	if err != nil {
		return err
	}
	tree := filepath.Join(dirOf(place, m.Name), "tree")
	for _, part := range parts {
		if err := c.tree(filepath.Join(tree, part), filepath.Join(fresh, part), part); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(Loaded{Name: m.Name, Faults: m.Faults})
	if err != nil {
		return err
	}
	if err := layout.WriteFile(place.Loaded(), append(raw, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(old, 0o700); err != nil {
		return err
	}
	for _, part := range parts {
		err := os.Rename(filepath.Join(place.Dir(), part), filepath.Join(old, part))
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = os.Rename(filepath.Join(fresh, part), filepath.Join(place.Dir(), part))
		}
		if err != nil {
			return errors.Join(err, recoverSwap(place, old))
		}
	}
	return nil
}

// recoverSwap brings back what a load that was cut short had moved away.
func recoverSwap(place layout.Lab, old string) error {
	if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, part := range parts {
		moved := filepath.Join(old, part)
		if _, err := os.Lstat(moved); err != nil {
			continue
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(place.Dir(), part)), os.Rename(moved, filepath.Join(place.Dir(), part))); err != nil {
			return err
		}
	}
	return os.RemoveAll(old)
}

// TakeLoaded is the scene that the lab begins with, once; false when it begins as
// it ended.
func TakeLoaded(place layout.Lab) (Loaded, bool, error) {
	var l Loaded
	raw, err := os.ReadFile(place.Loaded())
	if errors.Is(err, fs.ErrNotExist) {
		return l, false, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &l)
	}
	if err := errors.Join(err, os.Remove(place.Loaded())); err != nil {
		return l, false, fmt.Errorf("read which scene was loaded: %w", err)
	}
	return l, true, nil
}
