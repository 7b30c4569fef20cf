package main

import (
	"github.com/spf13/cobra"

	"workbench/cluster/api"
)

func pulseCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "pulse", Short: "Stop the probes that feel the cluster as its users do, or let them go on", Args: cobra.NoArgs,
		Long: `The pulse reads and writes the API, writes to etcd, and requests a Service and a
name from every worker, four times a second. Off, the cluster is as nobody uses
it; the strip below every screen and recovery reports then tell nothing.`,
		Example: "  workbench pulse off\n  workbench pulse on",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, v := range []struct{ name, short string }{{"on", "Probe again"}, {"off", "Probe nothing, until the pulse is switched on or the lab's next boot"}} {
		cmd.AddCommand(&cobra.Command{Use: v.name, Short: v.short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, o, api.OperationRequest{Verb: "pulse." + v.name})
		}})
	}
	return cmd
}
