package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/state"
)

func statusCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "status", Short: "Show the lab's nodes and components", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			client, place, err := o.client()
			if err != nil {
				return err
			}
			world, err := client.World(cmd.Context())
			if errors.Is(err, api.ErrNotRunning) {
				return notRunning(cmd.OutOrStdout(), place, output, err)
			}
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(world)
			}
			return writeStatus(cmd.OutOrStdout(), world)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for the whole state")
	return cmd
}

// notRunning tells a stopped lab from none.
func notRunning(w io.Writer, place layout.Lab, output string, err error) error {
	labs, listErr := layout.List(place.State)
	if listErr != nil {
		return listErr
	}
	if output == "" && len(labs) > 0 {
		fmt.Fprintf(w, "labs in %s: %s\n", place.State, strings.Join(labs, ", "))
	}
	return fmt.Errorf("lab %s: %w", place.Name, err)
}

func writeStatus(out io.Writer, w *state.World) error {
	t := w.Topology
	fmt.Fprintf(out, "lab %s  %s  Kubernetes %s  etcd %s  containerd %s  API https://%s\n",
		t.Name, w.Phase, t.KubernetesVersion, t.EtcdVersion, t.ContainerdVersion, t.APIAddress)
	if w.PhaseDetail != "" {
		fmt.Fprintln(out, w.PhaseDetail)
	}
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "\nNODE\tROLE\tADDRESS\tSTATE\tREADY\tRAFT\tPODS\tCOMPONENTS")
	for _, tn := range t.Nodes {
		n := w.Nodes[tn.Name]
		ready, raft, pods := "-", "-", "-"
		if k := w.Kube.Nodes[tn.Name]; k != nil {
			ready = k.Ready
			pods = fmt.Sprint(len(w.Kube.PodsOn(tn.Name)))
		}
		if m := w.Raft.Members[tn.Name]; m != nil && m.Role != "" {
			raft = fmt.Sprintf("%s (term %d)", m.Role, m.Term)
		}
		var parts []string
		for _, c := range tn.Components {
			part := c
			if s := n.Components[c].State; s != event.ComponentReady {
				part += "=" + string(s)
			}
			parts = append(parts, part)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", tn.Name, tn.Role, tn.IP, n.State, ready, raft, pods, strings.Join(parts, " "))
	}
	return tw.Flush()
}
