package harness

import (
	"os"
	"path/filepath"
	"testing"
)

// Binary is the built workbench: $WORKBENCH_BIN, or bin/workbench of this
// checkout. A test without it fails and says how to build it.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("WORKBENCH_BIN")
	if path == "" {
		path = filepath.Join(checkout(t), "bin", "workbench")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no workbench binary: %v; build it with: go tool task build", err)
	}
	return path
}

// checkout is the directory of go.mod, above the test's own.
func checkout(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test: run it from the checkout")
		}
	}
}
