package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"workbench/cluster/fault"
	"workbench/cluster/state"
)

func faultListCommand(o *options) *cobra.Command {
	var output string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the faults that are on", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := faultWorld(cmd, o, output)
			if err != nil {
				return err
			}
			list := w.Faults.Active
			if all {
				list = append(append([]*state.Fault{}, w.Faults.Ended...), list...)
			}
			if output == "json" {
				if list == nil {
					list = []*state.Fault{}
				}
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return writeFaults(cmd.OutOrStdout(), list, time.Now())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for all that is known of them")
	cmd.Flags().BoolVar(&all, "all", false, "also those that have ended")
	return cmd
}

func faultWorld(cmd *cobra.Command, o *options, output string) (*state.World, error) {
	if output != "" && output != "json" {
		return nil, fmt.Errorf("-o %s: want json", output)
	}
	client, _, err := o.client()
	if err != nil {
		return nil, err
	}
	return client.World(cmd.Context())
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writeFaults(out io.Writer, list []*state.Fault, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no fault is on")
		return err
	}
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tFAULT\tVERDICT\tLEFT\tOWNER")
	for _, f := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", f.ID, f.Text, verdictWord(f), leftWord(f, now), f.Owner)
	}
	return tw.Flush()
}

func verdictWord(f *state.Fault) string {
	if f.Verdict == "" && !f.EndedAt.IsZero() {
		return "-"
	}
	if f.Verdict == "" {
		return "not verified yet"
	}
	return string(f.Verdict)
}

func leftWord(f *state.Fault, now time.Time) string {
	if !f.EndedAt.IsZero() {
		return f.Cause
	}
	left, limited := f.Left(now)
	if !limited {
		return "no limit"
	}
	return left.Round(time.Second).String()
}

func faultShowCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show one fault with the evidence that it landed", Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return faultIDs(cmd, o), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := faultWorld(cmd, o, output)
			if err != nil {
				return err
			}
			f := w.Faults.Find(args[0])
			if f == nil {
				return fmt.Errorf("no fault %s; see: workbench fault list --all", args[0])
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), f)
			}
			return writeFault(cmd.OutOrStdout(), w, f, time.Now())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for all that is known of it")
	return cmd
}

func writeFault(out io.Writer, w *state.World, f *state.Fault, now time.Time) error {
	fmt.Fprintf(out, "%s  %s\n", f.ID, f.Text)
	fmt.Fprintf(out, "what     %s\n", fault.Consequence(f.FaultInjected))
	fmt.Fprintf(out, "since    %s by %s\n", f.At.Local().Format(time.TimeOnly), f.Owner)
	fmt.Fprintf(out, "left     %s\n", leftWord(f, now))
	fmt.Fprintf(out, "verdict  %s\n", verdictWord(f))
	for _, line := range f.Evidence {
		fmt.Fprintf(out, "         %s\n", line)
	}
	for _, l := range f.Links {
		if c := w.Link(l.From, l.To); c != nil && f.EndedAt.IsZero() {
			fmt.Fprintf(out, "link     %s > %s  %s  %d dropped, %d delayed\n", l.From, l.To, fault.LinkText(*c), c.Dropped, c.Delayed)
		}
	}
	if f.Error != "" {
		fmt.Fprintf(out, "error    %s\n", f.Error)
	}
	return nil
}

func faultIDs(cmd *cobra.Command, o *options) []string {
	var ids []string
	for _, f := range o.completing(cmd.Context()).Faults.Active {
		ids = append(ids, f.ID)
	}
	return ids
}
