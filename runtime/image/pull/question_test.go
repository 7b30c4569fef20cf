package pull

import (
	"testing"

	"workbench/runtime/image/imagetest/registry"
)

// TestAskingIsNoFailure pulls a private image with credentials, which a node gives
// only when it is asked for them, and without.
func TestAskingIsNoFailure(t *testing.T) {
	m := image(t)
	where, _ := private(t, m, registry.Basic)
	n := newNode(t, map[string]Registry{"registry.lab": {URL: where}})
	if _, err := n.pullAs(t, "registry.lab/team/app:1", user, password); err != nil {
		t.Fatal(err)
	}
	if _, err := n.pull(t, "registry.lab/team/other:1"); err == nil {
		t.Fatal("it was pulled without credentials")
	}
	if told := <-n.failed; told.Image != "registry.lab/team/other:1" {
		t.Errorf("told %+v", told)
	}
	for _, e := range n.events() {
		if e.Error != "" && e.Of != "registry.lab/team/other:1" {
			t.Errorf("told %+v", e)
		}
	}
}
