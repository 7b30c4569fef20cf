package programs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All() {
		if seen[p.Name] || p.Package == "" {
			t.Errorf("program %+v is there twice, or of no package", p)
		}
		seen[p.Name] = true
	}
	if !seen[Agent] || !seen[Shim] {
		t.Errorf("programs %v", seen)
	}
	if got, want := CNI(), []string{"bridge", "host-local", "portmap"}; !slices.Equal(got, want) {
		t.Errorf("CNI plugins %v, want %v", got, want)
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
	if err == nil || !strings.Contains(string(out), "is no role") {
		t.Errorf("the agent without a role says %q, %v", out, err)
	}
	out, err = exec.Command(filepath.Join(places[0], Shim), "-v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), Shim) {
		t.Errorf("the shim says %q, %v", out, err)
	}
}
