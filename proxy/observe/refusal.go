package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/knftables"

	"workbench/proxy/rules"
	"workbench/runtime/namespace"
)

// refusals counts packets that kube-proxy's nftables rules refuse, which have no
// counters. It keeps a table of its own on the node, whose chains look right
// before kube-proxy's for the same addresses and let every packet pass:
//
//	input, forward, output, priority filter-1 --address in a set--> refused, ports: a counter per address
//
// The table ends with the node's namespace.
type refusals struct {
	net     *namespace.Net
	counted []rules.Refusal // the rules of chain refused, then those of ports
	local   []string        // the node's addresses that they were written for
}

// refusalTable is the name of that table, and its two chains that count.
const (
	refusalTable   = "workbench-count"
	refusedChain   = "refused"
	portsChain     = "ports"
	refusedSet     = "refused-addresses"
	portsSet       = "refused-ports"
	kubeProxyFirst = "filter-1" // kube-proxy's checks have priority filter
)

// start makes the table, empty.
func (r *refusals) start(ctx context.Context) error {
	return r.run(ctx, func(tx *knftables.Transaction) {
		tx.Add(&knftables.Table{Comment: knftables.PtrTo("packets to services without endpoints, counted by the workbench")})
		// A reader before this one may have left it filled.
		for name, kind := range map[string]string{refusedSet: "ipv4_addr . inet_proto . inet_service", portsSet: "inet_proto . inet_service"} {
			tx.Add(&knftables.Set{Name: name, Type: kind})
			tx.Flush(&knftables.Set{Name: name})
		}
		for _, name := range []string{refusedChain, portsChain} {
			tx.Add(&knftables.Chain{Name: name})
			tx.Flush(&knftables.Chain{Name: name})
		}
		for _, hook := range []knftables.BaseChainHook{knftables.InputHook, knftables.ForwardHook, knftables.OutputHook} {
			chain := knftables.Chain{
				Name: string(hook), Type: knftables.PtrTo(knftables.FilterType), Hook: knftables.PtrTo(hook),
				Priority: knftables.PtrTo(knftables.BaseChainPriority(kubeProxyFirst)),
			}
			tx.Add(&chain)
			tx.Flush(&chain)
			tx.Add(&knftables.Rule{Chain: chain.Name, Rule: "ct state new ip daddr . meta l4proto . th dport @" + refusedSet + " jump " + refusedChain})
			if hook == knftables.InputHook {
				tx.Add(&knftables.Rule{Chain: chain.Name, Rule: "ct state new meta l4proto . th dport @" + portsSet + " jump " + portsChain})
			}
		}
	})
}

func (r *refusals) run(ctx context.Context, fill func(*knftables.Transaction)) error {
	return r.net.Do(func() error {
		nft, err := knftables.New(knftables.IPv4Family, refusalTable)
		if err != nil {
			return fmt.Errorf("use nft: %w", err)
		}
		tx := nft.NewTransaction()
		fill(tx)
		if err := nft.Run(ctx, tx); err != nil {
			return fmt.Errorf("write table %s: %w", refusalTable, err)
		}
		return nil
	})
}

// count makes the table count what a ruleset refuses, where that is something
// else than before, and says which rule counts what. Rules written anew count
// from 0; the kernel gives them other numbers.
func (r *refusals) count(ctx context.Context, set *rules.Ruleset) ([]rules.Source, error) {
	wanted := slices.Clone(set.Refusals)
	slices.SortFunc(wanted, func(a, b rules.Refusal) int { // nft may list the same elements in another order
		return cmp.Or(strings.Compare(a.IP, b.IP), strings.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), strings.Compare(a.Key, b.Key))
	})
	if !slices.Equal(wanted, r.counted) || !slices.Equal(set.NodePortIPs, r.local) {
		if err := r.run(ctx, func(tx *knftables.Transaction) { write(tx, wanted, set.NodePortIPs) }); err != nil {
			return nil, err
		}
		r.counted, r.local = wanted, slices.Clone(set.NodePortIPs)
	}
	sources := make([]rules.Source, 0, len(wanted))
	places := map[string]int{}
	for _, one := range wanted {
		chain := chainOf(one)
		sources = append(sources, rules.Source{Table: refusalTable, Chain: chain, Ordinal: places[chain], Key: one.Key, Rejects: true})
		places[chain]++
	}
	return sources, nil
}

func chainOf(one rules.Refusal) string {
	if one.IP == "" {
		return portsChain
	}
	return refusedChain
}

// write fills sets and chains. Node ports are those at the addresses that
// kube-proxy takes them at.
func write(tx *knftables.Transaction, wanted []rules.Refusal, local []string) {
	for _, name := range []string{refusedSet, portsSet} {
		tx.Flush(&knftables.Set{Name: name})
	}
	for _, name := range []string{refusedChain, portsChain} {
		tx.Flush(&knftables.Chain{Name: name})
	}
	at := "fib daddr type local ip daddr != 127.0.0.0/8"
	if len(local) > 0 {
		at = "ip daddr { " + strings.Join(local, ", ") + " }"
	}
	for _, one := range wanted {
		port := strconv.Itoa(one.Port)
		set, key, match := refusedSet, []string{one.IP, one.Protocol, port}, "ip daddr "+one.IP
		if one.IP == "" {
			set, key, match = portsSet, []string{one.Protocol, port}, at
		}
		tx.Add(&knftables.Element{Set: set, Key: key})
		tx.Add(&knftables.Rule{
			Chain: chainOf(one), Rule: match + " meta l4proto " + one.Protocol + " th dport " + port + " counter", Comment: knftables.PtrTo(one.Key),
		})
	}
}
