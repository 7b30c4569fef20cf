// Command build compiles the programs that package programs carries into its
// dist directory. The Go build cache makes it quick when nothing changed, and
// an unchanged program is not written again, so that the workbench binary is
// not relinked for nothing.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"workbench/runtime/programs"
)

// tags leave out containerd parts that need C libraries.
const tags = "no_btrfs no_devmapper no_zfs no_aufs"

func main() {
	if err := run(filepath.Join("runtime", "programs", "dist")); err != nil {
		fmt.Fprintf(os.Stderr, "build node programs: %v\n", err)
		os.Exit(1)
	}
}

func run(dist string) error {
	if _, err := os.Stat(dist); err != nil {
		return fmt.Errorf("run it in the top directory of the project: %w", err)
	}
	temp, err := os.MkdirTemp("", "workbench-programs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for _, p := range programs.All() {
		if err := build(p, filepath.Join(temp, p.Name), filepath.Join(dist, p.Name+".zst")); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

func build(p programs.Program, binary, packed string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", binary, p.Package)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	raw, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	if have, err := os.ReadFile(packed); err == nil && bytes.Equal(have, out.Bytes()) {
		return nil
	}
	return os.WriteFile(packed, out.Bytes(), 0o644)
}
