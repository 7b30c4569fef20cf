package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
)

// verb is one action of the node or component command.
type verb struct {
	name, short string
	destructive string // the question, where it must be asked
}

func nodeCommand(o *options) *cobra.Command {
	cmd := actCommand(o, "node", "NAME", "Kill, stop, start, pause or resume a node, enter it, give it static pods, add or remove one", []verb{
		{"kill", "Cut the power: SIGKILL to the node's init ends every process in it", "Kill node %s?"},
		{"stop", "Shut the node down in order", "Stop node %s?"},
		{"start", "Boot a node that was killed or stopped", ""},
		{"pause", "Freeze every process of the node", "Pause node %s?"},
		{"resume", "Let a paused node run on", ""},
	})
	cmd.AddCommand(nodeExecCommand(o), nodeManifestsCommand(o), nodeAddCommand(o), nodeRemoveCommand(o))
	return cmd
}

func componentCommand(o *options) *cobra.Command {
	return actCommand(o, "component", "NODE/COMPONENT", "Kill, start, restart, pause or resume one component", []verb{
		{"kill", "SIGKILL the component and hold it down until it is started", "Kill %s?"},
		{"start", "Start a component that was killed", ""},
		{"restart", "Stop the component in order; the node's init starts it again", "Restart %s?"},
		{"pause", "Freeze the component's process (SIGSTOP)", "Pause %s?"},
		{"resume", "Let a paused component run on (SIGCONT)", ""},
	})
}

func actCommand(o *options, kind, target, short string, verbs []verb) *cobra.Command {
	cmd := &cobra.Command{Use: kind, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	for _, v := range verbs {
		var yes bool
		sub := &cobra.Command{
			Use: v.name + " " + target, Short: v.short, Args: cobra.ExactArgs(1),
			ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
				return targets(cmd, o, kind), cobra.ShellCompDirectiveNoFileComp
			},
			RunE: func(cmd *cobra.Command, args []string) error {
				client, _, err := o.client()
				if err != nil {
					return err
				}
				if v.destructive != "" {
					if err := confirm(yes, fmt.Sprintf(v.destructive, args[0])); err != nil {
						return err
					}
				}
				if err := client.Act(cmd.Context(), api.Request{Verb: kind + "." + v.name, Target: args[0]}); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s done\n", kind, args[0], v.name)
				return err
			},
		}
		if v.destructive != "" {
			sub.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

// targets are what a verb can act on, for completion.
func targets(cmd *cobra.Command, o *options, kind string) []string {
	var out []string
	for _, n := range o.completing(cmd.Context()).Topology.Nodes {
		if kind == "node" {
			out = append(out, n.Name)
			continue
		}
		for _, c := range n.Components {
			out = append(out, n.Name+"/"+c)
		}
	}
	return out
}
