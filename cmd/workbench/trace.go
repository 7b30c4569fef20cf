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
)

func proxyTraceCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "trace POD|NODE SERVICE[:PORT]",
		Short: "Connect from a pod or node to a Service, once, and show every rule the packet meets",
		Long: `Make one real TCP connection from inside the network of a pod (namespace/name) or a
worker to a Service (namespace/name, with :port by name or number where it has several),
and show each rule that its first packet meets on each node, and what came of it.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			client, _, err := o.client()
			if err != nil {
				return err
			}
			before, err := client.World(cmd.Context())
			if err != nil {
				return err
			}
			if err := client.Act(cmd.Context(), api.Request{Verb: "proxy.trace", Target: args[0] + " " + args[1]}); err != nil {
				return err
			}
			trace, err := tracedSince(cmd, client, before.Seq)
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(trace)
			}
			return writeTrace(cmd.OutOrStdout(), trace)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for the trace as an event")
	return cmd
}

// tracedSince is the trace that was journalled after a sequence number.
func tracedSince(cmd *cobra.Command, client *api.Client, after uint64) (event.ProxyTrace, error) {
	var found *event.ProxyTrace
	if err := client.Events(cmd.Context(), after, func(events []event.Event) {
		for _, e := range events {
			if t, ok := e.Body.(event.ProxyTrace); ok {
				found = &t
			}
		}
	}); err != nil {
		return event.ProxyTrace{}, err
	}
	if found == nil {
		return event.ProxyTrace{}, errors.New("the trace is not in the journal; is its disk full?")
	}
	return *found, nil
}

func writeTrace(out io.Writer, t event.ProxyTrace) error {
	fmt.Fprintf(out, "%s (%s on %s) > %s (%s)  %s\n", t.Source, t.Client, t.Node, t.Target, t.Service, t.Mode)
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	node := ""
	for _, s := range t.Steps {
		if s.Node != node {
			fmt.Fprintf(tw, "on %s\t\t\n", s.Node)
			node = s.Node
		}
		what := s.Rule
		if s.Meaning != "" {
			what += "   # " + s.Meaning
		}
		switch s.Kind {
		case "policy":
			what = "the chain's policy"
		case "return":
			what = "the end of the chain"
		}
		if s.Packet != "" {
			fmt.Fprintf(tw, "  [%s]\t\t%s\n", s.Packet, strings.TrimSpace(s.In+" "+s.Out))
		}
		fmt.Fprintf(tw, "  %s %s\t%s\t%s\n", s.Table, s.Chain, s.Verdict, what)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	verdict := fmt.Sprintf("verdict: %s after %.1f ms", strings.ToUpper(t.Verdict), float64(t.Latency.Microseconds())/1000)
	if t.Endpoint != "" {
		verdict += ", sent to " + t.Endpoint
	}
	if t.Pod != "" {
		verdict += fmt.Sprintf(" (pod %s on %s)", t.Pod, t.PodNode)
	}
	if t.Masqueraded != "" {
		verdict += ", which sees " + t.Masqueraded
	}
	if t.Detail != "" {
		verdict += ": " + t.Detail
	}
	fmt.Fprintln(out, verdict)
	for _, l := range t.Limits {
		fmt.Fprintln(out, "note:", l)
	}
	return nil
}
