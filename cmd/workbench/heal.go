package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
)

func healCommand(o *options) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "heal ID… | --all",
		Short: "Undo faults; works while the cluster's API is down",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("heal what? Name faults (see: workbench fault list), or give --all")
			}
			client, _, err := o.client()
			if err != nil {
				return err
			}
			requests := []api.HealRequest{{All: true}}
			if !all {
				requests = nil
				for _, id := range args {
					requests = append(requests, api.HealRequest{ID: id})
				}
			}
			var ids []string
			var errs []error
			for _, r := range requests {
				healed, err := client.Heal(cmd.Context(), r)
				ids, errs = append(ids, healed.IDs...), append(errs, err)
			}
			if len(ids) > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "healed %s\n", strings.Join(ids, " "))
			} else if all && errors.Join(errs...) == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "no fault is on")
			}
			return errors.Join(errs...)
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return faultIDs(cmd, o), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all faults that are on")
	return cmd
}
