package staticpod_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/cluster/staticpod"
)

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestListIsWhatTheKubeletReads(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "web.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n")
	write(t, dir, "log.json", `{"kind": "Pod", "metadata": {"name": "log", "namespace": "kube-system"}}`)
	write(t, dir, "deploy.yaml", "kind: Deployment\nmetadata: {name: web}\n")
	write(t, dir, "torn.yaml", "kind: [Pod\n")
	write(t, dir, "nameless.yaml", "kind: Pod\n")
	write(t, dir, ".hidden.yaml", "kind: Pod\nmetadata: {name: hidden}\n")
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := staticpod.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var torn string
	for i := range got {
		if got[i].File == "torn.yaml" {
			torn, got[i].Problem = got[i].Problem, "not YAML"
		}
	}
	if !strings.HasPrefix(torn, "not YAML: ") {
		t.Errorf("a torn file is %q", torn)
	}
	want := []staticpod.Manifest{
		{File: "deploy.yaml", Problem: "not a Pod: kind is Deployment"},
		{File: "log.json", Namespace: "kube-system", Pod: "log"},
		{File: "nameless.yaml", Problem: "metadata.name is missing"},
		{File: "torn.yaml", Problem: "not YAML"},
		{File: "web.yaml", Namespace: "default", Pod: "web"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := want[4].Mirror("w2"); got != "default/web-w2" {
		t.Errorf("the mirror pod is %s", got)
	}
}

func TestAddAndRemove(t *testing.T) {
	dir, from := t.TempDir(), t.TempDir()
	if err := staticpod.Add(dir, write(t, from, "web.yaml", "kind: Pod\nmetadata: {name: web}\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := staticpod.List(dir); err != nil || len(got) != 1 || got[0].Pod != "web" {
		t.Errorf("after Add there is %v, %v", got, err)
	}
	for _, bad := range []string{write(t, from, "bad.yaml", "kind: Service\n"), write(t, from, ".dot.yaml", "kind: Pod\nmetadata: {name: dot}\n")} {
		if err := staticpod.Add(dir, bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	for _, bad := range []string{"../web.yaml", "..", "none.yaml"} {
		if err := staticpod.Remove(dir, bad); err == nil {
			t.Errorf("%s was removed", bad)
		}
	}
	if err := staticpod.Remove(dir, "web.yaml"); err != nil {
		t.Fatal(err)
	}
	if got, err := staticpod.List(dir); err != nil || len(got) != 0 {
		t.Errorf("after Remove there is %v, %v", got, err)
	}
}
