package programs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All() {
		if p.Package == "" {
			t.Errorf("program %+v is of no package", p)
		}
		for _, name := range append(p.Components, p.Name) {
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
	}
	for _, name := range []string{Agent, Kube, Shim, Kubectl, Etcdctl, "etcd", "kube-apiserver", "kubelet", "api-balancer", "portmap"} {
		if !seen[name] {
			t.Errorf("nothing is %s", name)
		}
	}
}

// TestInstall unpacks the programs, by several at once, and runs one.
func TestInstall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "programs")
	places, errs := make([]string, 4), make([]error, 4)
	var all sync.WaitGroup
	for i := range places {
		all.Go(func() { places[i], errs[i] = Install(dir) })
	}
	all.Wait()
	if errors.Is(errs[0], ErrNotBuilt) {
		t.Fatal(errs[0])
	}
	for i := range places {
		if errs[i] != nil || places[i] != places[0] {
			t.Fatalf("installed in %q, %v; the first in %q", places[i], errs[i], places[0])
		}
	}
	for _, p := range All() {
		info, err := os.Stat(filepath.Join(places[0], p.Name))
		if err != nil || info.Mode() != 0o755 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", p.Name, info, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v; want the programs alone", entries, err)
	}
	out, err := exec.Command(filepath.Join(places[0], Agent)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no component of this program") {
		t.Errorf("the agent without a role says %q, %v", out, err)
	}
	kube := exec.Command(filepath.Join(places[0], Kube))
	kube.Args[0] = "kube-nothing"
	out, err = kube.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "link to it as one of: cloud-controller-manager, kube-apiserver") {
		t.Errorf("the program of Kubernetes says %q, %v to a name that it does not know", out, err)
	}
	out, err = exec.Command(filepath.Join(places[0], Shim), "-v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), Shim) {
		t.Errorf("the shim says %q, %v", out, err)
	}
}
