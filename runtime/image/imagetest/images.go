// Package imagetest gives tests the images of a lab, on a clean checkout too.
package imagetest

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"workbench/runtime/image"
	"workbench/runtime/image/compile"
)

// Images returns the embedded images. Where the test binary has none they are
// compiled first, or the test is skipped if there is no go command.
func Images(t testing.TB) []image.Image {
	t.Helper()
	images, err := image.Builtin()
	if err == nil {
		return images
	}
	var missing *image.NotBuiltError
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
	dist := cache(t)
	build(t, dist, runtime.GOARCH)
	images, err = image.Load(os.DirFS(dist), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// Dist builds some layers, or all, into a temporary directory and returns its
// name.
func Dist(t testing.TB, arch string, layers ...string) string {
	t.Helper()
	dist := t.TempDir()
	build(t, dist, arch, layers...)
	return dist
}

// cache is a directory that later tests and runs find again, next to the one of
// the go command. Only layers whose sources changed are built there.
func cache(t testing.TB) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	dir := filepath.Join(base, "workbench", "test-images", runtime.GOARCH)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return t.TempDir()
	}
	return dir
}

func build(t testing.TB, dist, arch string, layers ...string) {
	t.Helper()
	config := compile.Config{Module: Module(t), Dist: dist, Arch: arch, Layers: layers, Log: slog.New(slog.DiscardHandler)}
	if _, err := compile.Build(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// Module returns the root directory of this module.
func Module(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build the images: ", err)
	}
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
