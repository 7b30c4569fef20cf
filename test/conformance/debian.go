package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages downloads Debian packages with all they depend on, without installing
// anything, and returns their files. It needs apt, no root, and is quick when the
// directory has them from an earlier run.
func packages(ctx context.Context, dir string, names ...string) (files, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, errors.New("the images of the suite are built from Debian packages and this machine has no apt: " +
			"load the upstream images instead, as docs/conformance.md says")
	}
	archives := filepath.Join(dir, "archives")
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return nil, err
	}
	// An empty status file makes apt believe that nothing is installed.
	status := filepath.Join(dir, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return nil, err
	}
	args := []string{"-qq", "-y", "-o", "Dir::State::status=" + status, "-o", "Dir::Cache=" + dir, "-o", "Debug::NoLocking=true",
		"--no-install-recommends", "--download-only", "install"}
	if err := command(ctx, "apt-get", append(args, names...)...); err != nil {
		return nil, fmt.Errorf("%w; 'apt-get update' may help", err)
	}
	found, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return nil, err
	}
	all := files{}
	for _, deb := range found {
		if err := unpack(ctx, all, deb); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
		}
	}
	return all, nil
}

func unpack(ctx context.Context, into files, deb string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = into.read(pipe, func(name string) bool {
		for _, useless := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian"} {
			if name == useless || strings.HasPrefix(name, useless+"/") {
				return false
			}
		}
		return true
	})
	return errors.Join(err, cmd.Wait())
}
