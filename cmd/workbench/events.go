package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/journal"
	"workbench/cluster/layout"
	"workbench/cluster/state"
	"workbench/ui/plain"
)

func eventsCommand(o *options) *cobra.Command {
	var follow bool
	var output string
	var after uint64
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what happened in the lab, from its journal",
		Long: `Print the lab's journal: every event the app draws. With -o json each event is a
line {"seq","time","type","data"}; without, the changes that matter to people are lines.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			client, place, err := o.client()
			if err != nil {
				return err
			}
			ctx, stop := untilInterrupt(cmd.Context())
			defer stop()
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			print := printer(cmd, output, cancel)
			if follow {
				err = client.Follow(ctx, after, print)
			} else {
				err = client.Events(ctx, after, print)
			}
			if errors.Is(err, api.ErrNotRunning) && !follow {
				err = readJournal(ctx, place, after, print)
			}
			if ctx.Err() != nil && cmd.Context().Err() == nil {
				return nil // interrupted
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as things happen")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for the events themselves")
	cmd.Flags().Uint64Var(&after, "after", 0, "only events after this sequence number")
	return cmd
}

// readJournal reads the journal of a lab that is down.
func readJournal(ctx context.Context, place layout.Lab, after uint64, print func([]event.Event)) error {
	if _, err := place.Load(); err != nil {
		return fmt.Errorf("no lab %s; start it with: workbench up", place.Name)
	}
	j, err := journal.Open(place.Journal(), journal.Options{})
	if err != nil {
		return err
	}
	defer j.Close()
	reader := j.Reader(max(after, j.First()-min(j.First(), 1)))
	defer reader.Close()
	for last := j.Last(); after < last; {
		events, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		print(events)
		after = events[len(events)-1].Seq
	}
	return nil
}

func printer(cmd *cobra.Command, output string, stop context.CancelCauseFunc) func([]event.Event) {
	out := cmd.OutOrStdout()
	if output == "json" {
		enc := json.NewEncoder(out)
		return func(events []event.Event) {
			for _, e := range events {
				if err := enc.Encode(e); err != nil {
					stop(err)
				}
			}
		}
	}
	w := plain.NewWriter(out, state.New())
	return func(events []event.Event) {
		if err := w.Write(events); err != nil {
			stop(err)
		}
	}
}
