package supervisor

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/runtime/image/store"
)

func TestUseOf(t *testing.T) {
	pod := func(uid string, phase core.PodPhase, deleting bool) *core.Pod {
		p := &core.Pod{ObjectMeta: meta.ObjectMeta{UID: types.UID(uid)}, Status: core.PodStatus{Phase: phase}}
		if deleting {
			p.DeletionTimestamp = &meta.Time{}
		}
		return p
	}
	mirror := pod("mirror", core.PodRunning, false)
	mirror.Annotations = map[string]string{mirrored: "one"}
	for name, c := range map[string]struct {
		runs bool
		pod  *core.Pod
		want use
	}{
		"runs":                           {true, pod("one", core.PodRunning, false), inUse},
		"crashed, will start again":      {false, pod("one", core.PodRunning, false), inUse},
		"completed":                      {false, pod("one", core.PodSucceeded, false), unused},
		"failed, another container":      {true, pod("one", core.PodFailed, false), inUse},
		"being deleted, runs":            {true, pod("one", core.PodRunning, true), leaving},
		"being deleted, ended":           {false, pod("one", core.PodRunning, true), leaving},
		"deleted, runs":                  {true, nil, leaving},
		"deleted, ended":                 {false, nil, lingering},
		"another of the name, runs":      {true, pod("two", core.PodRunning, false), leaving},
		"another of the name, ended":     {false, pod("two", core.PodRunning, false), lingering},
		"a static pod that has a mirror": {false, mirror, inUse},
	} {
		if got := useOf(store.User{UID: "one", Runs: c.runs}, c.pod); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestImageList(t *testing.T) {
	app := event.NodeImage{Name: "docker.io/class/app:1", Digest: "sha256:a", Bytes: 10, Layers: 2, Shared: 2, From: "app.tar"}
	half := app
	half.Shared = 1
	other := event.NodeImage{Name: "r.lab/app:1", Digest: "sha256:b", Bytes: 5, Layers: 1}
	newer := other
	newer.Digest = "sha256:c"
	got := imageList(map[string][]event.NodeImage{"w1": {app, other}, "w2": {half, newer}}, []event.ImageLoaded{
		{Name: app.Name, Digest: app.Digest, Source: "app.tar"}, {Name: "docker.io/class/none:1", Digest: "sha256:d", Bytes: 7, Source: "none.tar"},
	})
	want := api.ImageList{Workers: []string{"w1", "w2"}, Images: []api.Image{
		{Name: app.Name, Digest: "sha256:a", Bytes: 10, Layers: 2, Shared: 1, From: "app.tar", Nodes: []string{"w1", "w2"}},
		{Name: "docker.io/class/none:1", Digest: "sha256:d", Bytes: 7, From: "none.tar", Nodes: []string{}},
		{Name: other.Name, Digest: "sha256:b", Bytes: 5, Layers: 1, From: "pulled", Nodes: []string{"w1"}},
		{Name: other.Name, Digest: "sha256:c", Bytes: 5, Layers: 1, From: "pulled", Nodes: []string{"w2"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for at, where := range []string{"all", "none", "w1", "w2"} {
		if got := got.Where(got.Images[at]); got != where {
			t.Errorf("%s is on %s, want %s", want.Images[at].Name, got, where)
		}
	}
}

// TestTidyCountsWhatGoesMeanwhile: who looks through what is left does so again when
// something went since it began to wait.
func TestTidyCountsWhatGoesMeanwhile(t *testing.T) {
	var i images
	if !i.removal() || i.removal() {
		t.Error("the first is to look, the second not")
	}
	until := i.removals()
	i.removal()
	if i.tidy(until) {
		t.Error("all is looked through, and something went meanwhile")
	}
	if until = i.removals(); !i.tidy(until) {
		t.Error("nothing went meanwhile, and it is not over")
	}
	if !i.removal() {
		t.Error("the first after that is not to look")
	}
}
