package scene_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/layout"
	"workbench/cluster/scene"
)

// lab is a lab on disk with one node: a layer shared with an image store, a
// database, a log with a hole, a link.
func lab(t *testing.T) layout.Lab {
	t.Helper()
	place := layout.Lab{State: t.TempDir(), Name: "lab"}
	write(t, place.File(), "{}")
	write(t, filepath.Join(place.PKI(), "ca.crt"), "authority")
	layer, db := filepath.Join(place.Images(), "golden/layer"), filepath.Join(place.Images(), "golden/meta.db")
	write(t, layer, "a layer that nobody writes to")
	write(t, db, "a database")
	root := place.Root("c1")
	if err := os.MkdirAll(filepath.Join(root, "var"), 0o750); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{layer: "layer", db: "meta.db"} {
		if err := os.Link(from, filepath.Join(root, "var", to)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/run", filepath.Join(root, "var/run")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "var/etcd.wal"), "record")
	if err := os.Truncate(filepath.Join(root, "var/etcd.wal"), 16<<20); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(root, "var/fifo"), 0o640); err != nil {
		t.Fatal(err)
	}
	return place
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func stat(t *testing.T, file string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Lstat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

func about() scene.About {
	return scene.About{Kubernetes: "v1.37.2", Nodes: []string{"c1"}, Faults: []string{"cut c1 w1"}, At: time.Unix(1_800_000_000, 0)}
}

func TestSaveAndLoad(t *testing.T) {
	place := lab(t)
	m, err := scene.Save(place, "first", about(), false)
	if err != nil {
		t.Fatal(err)
	}
	if m.Linked != int64(len("a layer that nobody writes to")) || m.Copied == 0 || m.Copied > 1<<20 {
		t.Errorf("linked %d, copied %d bytes", m.Linked, m.Copied)
	}
	var at = filepath.Join(place.Root("c1"), "var")
	// What the lab does afterwards, also in place, is not in the scene.
	write(t, filepath.Join(at, "etcd.wal"), "another")
	write(t, filepath.Join(at, "meta.db"), "b database")
	write(t, filepath.Join(place.Root("w1"), "new"), "node")
	if err := os.Chmod(at, 0o700); err != nil {
		t.Fatal(err)
	}
	opened, err := scene.Open(place, "first")
	if err != nil {
		t.Fatal(err)
	}
	if err := scene.Verify(place, opened); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as often as wanted
		if err := scene.Load(place, opened); err != nil {
			t.Fatal(err)
		}
		if log := read(t, filepath.Join(at, "etcd.wal")); len(log) != 16<<20 || !bytes.HasPrefix(log, []byte("record\x00")) {
			t.Errorf("the log has %d bytes, %q", len(log), log[:8])
		}
		if got := string(read(t, filepath.Join(at, "meta.db"))); got != "a database" {
			t.Errorf("the database is %q", got)
		}
		write(t, filepath.Join(at, "meta.db"), "c database")
	}
	if _, err := os.Stat(place.Root("w1")); err == nil {
		t.Error("a node that was added later is still there")
	}
	if st := stat(t, at); st.Mode&0o777 != 0o750 {
		t.Errorf("mode %o", st.Mode)
	}
	if stat(t, filepath.Join(at, "layer")).Ino != stat(t, filepath.Join(place.Images(), "golden/layer")).Ino {
		t.Error("the layer is a copy")
	}
	if st := stat(t, filepath.Join(at, "fifo")); st.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		t.Errorf("the pipe is of mode %o", st.Mode)
	}
	if leads, err := os.Readlink(filepath.Join(at, "run")); err != nil || leads != "/run" {
		t.Errorf("the link leads to %q, %v", leads, err)
	}
	loaded, ok, err := scene.TakeLoaded(place)
	if err != nil || !ok || loaded.Name != "first" || strings.Join(loaded.Faults, "") != "cut c1 w1" {
		t.Errorf("loaded %+v, %v, %v", loaded, ok, err)
	}
	if _, ok, err := scene.TakeLoaded(place); ok || err != nil {
		t.Errorf("loaded twice: %v, %v", ok, err)
	}
}

func TestADamagedSceneIsRefused(t *testing.T) {
	place := lab(t)
	dir := filepath.Join(place.Scenes(), "s")
	for what, damage := range map[string]func(){
		"content":        func() { write(t, filepath.Join(dir, "tree/pki/ca.crt"), "forgery!!") },
		"ca.crt is gone": func() { _ = os.Remove(filepath.Join(dir, "tree/pki/ca.crt")) },
		"bytes in place": func() { write(t, filepath.Join(dir, "tree/lab.json"), "{}{}") },
		"no manifest":    func() { _ = os.Remove(filepath.Join(dir, "manifest.json")) },
		"cannot be read": func() { write(t, filepath.Join(dir, "manifest.json"), "{") },
		"is of format 7": func() { write(t, filepath.Join(dir, "manifest.json"), `{"format":7}`) },
	} {
		if _, err := scene.Save(place, "s", about(), true); err != nil {
			t.Fatal(err)
		}
		damage()
		m, err := scene.Open(place, "s")
		if err == nil {
			err = scene.Verify(place, m)
		}
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	write(t, filepath.Join(dir, "manifest.json"), "{")
	if all, damaged, err := scene.List(place); err != nil || len(damaged) != 1 || len(all) != 0 {
		t.Errorf("scenes %v, damaged %v, %v", all, damaged, err)
	}
	if err := scene.Remove(place, "s"); err != nil {
		t.Error(err)
	}
	if _, err := scene.Open(place, "s"); !errors.Is(err, scene.ErrNone) {
		t.Errorf("after it was deleted: %v", err)
	}
}

func TestScenesAreNotReplacedByAccident(t *testing.T) {
	place := lab(t)
	for range 2 {
		_, err := scene.Save(place, "s", about(), false)
		if err != nil && !errors.Is(err, scene.ErrExists) {
			t.Fatal(err)
		}
	}
	if _, err := scene.Save(place, "s", about(), false); !errors.Is(err, scene.ErrExists) {
		t.Errorf("a scene is replaced: %v", err)
	}
	if _, err := scene.Save(place, "../s", about(), false); err == nil {
		t.Error("a name leads out of the directory")
	}
	all, damaged, err := scene.List(place)
	if err != nil || len(all) != 1 || len(damaged) != 0 || all[0].Name != "s" {
		t.Errorf("scenes %+v, %v, %v", all, damaged, err)
	}
}
