package test

import (
	"os"
	"path/filepath"
	"testing"

	"workbench/cluster/state"
	"workbench/test/harness"
)

// testScenes saves a lab, lets it go on, brings it back twice, and finds it as it
// was.
func testScenes(t *testing.T, lab *harness.Lab) {
	lab.Must("fault", "delay", "w1", "w2", "5ms")
	lab.Kubectl("create", "configmap", "as-of-the-scene")
	lab.Must("scene", "save", "class")
	lab.Refused([]string{"scene", "save", "class"}, "is replaced")
	lab.Must("heal", "--all")
	lab.Kubectl("create", "configmap", "later")
	lab.Kubectl("delete", "configmap", "as-of-the-scene")
	lab.Kubectl("delete", "pod", "server")
	lab.Must("scene", "load", "class", "--yes")
	if !exists(lab, "configmap", "as-of-the-scene") || exists(lab, "configmap", "later") {
		t.Error("the objects are not those of the scene")
	}
	w := lab.Await("the scene's pods and fault", func(w *state.World) bool {
		return allReady(w, "server", 1) && allReady(w, "tolerant", 1) && len(w.Faults.Active) == 1 && w.Faults.Active[0].Verdict != ""
	})
	if f := w.Faults.Active[0]; f.Text != "delay w1 w2 5ms" || f.Owner != "scene class" {
		t.Errorf("the fault is %+v", f)
	}
	lab.Must("heal", "--all")
	testDamagedScene(t, lab)
}

// testDamagedScene holds that a scene that is not whole is refused, and the lab
// untouched.
func testDamagedScene(t *testing.T, lab *harness.Lab) {
	t.Helper()
	started := lab.World().Started
	file := filepath.Join(lab.Scenes(), "class", "tree", "pki", "ca.crt")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Refused([]string{"scene", "load", "class", "--yes"}, "damaged", "pki/ca.crt", "untouched")
	if now := lab.World().Started; !now.Equal(started) {
		t.Error("a damaged scene restarted the lab")
	}
	lab.Must("scene", "rm", "class")
	lab.Refused([]string{"scene", "load", "class", "--yes"}, "no such scene")
}
