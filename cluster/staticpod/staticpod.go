// Package staticpod is the manifest directory of a node: its kubelet runs the pods
// of the files in it without asking the API, and shows each there as a mirror pod.
package staticpod

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"workbench/cluster/layout"
)

// Dir is the directory in a node's root.
const Dir = "/etc/kubernetes/manifests"

// Manifest is one file of the directory.
type Manifest struct {
	File string
	// Namespace and Pod as the file has them; "" where it is no pod.
	Namespace, Pod string
	// Problem is why the kubelet cannot take it, or "".
	Problem string
}

// Mirror is the key (namespace/name) of the mirror pod on a node: the kubelet adds
// the node's name (GeneratePodName in pkg/kubelet/config/common.go).
func (m Manifest) Mirror(node string) string { return m.Namespace + "/" + m.Pod + "-" + node }

// List reads a manifest directory; the files are sorted by name. The kubelet leaves
// out directories and what begins with a dot, and so does List.
func List(dir string) ([]Manifest, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	var out []Manifest
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list manifests: %w", err)
		}
		m := parse(raw)
		m.File = e.Name()
		out = append(out, m)
	}
	return out, nil
}

// parse reads as much of a manifest as names its pod.
func parse(raw []byte) Manifest {
	var pod struct {
		Kind     string `yaml:"kind"`
		Metadata struct {
			Name      string `yaml:"name"`
			Namespace string `yaml:"namespace"`
		} `yaml:"metadata"`
	}
	switch err := yaml.Unmarshal(raw, &pod); {
	case err != nil:
		return Manifest{Problem: "not YAML: " + strings.ReplaceAll(err.Error(), "\n", " ")}
	case pod.Kind != "Pod":
		return Manifest{Problem: "not a Pod: kind is " + cmp.Or(pod.Kind, "missing")}
	case pod.Metadata.Name == "":
		return Manifest{Problem: "metadata.name is missing"}
	}
	return Manifest{Namespace: cmp.Or(pod.Metadata.Namespace, "default"), Pod: pod.Metadata.Name}
}

// Add copies a file into a manifest directory, under its own name, so that the
// kubelet sees it whole. A file of that name is replaced.
func Add(dir, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("add manifest: %w", err)
	}
	if m := parse(raw); m.Problem != "" {
		return fmt.Errorf("add manifest %s: %s; the kubelet would not run it", file, m.Problem)
	}
	name := filepath.Base(file)
	if strings.HasPrefix(name, ".") {
		return fmt.Errorf("add manifest %s: the kubelet leaves out files that begin with a dot", file)
	}
	return layout.WriteFile(filepath.Join(dir, name), raw, 0o600)
}

// Remove deletes a file of a manifest directory; the kubelet then ends its pod.
func Remove(dir, file string) error {
	if file != filepath.Base(file) || file == "." || file == ".." {
		return fmt.Errorf("remove manifest %q: want the name of a file, without a directory", file)
	}
	err := os.Remove(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove manifest: there is no %s in %s", file, dir)
	}
	return err
}
