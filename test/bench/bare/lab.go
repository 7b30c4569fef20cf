package bare

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"workbench/runtime/cgroup"
	"workbench/runtime/fabric"
	"workbench/runtime/namespace"
)

// LabMain is the main function of the bare lab.
func LabMain() error {
	var cfg Config
	if err := json.NewDecoder(os.Stdin).Decode(&cfg); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	for _, file := range []string{"bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"} {
		_ = os.WriteFile("/proc/sys/net/"+file, []byte("0"), 0) // absent without the module
	}
	own, err := namespace.NetOf(os.Getpid())
	if err != nil {
		return err
	}
	bridge, err := fabric.New(own, cfg.Gateway)
	if err != nil {
		return err
	}
	var nodes errgroup.Group
	for _, n := range cfg.Nodes {
		nodes.Go(func() error { return cfg.run(bridge, n) })
	}
	return nodes.Wait()
}

// run starts a node and waits for its end.
func (c Config) run(bridge *fabric.Fabric, n NodeConfig) error {
	release, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{NodeRole}, Stdin: release, Stdout: os.Stdout, Stderr: os.Stderr, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC},
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	pid := cmd.Process.Pid
	group, err := cgroup.Create(c.Group, n.Name, cgroup.Limits{})
	if err != nil {
		return err
	}
	if err := group.Add(pid); err != nil {
		return err
	}
	if err := bridge.Attach(n.Name, pid, n.Address); err != nil {
		return err
	}
	if err := c.route(n, pid); err != nil {
		return err
	}
	if err := json.NewEncoder(ours).Encode(n); err != nil {
		return fmt.Errorf("configure %s: %w", n.Name, err)
	}
	return cmd.Wait()
}

func (c Config) route(n NodeConfig, pid int) error {
	ns, err := namespace.NetOf(pid)
	if err != nil {
		return err
	}
	defer ns.Close()
	routes := map[netip.Prefix]netip.Addr{}
	for _, other := range c.Nodes {
		if other.Name != n.Name {
			routes[other.PodCIDR] = other.Address
		}
	}
	return fabric.Routes(ns, routes)
}
