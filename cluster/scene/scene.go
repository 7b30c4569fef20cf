// Package scene keeps a whole lab as of one instant on disk and brings it back:
// etcd's data, the nodes' file systems with their images and containers,
// certificates, and which faults were on.
//
//	<lab>/scenes/<name>/
//	  manifest.json    what it is, and every file with its size and sum
//	  tree/            lab.json  pki/  nodes/
//
// What never changes once written, layers and blobs of images, are hard links;
// all else is copied, without its holes. The caller sees to it that nothing writes
// meanwhile. A scene is read through before anything of a lab is touched.
package scene

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"workbench/cluster/layout"
)

// format of a manifest; another one is refused.
const format = 1

// Manifest says what a scene is.
type Manifest struct {
	Format     int       `json:"format"`
	Name       string    `json:"name"`
	Lab        string    `json:"lab"`
	Saved      time.Time `json:"saved"`
	Kubernetes string    `json:"kubernetes"`
	Nodes      []string  `json:"nodes"`
	// Faults were on, in the grammar of the command line.
	Faults []string `json:"faults,omitempty"`
	// Copied and Linked are bytes of files.
	Copied int64  `json:"copied"`
	Linked int64  `json:"linked"`
	Files  []File `json:"files"`
}

// File is one regular file of a scene.
type File struct {
	Path string `json:"path"` // below tree
	Size int64  `json:"size"`
	// Sum is of its content; "" for one that is a hard link of an image's.
	Sum string `json:"sum,omitempty"`
}

// About is what the caller knows of the lab.
type About struct {
	Kubernetes string
	Nodes      []string
	Faults     []string
	At         time.Time
}

// Errors of scenes, for callers to tell apart.
var (
	ErrExists  = errors.New("there is a scene of that name")
	ErrNone    = errors.New("there is no such scene")
	ErrDamaged = errors.New("the scene is damaged")
)

var valid = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// CheckName is why a name cannot be a scene's; nil when it can.
func CheckName(name string) error {
	if !valid.MatchString(name) {
		return fmt.Errorf("scene %q: a name is 1 to 40 small letters, digits and dashes, such as before-the-upgrade", name)
	}
	return nil
}

// parts are what a scene has of a lab's directory.
var parts = []string{"lab.json", "pki", "nodes"}

func dirOf(place layout.Lab, name string) string { return filepath.Join(place.Scenes(), name) }

// Save keeps the lab as it is on disk. Nothing may write to it meanwhile. With
// replace a scene of that name gives way once the new one is whole.
func Save(place layout.Lab, name string, about About, replace bool) (Manifest, error) {
	m := Manifest{
		Format: format, Name: name, Lab: place.Name, Saved: about.At.UTC(), Kubernetes: about.Kubernetes, Nodes: about.Nodes, Faults: about.Faults,
	}
	if err := CheckName(name); err != nil {
		return m, err
	}
	if _, err := os.Stat(dirOf(place, name)); err == nil && !replace {
		return m, fmt.Errorf("save scene %s: %w", name, ErrExists)
	}
	fresh := filepath.Join(place.Scenes(), ".new")
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(filepath.Join(fresh, "tree"), 0o700)); err != nil {
		return m, fmt.Errorf("save scene %s: %w", name, err)
	}
	if err := m.fill(place, fresh); err != nil {
		return m, errors.Join(fmt.Errorf("save scene %s: %w", name, err), os.RemoveAll(fresh))
	}
	if err := errors.Join(os.RemoveAll(dirOf(place, name)), os.Rename(fresh, dirOf(place, name))); err != nil {
		return m, fmt.Errorf("save scene %s: %w", name, err)
	}
	return m, nil
}

// fill makes a scene's tree and manifest.
func (m *Manifest) fill(place layout.Lab, dir string) error {
	c, err := newCopier(place.Images())
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := c.tree(filepath.Join(place.Dir(), part), filepath.Join(dir, "tree", part), part); err != nil {
			return err
		}
	}
	m.Files, m.Copied, m.Linked = c.files, c.copied, c.linked
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return layout.WriteFile(filepath.Join(dir, "manifest.json"), append(raw, '\n'), 0o600)
}

// Open reads a scene's manifest.
func Open(place layout.Lab, name string) (Manifest, error) {
	var m Manifest
	if err := CheckName(name); err != nil {
		return m, err
	}
	raw, err := os.ReadFile(filepath.Join(dirOf(place, name), "manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dirOf(place, name)); err == nil {
			return m, fmt.Errorf("scene %s: %w: it has no manifest; delete it with: workbench scene rm %s", name, ErrDamaged, name)
		}
		return m, fmt.Errorf("scene %s: %w; see: workbench scene list", name, ErrNone)
	}
	if err != nil {
		return m, fmt.Errorf("read scene %s: %w", name, err)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("scene %s: %w: its manifest cannot be read: %w", name, ErrDamaged, err)
	}
	switch {
	case m.Format != format:
		return m, fmt.Errorf("scene %s is of format %d, and this workbench reads %d; save it again with this one", name, m.Format, format)
	case m.Lab != place.Name || m.Name != name:
		return m, fmt.Errorf("scene %s: %w: its manifest is that of scene %s of lab %s", name, ErrDamaged, m.Name, m.Lab)
	}
	return m, nil
}

// Verify reads all of a scene and compares it with its manifest.
func Verify(place layout.Lab, m Manifest) error {
	tree := filepath.Join(dirOf(place, m.Name), "tree")
	for _, f := range m.Files {
		path := filepath.Join(tree, f.Path)
		info, err := os.Lstat(path)
		if err != nil {
			return fmt.Errorf("scene %s: %w: %s is gone", m.Name, ErrDamaged, f.Path)
		}
		if info.Size() != f.Size {
			return fmt.Errorf("scene %s: %w: %s has %d bytes in place of %d", m.Name, ErrDamaged, f.Path, info.Size(), f.Size)
		}
		if f.Sum == "" {
			continue
		}
		sum, err := sumOf(path)
		if err != nil {
			return fmt.Errorf("read scene %s: %w", m.Name, err)
		}
		if sum != f.Sum {
			return fmt.Errorf("scene %s: %w: the content of %s changed", m.Name, ErrDamaged, f.Path)
		}
	}
	return nil
}

// List are the manifests of all scenes of a lab, oldest first; damaged are the
// names of those that cannot be read.
func List(place layout.Lab) (scenes []Manifest, damaged []string, err error) {
	entries, err := os.ReadDir(place.Scenes())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("list scenes: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		m, err := Open(place, e.Name())
		if err != nil {
			damaged = append(damaged, e.Name())
			continue
		}
		scenes = append(scenes, m)
	}
	slices.SortFunc(scenes, func(a, b Manifest) int { return a.Saved.Compare(b.Saved) })
	return scenes, damaged, nil
}

// Remove deletes a scene, also a damaged one.
func Remove(place layout.Lab, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if _, err := os.Stat(dirOf(place, name)); err != nil {
		return fmt.Errorf("scene %s: %w; see: workbench scene list", name, ErrNone)
	}
	if err := os.RemoveAll(dirOf(place, name)); err != nil {
		return fmt.Errorf("delete scene %s: %w", name, err)
	}
	return nil
}
