package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/spec"
	"workbench/runtime/programs"
)

// passCommand runs kubectl or etcdctl pointed at the lab. All arguments are
// the tool's own, but for the global flags in front of them.
func passCommand(o *options, tool string) *cobra.Command {
	return &cobra.Command{
		Use:                tool + " …",
		Short:              "Run " + tool + " against the lab",
		Long:               tool + ", embedded and pointed at the lab. The flags --name and --state-dir of the workbench go before the word " + tool + ".",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			place, err := o.place()
			if err != nil {
				return err
			}
			args, err = ownFlags(cmd, o, args, &place)
			if err != nil {
				return err
			}
			if _, err := os.Stat(place.Kubeconfig()); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("no lab %s; start it with: workbench up", place.Name)
			}
			if err := api.NewClient(place.Socket()).Ping(cmd.Context()); errors.Is(err, api.ErrNotRunning) {
				fmt.Fprintf(os.Stderr, "workbench: lab %s: %v\n", place.Name, err) // some commands need no cluster
			}
			if tool == programs.Etcdctl {
				return execEtcdctl(o, place, args)
			}
			return execTool(place, tool, args, "KUBECONFIG="+place.Kubeconfig())
		},
	}
}

// ownFlags applies --name and --state-dir where cobra, with flag parsing off
// for this command, handed them on in front of the tool's arguments, and the `--`
// between both.
func ownFlags(cmd *cobra.Command, o *options, args []string, place *layout.Lab) ([]string, error) {
	for len(args) > 0 {
		name, value, joined := strings.Cut(strings.TrimPrefix(args[0], "--"), "=")
		if !strings.HasPrefix(args[0], "--") || (name != "name" && name != "state-dir") {
			break
		}
		used := 1
		if !joined {
			if len(args) < 2 {
				return nil, fmt.Errorf("--%s needs a value", name)
			}
			value, used = args[1], 2
		}
		if err := cmd.Root().PersistentFlags().Set(name, value); err != nil {
			return nil, err
		}
		args = args[used:]
	}
	if len(args) > 0 && args[0] == "--" { // as after any other command
		args = args[1:]
	}
	var err error
	*place, err = o.place()
	return args, err
}

// toolOf is the file of a tool that the workbench carries.
func toolOf(place layout.Lab, tool string) (string, error) {
	dir, err := programs.Install(place.Programs())
	if err != nil {
		return "", fmt.Errorf("run %s: %w", tool, err)
	}
	return filepath.Join(dir, tool), nil
}

// execTool becomes the tool.
func execTool(place layout.Lab, tool string, args []string, env ...string) error {
	file, err := toolOf(place, tool)
	if err != nil {
		return err
	}
	if err := syscall.Exec(file, append([]string{tool}, args...), append(os.Environ(), env...)); err != nil {
		return fmt.Errorf("run %s: %w", tool, err)
	}
	return nil
}

// execEtcdctl becomes etcdctl inside the lab's network, where the members are.
func execEtcdctl(o *options, place layout.Lab, args []string) error {
	saved, err := place.Load()
	if err != nil {
		return err
	}
	pid, err := runningNode(o)
	if err != nil {
		return err
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return fmt.Errorf("enter the lab's network: %w", err)
	}
	defer ns.Close()
	runtime.LockOSThread()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the lab's network: %w", err)
	}
	dir := place.PKI() + "/etcd"
	return execTool(place, programs.Etcdctl, args,
		"ETCDCTL_ENDPOINTS="+strings.Join(etcdEndpoints(saved.Lab), ","),
		"ETCDCTL_CACERT="+dir+"/ca.crt", "ETCDCTL_CERT="+dir+"/admin.crt", "ETCDCTL_KEY="+dir+"/admin.key")
}

func etcdEndpoints(lab spec.Lab) []string {
	var out []string
	for _, n := range lab.NodeList() {
		if n.ControlPlane {
			out = append(out, fmt.Sprintf("https://%s:2379", n.Address))
		}
	}
	return out
}

// runningNode is the PID of a node that runs; every node reaches all members.
func runningNode(o *options) (int, error) {
	client, _, err := o.client()
	if err != nil {
		return 0, err
	}
	world, err := client.World(context.Background())
	if err != nil {
		return 0, err
	}
	for _, n := range world.Topology.Nodes {
		if host := world.Nodes[n.Name]; host.State == event.NodeRunning {
			return host.PID, nil
		}
	}
	return 0, errors.New("no node of the lab is running")
}
