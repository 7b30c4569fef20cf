package pki_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workbench/cluster/pki"
)

// lab is a configuration in a temporary directory, with files looked up by
// paths below it: "pki/..." for the lab, "c1/etc/kubernetes/..." for nodes.
type lab struct {
	t   *testing.T
	dir string
	pki.Config
}

func newLab(t *testing.T) *lab {
	dir := t.TempDir()
	return &lab{t: t, dir: dir, Config: config(dir)}
}

// config is a lab of three control planes and three workers.
func config(dir string) pki.Config {
	cfg := pki.Config{
		Dir:          filepath.Join(dir, "pki"),
		ServiceIP:    "10.96.0.1",
		Domain:       "cluster.local",
		APIServerURL: "https://127.0.0.1:40123",
		Cluster:      "dev",
	}
	for i, name := range []string{"c1", "c2", "c3", "w1", "w2", "w3"} {
		cfg.Nodes = append(cfg.Nodes, pki.Node{
			Name: name, IP: fmt.Sprintf("10.88.0.%d", i+1), ControlPlane: i < 3, Root: filepath.Join(dir, name),
		})
	}
	return cfg
}

func (l *lab) ensure() {
	l.t.Helper()
	if err := pki.Ensure(l.t.Context(), l.Config); err != nil {
		l.t.Fatal(err)
	}
}

// refused runs Ensure, which must fail with an error that has all the words.
func (l *lab) refused(words ...string) {
	l.t.Helper()
	err := pki.Ensure(l.t.Context(), l.Config)
	if err == nil {
		l.t.Fatal("Ensure succeeded")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			l.t.Errorf("error does not say %q: %v", w, err)
		}
	}
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) read(name string) []byte {
	l.t.Helper()
	data, err := os.ReadFile(l.path(name))
	if err != nil {
		l.t.Fatal(err)
	}
	return data
}

func (l *lab) write(name, data string) {
	l.t.Helper()
	if err := os.WriteFile(l.path(name), []byte(data), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) remove(name string) {
	l.t.Helper()
	if err := os.Remove(l.path(name)); err != nil {
		l.t.Fatal(err)
	}
}

// file is what must not change when nothing has to.
type file struct {
	data    string
	mode    fs.FileMode
	changed time.Time
}

func (l *lab) files() map[string]file {
	l.t.Helper()
	files := map[string]file{}
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(l.dir, path)
		files[name] = file{string(data), info.Mode(), info.ModTime()}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return files
}

// changes runs Ensure and returns which files it made, changed or removed.
func (l *lab) changes() map[string]bool {
	l.t.Helper()
	before := l.files()
	l.ensure()
	after := l.files()
	changed := map[string]bool{}
	for name, f := range after {
		if before[name] != f {
			changed[name] = true
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			changed[name] = true
		}
	}
	return changed
}
