package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/state"
	"workbench/cluster/staticpod"
)

func nodeManifestsCommand(o *options) *cobra.Command {
	var add, remove string
	cmd := &cobra.Command{
		Use:   "manifests NAME",
		Short: "Print a node's directory of static pods and what runs of it; add or remove a file",
		Example: `  workbench node manifests w1
  workbench node manifests w1 --add web.yaml
  workbench node manifests w1 --rm web.yaml`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return targets(cmd, o, "node"), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			node := args[0]
			dir, err := manifestDir(o, node)
			if err != nil {
				return err
			}
			if add != "" {
				if err := staticpod.Add(dir, add); err != nil {
					return err
				}
			}
			if remove != "" {
				if err := staticpod.Remove(dir, remove); err != nil {
					return err
				}
			}
			client, _, err := o.client()
			if err != nil {
				return err
			}
			world, err := client.World(cmd.Context())
			if err != nil && !errors.Is(err, api.ErrNotRunning) {
				return err
			}
			return writeManifests(cmd.OutOrStdout(), dir, node, world)
		},
	}
	cmd.Flags().StringVar(&add, "add", "", "copy this file into the directory; its pod starts")
	cmd.Flags().StringVar(&remove, "rm", "", "delete this file of the directory; its pod ends")
	return cmd
}

// manifestDir is where the host has a worker's manifests; the lab need not run.
func manifestDir(o *options, node string) (string, error) {
	place, err := o.place()
	if err != nil {
		return "", err
	}
	saved, err := place.Load()
	if err != nil {
		return "", err
	}
	for _, n := range saved.Lab.NodeList() {
		switch {
		case n.Name != node:
		case n.ControlPlane:
			return "", fmt.Errorf("node %s is a control plane: it has no kubelet, so no static pods", node)
		default:
			return filepath.Join(place.Root(node), staticpod.Dir), nil
		}
	}
	return "", fmt.Errorf("no node %q in lab %s", node, place.Name)
}

// writeManifests prints a directory and its files; world is nil when the lab is down.
func writeManifests(out io.Writer, dir, node string, world *state.World) error {
	list, err := staticpod.List(dir)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, dir); err != nil || len(list) == 0 {
		return err
	}
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "\nFILE\tMIRROR POD\tSTATUS")
	for _, m := range list {
		if m.Problem != "" {
			fmt.Fprintf(tw, "%s\t-\t%s\n", m.File, m.Problem)
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", m.File, m.Mirror(node), mirrorStatus(world, node, m.Mirror(node)))
	}
	return tw.Flush()
}

// mirrorStatus is what the API knows of a mirror pod. One that somebody made by
// hand under its name is not owned by the node.
func mirrorStatus(world *state.World, node, key string) string {
	if world == nil {
		return "the lab is down"
	}
	pod := world.Kube.Pods[key]
	switch {
	case pod == nil:
		return "not in the API"
	case pod.Owner != "Node/"+node:
		return "not in the API: another pod has that name"
	}
	return pod.Status
}
