package trace

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/coreos/go-iptables/iptables"
	"sigs.k8s.io/knftables"

	"workbench/runtime/namespace"
)

// table is the workbench's own table for trace rules; it exists only while a
// connection is traced.
const table = "workbench-trace"

// mark says which packets to trace on one node: the first packet of connections
// from a client, or to one of some endpoints.
type mark struct {
	client netip.AddrPort   // valid on the client's node
	to     []netip.AddrPort // endpoints, on other nodes
}

// set makes the kernel trace these packets in a namespace, and returns how to
// end that. It uses a table of its own through nft; without nft, rules of the raw
// table through iptables.
func (m mark) set(ctx context.Context, ns *namespace.Net) (unset func(context.Context) error, err error) {
	err = ns.Do(func() error {
		unset, err = m.nft(ctx)
		return err
	})
	if err == nil {
		return in(ns, unset), nil
	}
	if ctx.Err() != nil {
		return nil, err // nobody wants it any more, by whatever means
	}
	byNFT := err
	err = ns.Do(func() error {
		unset, err = m.iptables()
		return err
	})
	if err != nil {
		return nil, errors.Join(byNFT, err)
	}
	return in(ns, unset), nil
}

func in(ns *namespace.Net, fn func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		return ns.Do(func() error { return fn(ctx) })
	}
}

// nft runs on a thread in the namespace.
func (m mark) nft(ctx context.Context) (func(context.Context) error, error) {
	nft, err := knftables.New(knftables.IPv4Family, table)
	if err != nil {
		return nil, fmt.Errorf("use nft: %w", err)
	}
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("one connection traced by the workbench")})
	for _, hook := range []knftables.BaseChainHook{knftables.PreroutingHook, knftables.OutputHook} {
		chain := string(hook)
		// Before all others, so that their rules are seen.
		tx.Add(&knftables.Chain{
			Name: chain, Type: knftables.PtrTo(knftables.FilterType), Hook: knftables.PtrTo(hook),
			Priority: knftables.PtrTo(knftables.BaseChainPriority("-350")),
		})
		for _, match := range m.nftMatches() {
			tx.Add(&knftables.Rule{Chain: chain, Rule: match + " tcp flags syn / syn,ack meta nftrace set 1"})
		}
	}
	unset := func(ctx context.Context) error {
		tx := nft.NewTransaction()
		tx.Delete(&knftables.Table{})
		if err := nft.Run(ctx, tx); err != nil && !knftables.IsNotFound(err) {
			return fmt.Errorf("remove trace rules: %w", err)
		}
		return nil
	}
	if err := nft.Run(ctx, tx); err != nil {
		err = fmt.Errorf("add trace rules: %w", err)
		if ctx.Err() != nil { // nft was killed, maybe after the kernel had taken them
			over, cancel := context.WithTimeout(context.WithoutCancel(ctx), setUp)
			defer cancel()
			err = errors.Join(err, unset(over))
		}
		return nil, err
	}
	return unset, nil
}

func (m mark) nftMatches() []string {
	var out []string
	if m.client.IsValid() {
		out = append(out, fmt.Sprintf("ip saddr %s tcp sport %d", m.client.Addr(), m.client.Port()))
	}
	for _, e := range m.to {
		out = append(out, fmt.Sprintf("ip daddr %s tcp dport %d", e.Addr(), e.Port()))
	}
	return out
}

// iptables runs on a thread in the namespace.
func (m mark) iptables() (func(context.Context) error, error) {
	ipt, err := iptables.New(iptables.IPFamily(iptables.ProtocolIPv4))
	if err != nil {
		return nil, fmt.Errorf("use iptables: %w", err)
	}
	var set [][]string
	unset := func(context.Context) error {
		var errs []error
		for _, rule := range set {
			errs = append(errs, ipt.DeleteIfExists("raw", rule[0], rule[1:]...))
		}
		return errors.Join(errs...)
	}
	for _, chain := range []string{"PREROUTING", "OUTPUT"} {
		for _, match := range m.iptablesMatches() {
			rule := append([]string{chain, "-p", "tcp"}, match...)
			rule = append(rule, "--syn", "-m", "comment", "--comment", table, "-j", "TRACE")
			if err := ipt.Insert("raw", chain, 1, rule[1:]...); err != nil {
				return nil, errors.Join(fmt.Errorf("add trace rule: %w", err), unset(context.Background()))
			}
			set = append(set, rule)
		}
	}
	return unset, nil
}

func (m mark) iptablesMatches() [][]string {
	var out [][]string
	if m.client.IsValid() {
		out = append(out, strings.Fields(fmt.Sprintf("-s %s --sport %d", m.client.Addr(), m.client.Port())))
	}
	for _, e := range m.to {
		out = append(out, strings.Fields(fmt.Sprintf("-d %s --dport %d", e.Addr(), e.Port())))
	}
	return out
}
