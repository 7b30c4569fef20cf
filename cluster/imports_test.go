package cluster_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLightPackagesStayLight keeps what draws and folds events free of the
// cluster's own dependencies, so that it builds and tests in seconds.
func TestLightPackagesStayLight(t *testing.T) {
	light := []string{
		"workbench/ui/...", "workbench/themes/...",
		"workbench/cluster/event", "workbench/cluster/state", "workbench/cluster/journal", "workbench/cluster/history", "workbench/cluster/spec", "workbench/cluster/scenario/...", "workbench/cluster/campaign",
	}
	heavy := []string{"k8s.io/", "sigs.k8s.io/", "go.etcd.io/", "github.com/containerd/containerd/", "github.com/coredns/"}
	args := append([]string{"list", "-deps", "-f", "{{.ImportPath}} {{join .Imports \",\"}}"}, light...)
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	packages := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(packages) < 20 {
		t.Fatalf("go list named only %d packages", len(packages))
	}
	for _, line := range packages {
		path, imports, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(path, "workbench/") {
			continue // only the first step into a heavy module is worth a line
		}
		for i := range strings.SplitSeq(imports, ",") {
			for _, prefix := range heavy {
				if strings.HasPrefix(i, prefix) {
					t.Errorf("%s imports %s; move that behind an event, or out of the interface", path, i)
				}
			}
		}
	}
	for _, line := range packages {
		path, _, _ := strings.Cut(line, " ")
		for _, prefix := range heavy {
			if strings.HasPrefix(path, prefix) && !t.Failed() {
				t.Errorf("%s is in the graph through another module", path)
			}
		}
	}
}

// TestVocabularyImportsTheStandardLibraryOnly is what lets everything else
// import it.
func TestVocabularyImportsTheStandardLibraryOnly(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "workbench/cluster/event").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != "workbench/cluster/event" {
		t.Errorf("depends on\n%s", got)
	}
}
