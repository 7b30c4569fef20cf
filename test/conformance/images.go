package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/runtime/image"
)

// archive is the file of all images below the working directory.
const archive = "images.tar"

// buildImages writes the images that the suite asks for, under the names it asks
// for them, into one archive. Those that no conformance test needs are left out.
func buildImages(ctx context.Context, o options) error {
	listed, err := output(ctx, filepath.Join(o.work, "bin", "e2e.test"), "--list-images")
	if err != nil {
		return err
	}
	layers, err := buildLayers(ctx, o.work)
	if err != nil {
		return err
	}
	var built []image.Image
	var left []string
	for _, reference := range strings.Fields(listed) {
		at := strings.LastIndexByte(reference, ':')
		name, tag := reference[:at], reference[at+1:]
		recipe, known := recipes[path.Base(name)]
		if !known || strings.Contains(reference, "invalid") || strings.Contains(reference, "authenticated") {
			left = append(left, reference)
			continue
		}
		var below [][]byte
		for _, layer := range recipe.layers {
			below = append(below, layers[layer])
		}
		made, err := image.Make(name, tag, runtime.GOARCH, recipe.config, below...)
		if err != nil {
			return err
		}
		built = append(built, made)
	}
	if len(built) == 0 {
		return errors.New("e2e.test --list-images names no image that is known here")
	}
	file, err := os.Create(filepath.Join(o.work, archive))
	if err != nil {
		return err
	}
	if err := errors.Join(image.WriteArchive(file, built), file.Close()); err != nil {
		return err
	}
	for _, made := range built {
		fmt.Println("built   ", made.Reference())
	}
	slices.Sort(left)
	for _, reference := range left {
		fmt.Println("left out", reference)
	}
	return nil
}

// load gives the archive to every worker of the lab.
func load(ctx context.Context, o options) error {
	return command(ctx, o.workbench, o.lab("image", "load", filepath.Join(o.work, archive))...)
}

// lab makes the arguments of a command to the lab.
func (o options) lab(args ...string) []string {
	flags := []string{"--name", o.name}
	if o.state != "" {
		flags = append(flags, "--state-dir", o.state)
	}
	return append(flags, args...)
}

// recipe is what an image consists of.
type recipe struct {
	layers []string // of buildLayers, bottom first
	config ocispec.ImageConfig
}

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func config(entrypoint, cmd []string) ocispec.ImageConfig {
	return ocispec.ImageConfig{Env: []string{searchPath}, Entrypoint: entrypoint, Cmd: cmd, WorkingDir: "/"}
}

// recipes follow the Dockerfiles of test/images in Kubernetes, by the last
// element of the image's name. Those based on Alpine are made of Debian here.
var recipes = map[string]recipe{
	"agnhost":           {[]string{"tools", "agnhost"}, config([]string{"/agnhost"}, []string{"pause"})},
	"kitten":            {[]string{"tools", "agnhost", "kitten"}, config([]string{"/agnhost"}, []string{"test-webserver"})},
	"nautilus":          {[]string{"tools", "agnhost", "nautilus"}, config([]string{"/agnhost"}, []string{"test-webserver"})},
	"busybox":           {[]string{"busybox"}, config(nil, []string{"sh"})},
	"glibc-dns-testing": {[]string{"tools"}, config(nil, []string{"bash"})},
	"ipc-utils":         {[]string{"tools"}, config(nil, []string{"sh"})},
	"nginx":             {[]string{"nginx"}, config(nil, []string{"nginx", "-g", "daemon off;"})},
	"nonewprivs":        {[]string{"busybox", "nonewprivs"}, config(nil, []string{"nnp"})},
	"nonroot":           {[]string{"busybox"}, nonRoot()},
	"pause":             {[]string{"pause"}, config([]string{"/pause"}, nil)},
	"sample-apiserver":  {[]string{"sample-apiserver"}, config([]string{"/sample-apiserver"}, nil)},
	"etcd":              {[]string{"etcd"}, config(nil, []string{"etcd"})},
}

func nonRoot() ocispec.ImageConfig {
	c := config(nil, []string{"sh"})
	c.User = "1234"
	return c
}
