// Package programs carries the small programs that run on nodes beside the
// workbench binary: the agent (inits and balancer), containerd's shim and the
// CNI plugins, all built from source together with it. Nodes start them per pod
// or keep many of them, where a process of the workbench binary would cost
// 20 MB of memory and 0.1 s to start each.
package programs

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
)

//go:embed all:dist
var embedded embed.FS

// Program is one program and where it comes from.
type Program struct {
	Name    string // of the file
	Package string
	CNI     bool // a CNI plugin
}

// All are the programs of a node.
func All() []Program {
	const containerd, cni = "github.com/containerd/containerd/v2/cmd/", "github.com/containernetworking/plugins/plugins/"
	return []Program{
		{Name: Agent, Package: "workbench/runtime/agent"},
		{Name: Shim, Package: containerd + Shim},
		{Name: "bridge", Package: cni + "main/bridge", CNI: true},
		{Name: "host-local", Package: cni + "ipam/host-local", CNI: true},
		{Name: "portmap", Package: cni + "meta/portmap", CNI: true},
	}
}

// Names of programs that others refer to.
const (
	Agent = "agent"
	Shim  = "containerd-shim-runc-v2"
)

// ErrNotBuilt says that this binary was built without the programs.
var ErrNotBuilt = errors.New("this binary carries no node programs: build it with: go tool task build")

// Install unpacks the programs below dir, once for each build of them, and
// returns the directory that holds them. Several processes may do it at once.
func Install(dir string) (string, error) {
	packed := map[string][]byte{}
	sum := sha256.New()
	for _, p := range All() {
		raw, err := embedded.ReadFile("dist/" + p.Name + ".zst")
		if errors.Is(err, fs.ErrNotExist) {
			return "", ErrNotBuilt
		}
		if err != nil {
			return "", fmt.Errorf("read program %s: %w", p.Name, err)
		}
		packed[p.Name] = raw
		fmt.Fprintf(sum, "%s %d\n", p.Name, len(raw))
		sum.Write(raw)
	}
	target := filepath.Join(dir, hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	prune(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("install programs: %w", err)
	}
	temp, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return "", fmt.Errorf("install programs: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", fmt.Errorf("install programs: %w", err)
	}
	for name, raw := range packed {
		if err := unpack(filepath.Join(temp, name), raw); err != nil {
			return "", fmt.Errorf("install program %s: %w", name, err)
		}
	}
	if err := os.Rename(temp, target); err != nil {
		if _, statErr := os.Stat(target); statErr == nil {
			return target, nil // another process was quicker
		}
		return "", fmt.Errorf("install programs: %w", err)
	}
	return target, nil
}

// pruneAfter is the age from which programs of other builds are removed. Labs
// that run have hard links of theirs.
const pruneAfter = time.Hour

func prune(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // not there yet
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > pruneAfter {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // only disk space is at stake
		}
	}
}

func unpack(file string, packed []byte) error {
	r, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// CNI are the names of the CNI plugins.
func CNI() []string {
	var names []string
	for _, p := range All() {
		if p.CNI {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}
