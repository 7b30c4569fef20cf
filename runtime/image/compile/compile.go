// Package compile builds the layers of the images from source
// into runtime/image/dist, from where they are embedded in the workbench binary.
// It needs the go command; it is a build-time package and no part of that binary.
package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"workbench/runtime/image"
	"workbench/runtime/image/layer"
	"workbench/runtime/image/toolbox/applet"
)

// Config says what to build and where.
type Config struct {
	Module string // root directory of this module
	Dist   string // directory to write to; it must exist
	Arch   string // Go's name of the architecture: amd64 or arm64
	// Layers are the ones to build; all of image.Compiled when empty.
	Layers []string
	Log    *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Module == "" || c.Dist == "":
		return errors.New("build image layers: want the module's and the output's directory")
	case c.Arch != "amd64" && c.Arch != "arm64":
		return fmt.Errorf("build image layers for %q: only amd64 and arm64 are known", c.Arch)
	case c.Log == nil:
		return errors.New("build image layers: want a logger")
	}
	return nil
}

func (c Config) layers() []string {
	if len(c.Layers) > 0 {
		return c.Layers
	}
	return image.Compiled()
}

// Build makes every layer whose inputs changed since it was last built, and
// returns all of them. The bytes depend only on the sources, the Go version and
// the architecture.
func Build(ctx context.Context, config Config) ([]image.Payload, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	var all []image.Payload
	for _, name := range config.layers() {
		inputs, err := config.inputs(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("build image layer %s: %w", name, err)
		}
		payload, fresh := config.built(name, inputs)
		if !fresh {
			if payload, err = config.build(ctx, name, inputs); err != nil {
				return nil, fmt.Errorf("build image layer %s: %w", name, err)
			}
		}
		config.Log.Info("image layer", "image", name, "arch", config.Arch, "built", !fresh,
			"binary_bytes", payload.Binary, "layer_bytes", payload.Size, "digest", payload.Digest.String())
		all = append(all, payload)
	}
	return all, nil
}

// built reads the layer made earlier, and says whether it is of these inputs.
func (c Config) built(name, inputs string) (image.Payload, bool) {
	body, err := os.ReadFile(filepath.Join(c.Dist, image.MetaFile(name)))
	if err != nil {
		return image.Payload{}, false
	}
	var payload image.Payload
	if json.Unmarshal(body, &payload) != nil || payload.Inputs != inputs {
		return image.Payload{}, false
	}
	layer, err := os.ReadFile(filepath.Join(c.Dist, image.LayerFile(name)))
	return payload, err == nil && digest.FromBytes(layer) == payload.Digest
}

func (c Config) build(ctx context.Context, name, inputs string) (image.Payload, error) {
	binary, err := c.compile(ctx, name)
	if err != nil {
		return image.Payload{}, err
	}
	tar, err := layer.Tar(rootfs(name, binary))
	if err != nil {
		return image.Payload{}, err
	}
	packed, err := pack(tar)
	if err != nil {
		return image.Payload{}, err
	}
	payload := image.Payload{
		Name: name, Arch: c.Arch, Inputs: inputs, Digest: digest.FromBytes(packed), DiffID: digest.FromBytes(tar),
		Size: int64(len(packed)), Binary: int64(len(binary)),
	}
	meta, err := json.MarshalIndent(payload, "", "  ")
	if err != nil {
		return image.Payload{}, err
	}
	// The description is last: it makes the layer count.
	return payload, errors.Join(
		replace(filepath.Join(c.Dist, image.LayerFile(name)), packed),
		replace(filepath.Join(c.Dist, image.MetaFile(name)), append(meta, '\n')),
	)
}

// replace writes a file as a whole or not at all.
func replace(name string, body []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err := errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return os.Rename(file.Name(), name)
}

func pack(tar []byte) ([]byte, error) {
	// One goroutine and a fixed level: the result must not depend on the machine.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer encoder.Close()
	return encoder.EncodeAll(tar, nil), nil
}

// linkFlags strip what differs between builds or is not needed in an image.
const linkFlags = "-s -w -buildid="

// compile returns the static program of an image.
func (c Config) compile(ctx context.Context, name string) ([]byte, error) {
	out, err := os.CreateTemp("", "workbench-"+name+"-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	if err := out.Close(); err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", linkFlags, "-o", out.Name(), "./runtime/image/"+name)
	command.Dir = c.Module
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+c.Arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=")
	if text, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, bytes.TrimSpace(text))
	}
	return os.ReadFile(out.Name())
}

// rootfs lists the files of an image.
func rootfs(name string, binary []byte) []layer.Entry {
	const passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nnonroot:x:65532:65532:nonroot:/:/bin/false\n"
	const group = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"
	entries := []layer.Entry{
		layer.Directory("etc", 0o755),
		layer.File("etc/passwd", 0o644, []byte(passwd)),
		layer.File("etc/group", 0o644, []byte(group)),
		layer.Directory("tmp", 0o777|fs.ModeSticky),
	}
	if name != "toolbox" {
		return append(entries, layer.File(name, 0o755, binary))
	}
	entries = append(entries,
		layer.Directory("bin", 0o755),
		layer.File("bin/toolbox", 0o755, binary),
		layer.Directory("root", 0o700),
		layer.Directory("usr", 0o755),
		layer.Symlink("usr/bin", "../bin"), // for "#!/usr/bin/env sh"
	)
	for _, name := range applet.Names() {
		entries = append(entries, layer.Symlink("bin/"+name, "toolbox"))
	}
	return entries
}

// inputs hashes all that a layer is made of: the Go version, the module's
// requirements and our sources.
func (c Config) inputs(ctx context.Context, name string) (string, error) {
	command := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	command.Dir = c.Module
	version, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go env GOVERSION: %w; is the go command on PATH?", err)
	}
	sum := digest.Canonical.Digester()
	fmt.Fprintf(sum.Hash(), "%s\n%s\n%s\n%s\n", name, c.Arch, version, linkFlags)
	add := func(path string) error {
		body, err := os.ReadFile(filepath.Join(c.Module, path))
		fmt.Fprintf(sum.Hash(), "%s %s\n", path, digest.FromBytes(body))
		return err
	}
	if err := errors.Join(add("go.mod"), add("go.sum")); err != nil {
		return "", err
	}
	for _, dir := range []string{name, "compile", "layer", "toolbox/applet"} {
		dir = filepath.Join("runtime/image", dir)
		err := fs.WalkDir(os.DirFS(c.Module), dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return add(path)
		})
		if err != nil {
			return "", err
		}
	}
	return sum.Digest().String(), nil
}
