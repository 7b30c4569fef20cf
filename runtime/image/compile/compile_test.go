package compile_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"workbench/runtime/image"
	"workbench/runtime/image/compile"
	"workbench/runtime/image/imagetest"
)

func TestBuildSkipsWhatIsUpToDate(t *testing.T) {
	var log bytes.Buffer
	config := compile.Config{Module: imagetest.Module(t), Dist: t.TempDir(), Layers: []string{"demo", "toolbox"}, Arch: runtime.GOARCH, Log: slog.New(slog.NewTextHandler(&log, nil))}
	build := func(wantBuilt int) []image.Payload {
		t.Helper()
		log.Reset()
		payloads, err := compile.Build(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "built=true"); got != wantBuilt {
			t.Errorf("%d layers built, want %d:\n%s", got, wantBuilt, log.String())
		}
		return payloads
	}
	first := build(2)
	build(0)
	if err := os.Remove(filepath.Join(config.Dist, image.LayerFile("demo"))); err != nil {
		t.Fatal(err)
	}
	if again := build(1); again[0] != first[0] {
		t.Errorf("built again: %+v, want %+v", again[0], first[0])
	}
	entries, err := os.ReadDir(config.Dist)
	if err != nil || len(entries) != 4 {
		t.Errorf("%d files in the output, %v; want 4", len(entries), err)
	}
}

func TestBuildChecksItsConfig(t *testing.T) {
	for _, config := range []compile.Config{
		{}, {Module: ".", Dist: ".", Arch: "s390x", Log: slog.Default()}, {Module: ".", Dist: ".", Arch: "amd64"},
	} {
		if _, err := compile.Build(t.Context(), config); err == nil {
			t.Errorf("%+v: want an error", config)
		}
	}
}
