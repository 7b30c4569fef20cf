// Package bare starts the components of a lab as a script would: the yardstick
// of the benchmark.
//
// It does: a network namespace with a bridge; per node the same namespaces, root
// file system, control group and component arguments as the workbench has,
// from a state directory that the workbench laid out before (certificates,
// files and image stores are there when the clock starts); it starts a program
// again a second after it ended.
//
// It does not: keep a journal, probe, watch the API, sample, serve an API or a
// host port, or follow the pod networks that the API gives: pod networks and
// routes are fixed beforehand.
//
//	parent --exec--> bare lab   PID 1 of the lab's namespaces: bridge, nodes
//	                   '- bare node   one each: mounts, programs
package bare

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"

	"workbench/cluster/layout"
	"workbench/cluster/plan"
	"workbench/runtime/cgroup"
	"workbench/runtime/image/store"
	"workbench/runtime/mount"
	"workbench/runtime/node"
)

// Names as which this program is started again.
const (
	LabRole  = "bench-bare-lab"
	NodeRole = "bench-bare-node"
)

// Config is all that the bare lab needs to know.
type Config struct {
	Group   string       `json:"group"`
	Gateway netip.Prefix `json:"gateway"`
	// InOrder starts what needs the API only once it is ready on its node; else
	// all programs start at once.
	InOrder bool         `json:"inOrder"`
	Nodes   []NodeConfig `json:"nodes"`
}

// NodeConfig is one node.
type NodeConfig struct {
	Name    string            `json:"name"`
	Address netip.Addr        `json:"address"`
	PodCIDR netip.Prefix      `json:"podCIDR"`
	Root    mount.Root        `json:"root"`
	Sysctls map[string]string `json:"sysctls"`
	V2      bool              `json:"v2"`
	InOrder bool              `json:"inOrder"`
	// Programs in start order.
	Programs []node.Component `json:"programs"`
}

// Lab is a bare lab that runs.
type Lab struct {
	PID   int
	cmd   *exec.Cmd
	group string
}

// Prepare makes the configuration of a lab that the workbench booted before and
// that is down. With fresh, its cluster's data is removed.
func Prepare(place layout.Lab, golden store.Golden, fresh, inOrder bool) (Config, plan.Plan, error) {
	saved, err := place.Load()
	if err != nil {
		return Config{}, plan.Plan{}, err
	}
	// The cloud is a part of the supervisor. Without it nobody would initialize nodes,
	// so that bare starts have no cloud-controller-managers either.
	saved.Lab.Spec.Cloud = false
	p, err := plan.New(plan.Config{Lab: saved.Lab, APIPort: saved.APIPort})
	if err != nil {
		return Config{}, plan.Plan{}, err
	}
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return Config{}, plan.Plan{}, err
	}
	cfg := Config{Group: place.Group() + "-bare", Gateway: p.Gateway, InOrder: inOrder}
	pods, err := netip.ParsePrefix(saved.Lab.Spec.Network.PodCIDR)
	if err != nil {
		return Config{}, plan.Plan{}, err
	}
	for i, n := range p.Nodes {
		net := pods.Addr().As4()
		net[2] += byte(200 + i) // beyond what the API gives out
		c := NodeConfig{
			Name: n.Name, Address: n.Address, PodCIDR: netip.PrefixFrom(netip.AddrFrom4(net), 24),
			Sysctls: n.Sysctls, V2: hierarchies[0].V2, InOrder: inOrder, Programs: n.Components,
			Root: mount.Root{Dir: place.Root(n.Name), Binds: []mount.Bind{
				{Source: place.Bin(), Target: plan.BinDir}, {Source: place.CNI(), Target: plan.CNIDir}, {Source: "/etc/ssl", Target: "/etc/ssl"},
			}},
		}
		for _, h := range hierarchies {
			c.Root.Cgroups = append(c.Root.Cgroups, mount.Cgroup{Target: h.Mount, Options: h.Options, V2: h.V2})
		}
		if err := c.lay(n, golden, fresh); err != nil {
			return Config{}, plan.Plan{}, fmt.Errorf("lay out %s: %w", n.Name, err)
		}
		cfg.Nodes = append(cfg.Nodes, c)
	}
	return cfg, p, nil
}

// lay gives a node fresh data and a fixed pod network.
func (c NodeConfig) lay(n plan.Node, golden store.Golden, fresh bool) error {
	in := func(dir string) string { return filepath.Join(c.Root.Dir, dir) }
	if fresh {
		for _, dir := range []string{"var/lib/etcd", "var/lib/kubelet", "var/lib/cni", "var/lib/containerd", "var/log/workbench", "var/log/pods"} {
			if err := os.RemoveAll(in(dir)); err != nil {
				return err
			}
			if err := os.MkdirAll(in(dir), 0o711); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(in(plan.LogDir), 0o755); err != nil || n.ControlPlane {
		return err
	}
	if fresh {
		if _, err := golden.Clone(in("var/lib/containerd")); err != nil {
			return err
		}
	}
	if err := shareDisk(in("etc/kubernetes/kubelet.yaml")); err != nil {
		return err
	}
	conf := fmt.Sprintf(`{"cniVersion":"1.0.0","name":"workbench","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,"hairpinMode":true,"ipMasq":false,
"ipam":{"type":"host-local","ranges":[[{"subnet":%q}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"portmap","capabilities":{"portMappings":true}}]}`, c.PodCIDR)
	return os.WriteFile(in("etc/cni/net.d/10-workbench.conflist"), []byte(conf), 0o644)
}

// shareDisk makes a kubelet, which had a disk of its own, not evict for want of room
// on the machine's, as one of the workbench without a disk does.
func shareDisk(file string) error {
	config, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, ownReserve.ReplaceAll(config, []byte(`nodefs.available: "0%"`)), 0o600)
}

var ownReserve = regexp.MustCompile(`nodefs\.available: "\d+%"`)

// Start starts the lab. It ends with the calling thread's process.
func Start(cfg Config) (*Lab, error) {
	raw, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	in, theirs, err := pipeWith(raw)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{LabRole}, Stdin: theirs, Stdout: os.Stderr, Stderr: os.Stderr, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
		},
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start bare lab: %w", err), in.Close())
	}
	return &Lab{PID: cmd.Process.Pid, cmd: cmd, group: cfg.Group}, nil
}

// Stop kills the lab and waits for its end.
func (l *Lab) Stop() error {
	if err := l.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = l.cmd.Wait() // says that it was killed
	return cgroup.RemoveLab(l.group)
}

// pipeWith is a pipe that holds raw, to be read to its end. The writing end
// closes once all is written.
func pipeWith(raw []byte) (writer, reader *os.File, err error) {
	reader, writer, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		_, _ = writer.Write(raw) // a reader that is gone is reported by its end
		_ = writer.Close()
	}()
	return writer, reader, nil
}
