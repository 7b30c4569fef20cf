package trace

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/proxy/netfilter"
	"workbench/proxy/observe"
	"workbench/proxy/rules"
	"workbench/runtime/namespace"
)

// mostSteps bounds the steps of an event.
const mostSteps = 160

// path puts the rules the packet met in order: the client's node first, whose rules
// choose where it goes.
func path(ctx context.Context, cfg Config, nodes []*watched, source netip.AddrPort, out *event.ProxyTrace) []event.ProxyStep {
	sequence, found := uint32(0), false
	for _, n := range nodes {
		for _, m := range n.met {
			if n.Name == cfg.FromNode && m.Source == source {
				sequence, found = m.Sequence, true
			}
		}
	}
	if !found {
		out.Limits = append(out.Limits, fmt.Sprintf("the kernel reported no rule for the packet on %s", cfg.FromNode))
		return nil
	}
	for _, n := range nodes {
		n.met = ours(n.met, sequence)
	}
	if i := slices.IndexFunc(nodes, func(n *watched) bool { return n.Name == cfg.FromNode }); i > 0 {
		nodes = slices.Concat(nodes[i:i+1], nodes[:i], nodes[i+1:])
	}
	var steps []event.ProxyStep
	for _, n := range nodes {
		if len(n.met) == 0 {
			continue
		}
		texts, err := listed(ctx, cfg.Mode, n.Net)
		if err != nil {
			out.Limits = append(out.Limits, fmt.Sprintf("rules of %s cannot be named: %v", n.Name, err))
		}
		steps = append(steps, n.steps(texts)...)
	}
	if len(steps) > mostSteps {
		out.Limits = append(out.Limits, fmt.Sprintf("%d more steps are left out", len(steps)-mostSteps))
		steps = steps[:mostSteps]
	}
	return steps
}

// ours are the messages about the packet with a sequence number, but for those
// about the workbench's own rules.
func ours(all []netfilter.Met, sequence uint32) []netfilter.Met {
	packets := map[uint32]bool{}
	for _, m := range all {
		if m.Source.IsValid() && m.Sequence == sequence {
			packets[m.Packet] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(m netfilter.Met) bool { return !packets[m.Packet] || m.Table == table })
}

// steps names the rules.
func (n *watched) steps(texts map[ruleID]rules.Rule) []event.ProxyStep {
	links := interfaces(n.Net)
	var out []event.ProxyStep
	packet := ""
	for _, m := range n.met {
		step := event.ProxyStep{Node: n.Name, Table: m.Table, Chain: m.Chain, Kind: m.Kind, Verdict: m.Verdict, In: links[m.IIF], Out: links[m.OIF]}
		if m.Source.IsValid() {
			if now := m.Source.String() + " > " + m.Destination.String(); now != packet {
				step.Packet, packet = now, now
			}
		}
		if m.Kind == "rule" {
			r, ok := texts[ruleID{m.Table, m.Chain, m.Handle}]
			if ok {
				step.Rule, step.Meaning = r.Text, r.Words()
			}
			if strings.Contains(r.Text, table) {
				continue
			}
		}
		if m.Kind == "policy" && uninteresting(m.Table) {
			continue // of tables that have no rule at all
		}
		out = append(out, step)
	}
	return out
}

// uninteresting tables have base chains that only accept.
func uninteresting(table string) bool { return table == "mangle" || table == "raw" }

// ruleID is how the kernel names a rule.
type ruleID struct {
	table, chain string
	handle       uint64
}

// listed are the rules of a node by what the kernel calls them.
func listed(ctx context.Context, mode string, ns *namespace.Net) (map[ruleID]rules.Rule, error) {
	all, err := observe.ListAll(ctx, mode, ns)
	if err != nil {
		return nil, err
	}
	out := map[ruleID]rules.Rule{}
	if mode == rules.NFTables {
		for _, r := range all {
			out[ruleID{r.Table, r.Chain, r.Handle}] = r
		}
		return out, nil
	}
	// iptables-save has no handles: it lists the rules of a chain in their order.
	kernel, err := netfilter.Dial(ns)
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	type place struct {
		table, chain string
		ordinal      int
	}
	texts := map[place]rules.Rule{}
	tables := map[string]bool{}
	for _, r := range all {
		texts[place{r.Table, r.Chain, r.Ordinal}] = r
		tables[r.Table] = true
	}
	for name := range tables {
		numbered, err := kernel.Rules(name, "")
		if err != nil {
			return nil, err
		}
		for _, k := range numbered {
			if r, ok := texts[place{name, k.Chain, k.Ordinal}]; ok {
				out[ruleID{name, k.Chain, k.Handle}] = r
			}
		}
	}
	return out, nil
}

// interfaces are the names of a namespace's interfaces by number; none where they
// cannot be asked.
func interfaces(ns *namespace.Net) map[uint32]string {
	out := map[uint32]string{}
	_ = ns.Do(func() error {
		links, err := net.Interfaces()
		for _, l := range links {
			out[uint32(l.Index)] = l.Name
		}
		return err
	})
	return out
}

// explain says in words why there was no reply.
func explain(out *event.ProxyTrace, cfg Config) {
	for _, s := range out.Steps {
		if strings.HasPrefix(s.Verdict, "drop") {
			what := s.Rule
			if s.Meaning != "" {
				what = s.Meaning
			}
			out.Detail = fmt.Sprintf("ended on %s in %s: %s", s.Node, s.Chain, what)
			return
		}
	}
	switch {
	case out.Verdict == "no reply" && out.Endpoint == "":
		out.Detail = "it was sent to no endpoint"
	case out.Verdict == "no reply":
		reached := slices.ContainsFunc(out.Steps, func(s event.ProxyStep) bool { return s.Node == out.PodNode })
		if out.PodNode != "" && !reached {
			out.Detail = fmt.Sprintf("it left %s for %s, which is not seen to have got it", cfg.FromNode, out.PodNode)
		} else {
			out.Detail = "the endpoint did not answer"
		}
	case out.Verdict == "refused" && out.Endpoint != "":
		out.Detail = "the endpoint refused: nothing listens there"
	}
}
