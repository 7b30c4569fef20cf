package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"workbench/cluster/layout"
	"workbench/cluster/spec"
)

func TestStateDir(t *testing.T) {
	t.Setenv("HOME", "/home/someone")
	for xdg, want := range map[string]string{
		"/xdg":     "/xdg/workbench",
		"":         "/home/someone/.local/state/workbench",
		"relative": "/home/someone/.local/state/workbench", // the standard says to ignore it
	} {
		t.Setenv("XDG_STATE_HOME", xdg)
		if got, err := layout.StateDir(); err != nil || got != want {
			t.Errorf("XDG_STATE_HOME=%q gives %q, %v; want %q", xdg, got, err, want)
		}
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := layout.StateDir(); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("without a home: %v, want advice", err)
	}
}

// TestPlaces holds that everything of a lab is inside its directory, and that
// labs share nothing else than what is meant to be shared.
func TestPlaces(t *testing.T) {
	one, two := layout.Lab{State: "/s", Name: "one"}, layout.Lab{State: "/s", Name: "two"}
	own := func(l layout.Lab) []string {
		return []string{
			l.File(), l.Lock(), l.Socket(), l.Log(), l.Journal(), l.PKI(), l.Kubeconfig(), l.Bin(), l.CNI(),
			l.Node("c1"), l.Root("c1"), l.InitLog("c1"),
		}
	}
	for i, path := range own(one) {
		if !strings.HasPrefix(path, one.Dir()+"/") {
			t.Errorf("%s is outside %s", path, one.Dir())
		}
		if path == own(two)[i] {
			t.Errorf("both labs have %s", path)
		}
	}
	if one.Images() != two.Images() || one.Programs() != two.Programs() {
		t.Error("labs do not share images and programs")
	}
	elsewhere := layout.Lab{State: "/other", Name: "one"}
	if one.Group() == elsewhere.Group() || one.Group() == two.Group() {
		t.Errorf("different labs have the control group %s", one.Group())
	}
	if one.Group() != (layout.Lab{State: "/s", Name: "one"}).Group() {
		t.Error("the control group of a lab changes")
	}
}

func TestSaveAndLoad(t *testing.T) {
	place := layout.Lab{State: filepath.Join(t.TempDir(), "state"), Name: "lab"}
	if _, err := place.Load(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want fs.ErrNotExist", err)
	}
	lab := spec.Default()
	lab.Spec.Workers.Count = 7
	if err := place.Save(layout.Saved{Lab: lab, APIPort: 40001}); err != nil {
		t.Fatal(err)
	}
	got, err := place.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.APIPort != 40001 || got.Lab.Spec.Workers.Count != 7 || got.Lab.Spec.Network != lab.Spec.Network {
		t.Errorf("loaded %+v", got)
	}
	for path, want := range map[string]fs.FileMode{place.File(): 0o600, place.Dir(): fs.ModeDir | 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
	if err := os.WriteFile(place.File(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := place.Load(); err == nil || !strings.Contains(err.Error(), "down --purge") || !strings.Contains(err.Error(), place.File()) {
		t.Errorf("a broken file: %v, want its name and what to do", err)
	}
}

func TestList(t *testing.T) {
	state := t.TempDir()
	if labs, err := layout.List(filepath.Join(state, "absent")); err != nil || len(labs) > 0 {
		t.Errorf("no state directory: %v, %v", labs, err)
	}
	for _, name := range []string{"b", "a"} {
		if err := (layout.Lab{State: state, Name: name}).Save(layout.Saved{Lab: spec.Default()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(state, "no-lab"), 0o700); err != nil {
		t.Fatal(err)
	}
	if labs, err := layout.List(state); err != nil || !slices.Equal(labs, []string{"a", "b"}) {
		t.Errorf("labs %v, %v; want a and b", labs, err)
	}
}

// TestWriteFileIsAtomic reads while others write: what is read is always one
// of the contents, whole.
func TestWriteFileIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := func(writer int) string { return strings.Repeat(string(rune('a'+writer)), 64<<10) }
	if err := layout.WriteFile(path, []byte(content(0)), 0o640); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for range 20 {
				if err := layout.WriteFile(path, []byte(content(w)), 0o640); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) != 64<<10 || strings.Trim(string(raw), string(raw[:1])) != "" {
			t.Fatalf("read a mixture of %d bytes", len(raw))
		}
	}
	writers.Wait()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v; want the file alone", left, err)
	}
}
