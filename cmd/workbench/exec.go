package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"workbench/cluster/event"
	"workbench/runtime/namespace"
)

func nodeExecCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "exec NAME [-- COMMAND …]",
		Short: "Run a command inside a node's namespaces; without one, a shell",
		Example: `  workbench node exec w1
  workbench node exec w1 -- iptables-save -t nat
  workbench node exec c1 -- ps ax`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			client, _, err := o.client()
			if err != nil {
				return err
			}
			world, err := client.World(cmd.Context())
			if err != nil {
				return err
			}
			n := world.Nodes[args[0]]
			if n == nil {
				return fmt.Errorf("no node %q in lab %s; it has %v", args[0], o.name, targets(cmd, o, "node"))
			}
			if n.State != event.NodeRunning {
				return fmt.Errorf("node %s is %s; start it with: workbench node start %s", n.Name, n.State, n.Name)
			}
			command := args[1:]
			if len(command) == 0 {
				command = []string{"sh"}
			}
			return namespace.Exec(n.PID, command)
		},
	}
}
