// Package programs carries the programs that run in a lab beside the workbench
// binary, all built from source together with it. What a Go program links it
// initializes at each start and keeps in memory: one program for all would cost
// each of some forty processes 21 MB and 0.14 s. So what runs often or in numbers
// is by itself: the agent (inits and balancer), containerd's shim and the CNI
// plugins, etcd, containerd; and the command-line tools, which link most. The
// components of Kubernetes, which share most of what they link, are one.
package programs

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

//go:embed all:dist
var embedded embed.FS

// Program is one program and where it comes from.
type Program struct {
	Name       string // of the file
	Package    string
	Components []string // what runs it as argv[0] in nodes, beside its name
	CNI        bool     // a CNI plugin
}

// All are the programs that the workbench carries.
func All() []Program {
	const containerd, cni = "github.com/containerd/containerd/v2/cmd/", "github.com/containernetworking/plugins/plugins/"
	return []Program{
		{Name: Kube, Package: "workbench/cmd/kube", Components: []string{
			"kube-apiserver", "kube-controller-manager", "cloud-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
		}},
		{Name: "etcd", Package: "workbench/cmd/etcd"},
		{Name: "containerd", Package: "workbench/cmd/containerd"},
		{Name: Agent, Package: "workbench/runtime/agent", Components: []string{"api-balancer"}},
		{Name: Shim, Package: containerd + Shim},
		{Name: Kubectl, Package: "k8s.io/kubernetes/cmd/kubectl"},
		{Name: Etcdctl, Package: "go.etcd.io/etcd/etcdctl/v3"},
		{Name: "bridge", Package: cni + "main/bridge", CNI: true},
		{Name: "host-local", Package: cni + "ipam/host-local", CNI: true},
		{Name: "portmap", Package: cni + "meta/portmap", CNI: true},
	}
}

// Names of programs that others refer to.
const (
	Agent   = "agent"
	Kube    = "kube"
	Shim    = "containerd-shim-runc-v2"
	Kubectl = "kubectl"
	Etcdctl = "etcdctl"
)

// Packed is the name of a program's file in the dist directory.
func (p Program) Packed() string { return p.Name + ".zst" }

// Sum is the name of the file in the dist directory that identifies a build of
// all programs, so that nobody has to read them through to tell it.
const Sum = "sum"

// ErrNotBuilt says that this binary was built without the programs.
var ErrNotBuilt = errors.New("this binary carries no programs for a lab: build it with: go tool task build")

// Install unpacks the programs below dir, once for each build of them, and
// returns the directory that holds them. Several processes may do it at once.
func Install(dir string) (string, error) {
	sum, err := embedded.ReadFile("dist/" + Sum)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNotBuilt
	}
	if err != nil {
		return "", fmt.Errorf("read what programs there are: %w", err)
	}
	target := filepath.Join(dir, string(sum))
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
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range All() {
		all.Go(func() error {
			if err := p.unpack(temp); err != nil {
				return fmt.Errorf("install program %s: %w", p.Name, err)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return "", err
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

func (p Program) unpack(dir string) error {
	packed, err := embedded.Open("dist/" + p.Packed())
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotBuilt
	}
	if err != nil {
		return err
	}
	defer packed.Close()
	r, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(filepath.Join(dir, p.Name), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
