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

const kubernetes = "k8s.io/kubernetes"

// tags leave out containerd parts that need C libraries, as in Taskfile.yml: with
// the same tags the packages that the lab is built of need not be built again.
const tags = "no_btrfs no_devmapper no_zfs no_aufs"

// programs are built from modules of go.mod, by the name of the result.
var programs = []struct{ name, pkg string }{
	{"kubectl", kubernetes + "/cmd/kubectl"},
	{"agnhost", kubernetes + "/test/images/agnhost"},
	{"nnp", kubernetes + "/test/images/nonewprivs"},
	{"sample-apiserver", "k8s.io/sample-apiserver"},
	{"etcd", "go.etcd.io/etcd/server/v3"},
	{"ginkgo", "github.com/onsi/ginkgo/v2/ginkgo"},
}

// build makes e2e.test and the programs of the images in the directory work/bin.
//
// What only the suite needs (Ginkgo and the like) must not be in the lab's go.mod:
// a copy of it takes that up, so that the versions of everything else are equal.
func build(ctx context.Context, o options) error {
	bin := filepath.Join(o.work, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	mod := filepath.Join(o.work, "go.mod")
	for from, to := range map[string]string{"go.mod": mod, "go.sum": filepath.Join(o.work, "go.sum")} {
		body, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("%w; run it in the top directory of the project", err)
		}
		if err := os.WriteFile(to, body, 0o644); err != nil {
			return err
		}
	}
	stamp, err := versionStamp(ctx)
	if err != nil {
		return err
	}
	flags := []string{"-modfile=" + mod, "-mod=mod", "-tags", tags, "-ldflags", "-s -w " + stamp}
	for _, program := range programs {
		args := append(append([]string{"build"}, flags...), "-o", filepath.Join(bin, program.name), program.pkg)
		if err := command(ctx, "go", args...); err != nil {
			return err
		}
	}
	args := append(append([]string{"test", "-c"}, flags...), "-o", filepath.Join(bin, "e2e.test"), kubernetes+"/test/e2e")
	return command(ctx, "go", args...)
}

// versionStamp is what the linker has to be told: clients compare the server's
// version with their own, and tests ask for it.
func versionStamp(ctx context.Context) (string, error) {
	version, err := output(ctx, "go", "list", "-m", "-f", "{{.Version}}", kubernetes)
	if err != nil {
		return "", err
	}
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 3 {
		return "", errors.New("version of " + kubernetes + " in go.mod: want vMAJOR.MINOR.PATCH, have " + version)
	}
	const pkg = "k8s.io/component-base/version"
	return fmt.Sprintf("-X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean",
		pkg, version, pkg, parts[0], pkg, parts[1], pkg), nil
}

// command runs a program whose output belongs to the terminal.
func command(ctx context.Context, name string, args ...string) error {
	fmt.Fprintln(os.Stderr, "+", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	return nil
}

// output runs a program and returns what it said on standard output, trimmed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(said)), nil
}
