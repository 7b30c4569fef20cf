package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"workbench/cluster/event"
	"workbench/cluster/spec"
	"workbench/cluster/state"
	"workbench/proxy/observe"
	"workbench/proxy/rules"
	"workbench/proxy/userspace"
	"workbench/runtime/namespace"
)

func proxyCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "proxy", Short: "Show kube-proxy's rules and what they do, and trace a connection through them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(proxyServicesCommand(o), proxyRulesCommand(o), proxyTraceCommand(o))
	return cmd
}

func proxyServicesCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "services", Short: "Show services, their endpoints and connections, as each node's rules have them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			client, _, err := o.client()
			if err != nil {
				return err
			}
			world, err := client.World(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(world.Proxy)
			}
			return writeServices(cmd.OutOrStdout(), world)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for all that is known of the rules")
	return cmd
}

func writeServices(out io.Writer, w *state.World) error {
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "NODE\tSERVICE\tADDRESS\tENDPOINT\tPROBABILITY\tCONNS\tPACKETS\tBYTES\tENTRIES\tREJECTED")
	for _, node := range slices.Sorted(maps.Keys(w.Proxy.Nodes)) {
		n := w.Proxy.Nodes[node]
		name := node
		if !n.Stale.IsZero() {
			name += " (stale)"
		}
		packets := known(n.Accounted)
		bytes := known(n.Accounted || n.Mode == event.ProxyUserspace)
		rejected := known(!n.RejectsUncounted)
		for _, key := range slices.Sorted(maps.Keys(n.Services)) {
			s := n.Services[key]
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\t%s\n", name, key, addresses(s), endpoints(s), "",
				s.Count.Conns, packets(s.Count.Packets), bytes(s.Count.Bytes), s.Count.Entries, rejected(s.Count.Rejected))
			for _, e := range s.Endpoints {
				c := s.Count.Endpoints[e.Address]
				fmt.Fprintf(tw, "\t\t\t%s\t%s\t%d\t%s\t%s\t%d\t\n", e.Address, probability(e), c.Conns, packets(c.Packets), bytes(c.Bytes), c.Entries)
			}
		}
	}
	return tw.Flush()
}

// known writes counts; a dash for those that a node does not count.
func known(counted bool) func(uint64) string {
	return func(n uint64) string {
		if !counted {
			return "-"
		}
		return strconv.FormatUint(n, 10)
	}
}

func addresses(s *state.ProxyService) string {
	var out []string
	for _, f := range s.Frontends {
		out = append(out, fmt.Sprintf("%s:%d", f.IP, f.Port))
	}
	return strings.Join(out, ",")
}

func endpoints(s *state.ProxyService) string {
	if len(s.Endpoints) == 0 && s.Refused != "" {
		return "none: " + s.Refused
	}
	return fmt.Sprint(len(s.Endpoints))
}

func probability(e event.ProxyEndpoint) string {
	switch {
	case e.Cluster > 0 && e.Local > 0:
		return fmt.Sprintf("%.3f, local %.3f", e.Cluster, e.Local)
	case e.Local > 0:
		return fmt.Sprintf("local %.3f", e.Local)
	}
	return fmt.Sprintf("%.3f", e.Cluster)
}

func proxyRulesCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "rules NODE [SERVICE]", Short: "Print the rules on a node as they are now, or those of one Service (namespace/name[:port])",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, place, err := o.client()
			if err != nil {
				return err
			}
			world, err := client.World(cmd.Context())
			if err != nil {
				return err
			}
			n := world.Nodes[args[0]]
			switch {
			case n == nil:
				return fmt.Errorf("no node %q in lab %s", args[0], place.Name)
			case n.Role != event.Worker:
				return fmt.Errorf("node %s is a control plane: kube-proxy runs on workers", args[0])
			case n.PID == 0:
				return fmt.Errorf("node %s is not running; start it with: workbench node start %s", args[0], args[0])
			}
			saved, err := place.Load()
			if err != nil {
				return err
			}
			ns, err := namespace.NetOf(n.PID)
			if err != nil {
				return err
			}
			defer ns.Close()
			set, err := listRules(cmd.Context(), saved.Lab.Spec.Network.ProxyMode, ns)
			if err != nil {
				return err
			}
			list := set.Rules
			if len(args) > 1 {
				if list = set.Of(qualified(args[1])); len(list) == 0 {
					return fmt.Errorf("no rule on %s serves %s; workbench proxy services lists what there is", args[0], args[1])
				}
			}
			for _, r := range list {
				words := r.Words()
				if words != "" {
					words = "   # " + words
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s%s\n", r.Line(), words); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// listRules lists the rules of a node as they are now: the kernel's, or what a
// kube-proxy that carries connections itself says that it does.
func listRules(ctx context.Context, mode spec.ProxyMode, node *namespace.Net) (*rules.Ruleset, error) {
	if mode != spec.Userspace {
		return observe.List(ctx, string(mode), node)
	}
	services, err := userspace.Services(ctx, node)
	if err != nil {
		return nil, err
	}
	return rules.FromServices(services), nil
}

// qualified puts the default namespace in front of a bare name.
func qualified(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "default/" + name
}
