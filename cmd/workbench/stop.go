package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/mirror"
	"workbench/cluster/state"
)

// stopTimeout is how long a run may take to heal and to delete what it applied.
const stopTimeout = 2 * time.Minute

// stopCommand stops a run, of a scenario or a campaign.
func stopCommand(o *options, kind string) *cobra.Command {
	return &cobra.Command{
		Use: "stop", Short: "Stop the " + kind + " that runs, wherever it was begun", Args: cobra.NoArgs,
		Long: "Ask whoever runs the " + kind + ", here, in the app or elsewhere, to stop. As after ctrl+c it\nheals its faults and deletes what it applied; this waits until that is done.",
		RunE: func(cmd *cobra.Command, _ []string) error { return stopRun(cmd, o, kind) },
	}
}

func stopRun(cmd *cobra.Command, o *options, kind string) error {
	client, _, err := o.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), stopTimeout, fmt.Errorf("it did not within %v; workbench heal --all heals its faults", stopTimeout))
	defer cancel()
	world, stop, err := mirror.Open(ctx, client)
	if err != nil {
		return err
	}
	defer stop()
	run, err := client.StopRun(ctx, api.StopRequest{Name: kind, Owner: owner()})
	if err != nil {
		return err
	}
	var last state.Scenario
	err = world.Await(ctx, func(w *state.World) bool {
		if w.Scenario != nil && w.Scenario.Run == run {
			last = *w.Scenario
		}
		return last.Run == run && !last.Runs()
	})
	if err != nil {
		return fmt.Errorf("%s was asked to stop: %w", run, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s\n", run, last.Phase, last.Detail)
	return err
}
