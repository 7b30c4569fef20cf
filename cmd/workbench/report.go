package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/recovery"
	"workbench/cluster/state"
)

func reportCommand(o *options) *cobra.Command {
	var output string
	var wait bool
	cmd := &cobra.Command{
		Use:   "report [FAULT|last]",
		Short: "Report how the lab recovered from a fault, hop by hop",
		Long: `Report how the lab recovered from a fault: who noticed when, who took over, what was
evicted and replaced, when EndpointSlices and the rules of every node agreed, what users
felt, and all that compared with the last fault of its class. Without a fault: a list.`,
		Example: "  workbench report\n  workbench report last --wait\n  workbench report f3 -o markdown > f3.md",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "markdown", "json"}, output) {
				return fmt.Errorf("-o %s: want text, markdown or json", output)
			}
			w, err := reportWorld(cmd.Context(), o, args, wait)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return writeReports(cmd.OutOrStdout(), w, output)
			}
			return writeReport(cmd.OutOrStdout(), w, args[0], output)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			out := []string{"last"}
			if client, _, err := o.client(); err == nil && len(args) == 0 {
				if w, err := client.World(cmd.Context()); err == nil {
					for _, r := range w.Recovery.List {
						out = append(out, r.ID+"\t"+r.Text)
					}
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, markdown or json")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the lab has recovered from the fault")
	return cmd
}

// reportWorld is the lab as it is, or as its last run left it; with wait, as it
// is once the lab has recovered from the fault.
func reportWorld(ctx context.Context, o *options, args []string, wait bool) (*state.World, error) {
	client, place, err := o.client()
	if err != nil {
		return nil, err
	}
	w, err := client.World(ctx)
	if errors.Is(err, api.ErrNotRunning) && !wait {
		w = state.New()
		return w, readJournal(ctx, place, 0, func(events []event.Event) { apply(w, events) })
	}
	if err != nil || !wait || len(args) == 0 {
		return w, err
	}
	over := func() bool {
		r := w.Recovery.Find(args[0])
		return r == nil || r.Closed || !r.Recovered.IsZero()
	}
	if over() {
		return w, nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err = client.Follow(ctx, w.Seq, func(events []event.Event) {
		if apply(w, events); over() {
			stop(errRecovered)
		}
	})
	if errors.Is(err, errRecovered) {
		err = nil
	}
	return w, err
}

var errRecovered = errors.New("the lab has recovered")

func apply(w *state.World, events []event.Event) {
	for _, e := range events {
		w.Apply(e)
	}
}

func writeReport(out io.Writer, w *state.World, id, form string) error {
	r := w.Recovery.Find(id)
	switch {
	case r == nil && id == "last":
		return errors.New("no fault in this run of the lab; break something with: workbench fault")
	case r == nil:
		return fmt.Errorf("no report of a fault %s in this run of the lab; workbench report lists them", id)
	case form == "json":
		return r.WriteJSON(out)
	case form == "markdown":
		return r.WriteMarkdown(out)
	}
	return r.WriteText(out)
}

// writeReports lists the reports of this run, the newest last.
func writeReports(out io.Writer, w *state.World, form string) error {
	list := w.Recovery.List
	if form == "json" {
		short := []*recovery.Report{}
		for _, r := range list {
			one := *r
			one.Work = nil
			short = append(short, &one)
		}
		return writeJSON(out, short)
	}
	head, row := "ID\tFAULT\tLANDED (UTC)\tSTATUS\tRECOVERED AFTER\tAGAINST\tLONGEST OUTAGE\n", "%s\t%s\t%s\t%s\t%s\t%s\t%s\n"
	if form == "markdown" {
		head = "| id | fault | landed (UTC) | status | recovered after | against | longest outage |\n| --- | --- | --- | --- | ---: | ---: | --- |\n"
		row = "| %s | %s | %s | %s | %s | %s | %s |\n"
	}
	tw := io.Writer(out)
	if form == "text" {
		tabs := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		defer tabs.Flush() // to where the lines before were written
		tw = tabs
	}
	if _, err := io.WriteString(tw, head); err != nil {
		return err
	}
	for _, r := range list {
		s := r.Summary()
		if _, err := fmt.Fprintf(tw, row, r.ID, r.Text, r.Start().UTC().Format("15:04:05.000"), r.Status(), s.Total, s.Against, s.Outage); err != nil {
			return err
		}
	}
	return nil
}
