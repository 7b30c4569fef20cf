package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/spec"
)

func nodeAddCommand(o *options) *cobra.Command {
	var name, cpus, memory string
	cmd := &cobra.Command{
		Use: "add worker | control-plane", Short: "Boot one more node into the lab while it runs",
		Long: `Boot one more node into the lab, by the same plan as a boot, and write it to the
lab's file. A control plane's etcd member joins as a learner and is promoted when it
has the leader's log. Numbers and addresses of removed nodes are not given again.`,
		Example:   "  workbench node add worker\n  workbench node add control-plane\n  workbench node add worker --node spare --memory 1Gi",
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{string(event.Worker), string(event.ControlPlane)},
		RunE: func(cmd *cobra.Command, args []string) error {
			r := api.OperationRequest{Verb: "node.add", Target: name, Role: event.Role(args[0])}
			if r.Role != event.Worker && r.Role != event.ControlPlane {
				return fmt.Errorf("add %q: want worker or control-plane", args[0])
			}
			if cpus != "" {
				v, err := spec.ParseCores(cpus)
				if err != nil {
					return fmt.Errorf("--cpus %s: %w", cpus, err)
				}
				r.CPUs = float64(v)
			}
			if memory != "" {
				v, err := spec.ParseBytes(memory)
				if err != nil {
					return fmt.Errorf("--memory %s: %w", memory, err)
				}
				r.MemoryBytes = int64(v)
			}
			if err := requireRoot(); err != nil {
				return err
			}
			return operate(cmd, o, r)
		},
	}
	cmd.Flags().StringVar(&name, "node", "", "the node's name (default: the next number, such as w4)")
	cmd.Flags().StringVar(&cpus, "cpus", "", "processors it may use (default: as the others)")
	cmd.Flags().StringVar(&memory, "memory", "", "memory it may use, such as 1Gi (default: as the others)")
	return cmd
}

func nodeRemoveCommand(o *options) *cobra.Command {
	r := api.OperationRequest{Verb: "node.remove"}
	cmd := &cobra.Command{
		Use: "remove NODE", Short: "Take a node out of the lab while it runs, and delete it",
		Long: `Take a node out of the lab: a worker is drained and its Node object deleted, a
control plane's member leaves etcd first. Then the node is shut down and all that was
on it is deleted. What would cost etcd its quorum is refused.`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return targets(cmd, o, "node"), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.Target = args[0]; r.Target == "" {
				return errors.New("remove which node?")
			}
			return operate(cmd, o, r)
		},
	}
	cmd.Flags().BoolVarP(&r.Yes, "yes", "y", false, "do not ask")
	return cmd
}
