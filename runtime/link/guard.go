package link

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coreos/go-iptables/iptables"

	"workbench/runtime/namespace"
)

// Delay is how a queue holds packets back.
type Delay struct {
	Delay  time.Duration
	Jitter time.Duration // at most this much more or less; the order is kept
}

// Guard keeps the rules and queues of one namespace. It is not safe for
// concurrent use.
type Guard struct {
	ns     *namespace.Net
	device string
	tables *iptables.IPTables
	have   []Rule
	// made says that the table was not there before.
	made    bool
	past    map[string]Counter // of rules that are gone
	delayer *Delayer
}

// NewGuard is a guard of packets that come in on a device. The guard owns ns.
func NewGuard(ns *namespace.Net, device string) (*Guard, error) {
	tables, err := iptables.New(iptables.Timeout(5))
	if err != nil {
		return nil, fmt.Errorf("guard links: %w; install iptables: workbench doctor --fix", err)
	}
	return &Guard{ns: ns, device: device, tables: tables, past: map[string]Counter{}}, nil
}

// Set makes the rules and delays exactly those wanted. At no moment is a packet
// let through that both the old and the new ones stop. Without any, the
// namespace's rules are what they were before the first.
func (g *Guard) Set(in []Inbound, delays map[uint16]Delay) error {
	want := Rules(g.device, in)
	if len(delays) > 0 && g.delayer == nil {
		var err error
		if g.delayer, err = NewDelayer(g.ns); err != nil {
			return err
		}
	}
	if g.delayer != nil {
		if err := g.delayer.Bind(delays); err != nil {
			return err
		}
	}
	if err := g.ns.Do(func() error { return g.follow(want) }); err != nil {
		return fmt.Errorf("set rules of links: %w", err)
	}
	if g.delayer == nil {
		return nil
	}
	// Only now does nothing lead to the queues that are not wanted.
	if err := g.delayer.Keep(delays); err != nil || len(delays) > 0 {
		return err
	}
	err := g.delayer.Close()
	g.delayer = nil
	return err
}

func same(a Rule) func(Rule) bool {
	return func(b Rule) bool { return slices.Equal(a.Args, b.Args) }
}

// follow changes the chain, in the namespace.
func (g *Guard) follow(want []Rule) error {
	if len(want) > 0 && len(g.have) == 0 {
		if err := g.open(want); err != nil {
			return err
		}
	} else if err := g.change(want); err != nil {
		return err
	}
	if len(want) == 0 && len(g.have) == 0 {
		return nil
	}
	if len(want) == 0 {
		return g.close()
	}
	g.have = want
	wanted := map[string]bool{}
	for _, r := range want {
		wanted[r.Peer] = true
	}
	maps.DeleteFunc(g.past, func(peer string, _ Counter) bool { return !wanted[peer] })
	return nil
}

// open makes the chain, fills it, and only then leads packets into it.
func (g *Guard) open(want []Rule) error {
	had, err := hasTable(Table)
	if err != nil {
		return err
	}
	if err := g.tables.NewChain(Table, Chain); err != nil {
		return err
	}
	has, err := hasTable(Table)
	if err != nil {
		return err
	}
	g.made = has && !had
	for _, first := range []bool{true, false} {
		for _, r := range want {
			if r.First == first {
				if err := g.tables.Append(Table, Chain, r.Args...); err != nil {
					return errors.Join(err, g.close())
				}
			}
		}
	}
	if err := g.tables.Insert(Table, hook, 1, "-j", Chain); err != nil {
		return errors.Join(err, g.close())
	}
	return nil
}

// change adds what is new, then removes what is old.
func (g *Guard) change(want []Rule) error {
	if len(g.have) == 0 {
		return nil
	}
	for _, r := range want {
		if slices.ContainsFunc(g.have, same(r)) {
			continue
		}
		add := func() error { return g.tables.Append(Table, Chain, r.Args...) }
		if r.First {
			add = func() error { return g.tables.Insert(Table, Chain, 1, r.Args...) }
		}
		if err := add(); err != nil {
			return err
		}
		g.have = append(g.have, r)
	}
	gone := slices.DeleteFunc(slices.Clone(g.have), func(r Rule) bool { return slices.ContainsFunc(want, same(r)) })
	if len(gone) == 0 || len(want) == 0 {
		return nil
	}
	before, err := g.read()
	if err != nil {
		return err
	}
	for _, r := range gone {
		if err := g.tables.Delete(Table, Chain, r.Args...); err != nil {
			return err
		}
		g.have = slices.DeleteFunc(g.have, same(r))
	}
	after, err := g.read()
	if err != nil {
		return err
	}
	for peer, c := range before {
		left := after[peer]
		lost := Counter{Dropped: c.Dropped - min(left.Dropped, c.Dropped), Queued: c.Queued - min(left.Queued, c.Queued)}
		g.past[peer] = g.past[peer].plus(lost)
	}
	return nil
}

// close leaves the namespace as it was.
func (g *Guard) close() error {
	var errs []error
	if err := g.tables.DeleteIfExists(Table, hook, "-j", Chain); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, g.tables.ClearAndDeleteChain(Table, Chain))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	g.have, g.past = nil, map[string]Counter{}
	if !g.made {
		return nil
	}
	g.made = false
	// iptables leaves an empty table behind, which iptables-save shows.
	empty, err := g.empty()
	if err != nil || !empty {
		return err
	}
	return deleteTable(Table)
}

// empty says that nobody else uses the table by now.
func (g *Guard) empty() (bool, error) {
	chains, err := g.tables.ListChains(Table)
	if err != nil {
		return false, err
	}
	for _, c := range chains {
		rules, err := g.tables.List(Table, c)
		if err != nil {
			return false, err
		}
		if len(rules) != 1 || rules[0] != "-P "+c+" ACCEPT" {
			return false, nil
		}
	}
	return true, nil
}

// read are the counters of the rules there are, in the namespace.
func (g *Guard) read() (map[string]Counter, error) {
	lines, err := g.tables.ListWithCounters(Table, Chain)
	if err != nil {
		return nil, err
	}
	return parseCounters(lines), nil
}

// Counters are the packets stopped or held back of each sender that has a rule,
// since its first.
func (g *Guard) Counters() (map[string]Counter, error) {
	if len(g.have) == 0 {
		return nil, nil
	}
	var now map[string]Counter
	err := g.ns.Do(func() error {
		var err error
		now, err = g.read()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count packets of links: %w", err)
	}
	for peer, c := range g.past {
		now[peer] = now[peer].plus(c)
	}
	return now, nil
}

// Close ends the queues and lets go of the namespace; rules it leaves, for it
// is called when the namespace ends.
func (g *Guard) Close() error {
	var err error
	if g.delayer != nil {
		err = g.delayer.Close()
	}
	return errors.Join(err, g.ns.Close())
}
