package observe

import (
	"context"
	"hash/fnv"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/conntrack"
	"workbench/proxy/netfilter"
	"workbench/proxy/rules"
)

// hits are the counters of rules as last read, by chain and by the number the
// kernel gave the rule. One that was written anew has another number and counts
// from 0 again.
type hits map[chain]map[uint64]uint64

// chain is where rules are.
type chain struct{ table, name string }

// since is how much the counter of a rule grew.
func (h hits) since(in chain, now counter) uint64 {
	if h[in] == nil {
		h[in] = map[uint64]uint64{}
	}
	last := h[in][now.id]
	h[in][now.id] = now.packets
	if now.packets < last {
		return now.packets
	}
	return now.packets - last
}

// askedChains is how many chains of a table are read one by one. A message costs
// the kernel as much as some dozen rules.
const askedChains = 64

// known are the sources of counters by what their rules match and do, so that one
// that was written anew and removed before it was read is known too. Those of the
// listing before are kept: what they say may still be under way.
type known struct {
	now, before map[chain]map[uint64]rules.Source
}

func (k *known) of(in chain, sum uint64) (rules.Source, bool) {
	if source, ok := k.now[in][sum]; ok {
		return source, true
	}
	source, ok := k.before[in][sum]
	return source, ok
}

// learn reads which rules the sources of the last listing are, and their counters.
// It learns nothing where they were written anew meanwhile: the next listing follows.
func (s *source) learn() error {
	if s.lister.legacy {
		s.began = true // its counters are those of the listing; nothing tells of removed rules
		return nil
	}
	counters, err := s.counters(s.set.Sources)
	if err != nil || counters == nil {
		return err
	}
	s.known.before, s.known.now = s.known.now, map[chain]map[uint64]rules.Source{}
	for _, source := range s.set.Sources {
		in := chain{source.Table, source.Chain}
		if source.Ordinal >= len(counters[in]) {
			continue
		}
		if s.known.now[in] == nil {
			s.known.now[in] = map[uint64]rules.Source{}
		}
		s.known.now[in][counters[in][source.Ordinal].sum] = source
	}
	s.take(s.set.Sources, counters)
	return nil
}

// takeRemoved adds what the counters of removed rules came to.
func (s *source) takeRemoved() error {
	changed, missed, err := s.removed.Take(func(table string, r netfilter.Rule) {
		in := chain{table, r.Chain}
		if r.Packets > 0 {
			if source, ok := s.known.of(in, r.Sum); ok {
				s.credit(source, s.hits.since(in, counter{id: r.Handle, packets: r.Packets}))
			}
		}
		delete(s.hits[in], r.Handle)
	})
	s.moved = s.moved || changed
	if missed {
		s.missed++
	}
	return err
}

// count brings the totals up to date and tells those that changed.
func (s *source) count(now time.Time) error {
	began := s.began
	s.began = false
	// A refused connection begins nothing; in nftables mode only the few rules
	// that count those are read.
	if began || s.refusals != nil || now.Sub(s.matched) >= idleEvery {
		s.matched = now
		if err := s.readHits(); err != nil {
			return err
		}
	}
	if (s.ledger.Live() > 0 || s.dirty) && now.Sub(s.tabled) >= tableEvery {
		s.tabled = now
		if err := s.readConnections(now); err != nil {
			return err
		}
	}
	var changed map[string]event.ProxyCount
	if s.ledger.Urgent() || now.Sub(s.told) >= quietEvery {
		changed = s.ledger.Changed()
	}
	if len(changed) > 0 {
		s.told = now
		s.tellCounts(changed)
	}
	return nil
}

// readConnections finds out how far connections are: those without an answer each
// time, the others as often as how much went over them is told.
func (s *source) readConnections(now time.Time) error {
	all := now.Sub(s.followed) >= quietEvery
	if all {
		s.followed = now
	}
	open := s.ledger.Connections(all)
	if s.dirty || len(open) > askedMost {
		return s.readTable()
	}
	for _, tuple := range open {
		entry, ok, err := s.tracked.Entry(tuple)
		if err != nil {
			return err
		}
		if ok {
			s.ledger.See(entry)
		} else {
			s.ledger.Gone(tuple)
		}
	}
	return nil
}

// readTable lists all connections, for how far each is.
func (s *source) readTable() error {
	began, complete := time.Now(), s.dirty
	s.dirty = false
	var entries []conntrack.Entry
	if err := s.tracked.Table(func(e conntrack.Entry) {
		if e.Original.Destination != e.Reply.Source {
			entries = append(entries, e)
		}
	}); err != nil {
		return err
	}
	s.ledger.Table(entries, complete)
	// A large table is listed less often: at most 2 % of a processor.
	if took := time.Since(began); took > tableEvery/50 {
		s.tabled = s.tabled.Add(50*took - tableEvery)
	}
	return nil
}

// countRefusals has what a new listing refuses counted, in nftables mode. What
// was counted so far is taken before: it ends when the rules are written anew.
func (s *source) countRefusals(ctx context.Context, set *rules.Ruleset) error {
	if err := s.readHits(); err != nil {
		return err
	}
	sources, err := s.refusals.count(ctx, set)
	set.Sources = sources
	return err
}

// readHits reads the counters of rules: in iptables mode of the chains that
// dispatch to services, and of the endpoints of those services where they grew;
// in nftables mode of the workbench's own rules.
func (s *source) readHits() error {
	if s.set == nil || len(s.set.Sources) == 0 {
		return nil
	}
	if s.lister.legacy {
		s.take(s.set.Sources, s.listedCounters())
		return nil
	}
	var first, second []rules.Source
	for _, source := range s.set.Sources {
		if source.Endpoint == "" {
			first = append(first, source)
		}
	}
	counters, err := s.counters(first)
	if err != nil || counters == nil {
		return err
	}
	grown := s.take(first, counters)
	for _, source := range s.set.Sources {
		if source.Endpoint != "" && grown[source.Key] {
			second = append(second, source)
		}
	}
	if counters, err = s.counters(second); err != nil || counters == nil {
		return err
	}
	s.take(second, counters)
	return nil
}

// take adds what counters of rules grew by, and says which services grew.
func (s *source) take(sources []rules.Source, counters map[chain][]counter) map[string]bool {
	services := map[string]bool{}
	for _, source := range sources {
		in := chain{source.Table, source.Chain}
		if source.Ordinal >= len(counters[in]) {
			continue
		}
		if grown := s.hits.since(in, counters[in][source.Ordinal]); grown > 0 {
			s.credit(source, grown)
			services[source.Key] = true
		}
	}
	return services
}

// credit adds matches of a rule to what it counts for.
func (s *source) credit(source rules.Source, grown uint64) {
	switch {
	case grown == 0:
	case source.Rejects:
		s.ledger.Rejected(source.Key, grown)
	default:
		s.ledger.Hits(source.Key, source.Endpoint, grown)
	}
}

// counter is a rule's, with the number that the kernel gave the rule and the sum
// of what it is.
type counter struct {
	id, sum uint64
	packets uint64
}

// listedCounters are those of the last listing of legacy iptables. Its rules have
// no numbers: the same text is the same rule.
func (s *source) listedCounters() map[chain][]counter {
	out := map[chain][]counter{}
	for _, r := range s.set.Rules {
		in := chain{r.Table, r.Chain}
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(r.Text))
		out[in] = append(out[in], counter{id: sum.Sum64(), packets: r.Packets})
	}
	return out
}

// counters are the counters of the chains of some rules; nil when rules changed
// since they were listed, so that places do not fit.
func (s *source) counters(of []rules.Source) (map[chain][]counter, error) {
	asked := map[string]map[string]bool{} // chains by table
	for _, source := range of {
		if asked[source.Table] == nil {
			asked[source.Table] = map[string]bool{}
		}
		asked[source.Table][source.Chain] = true
	}
	out := map[chain][]counter{}
	for table, chains := range asked {
		if len(chains) > askedChains {
			chains = map[string]bool{"": true} // all of the table at once
		}
		for name := range chains {
			all, err := s.kernel.Rules(table, name)
			if err != nil {
				return nil, err
			}
			for _, r := range all {
				in := chain{table, r.Chain}
				out[in] = append(out[in], counter{r.Handle, r.Sum, r.Packets})
			}
		}
	}
	generation, err := s.kernel.Generation()
	if err != nil {
		return nil, err
	}
	if generation != s.generation {
		return nil, nil
	}
	return out, nil
}

// keepHits forgets the counters of chains that are gone.
func (s *source) keepHits() {
	kept := hits{}
	for _, source := range s.set.Sources {
		in := chain{source.Table, source.Chain}
		if last, ok := s.hits[in]; ok {
			kept[in] = last
		}
	}
	s.hits = kept
}

// tellCounts emits totals, in as many events as they need.
func (s *source) tellCounts(changed map[string]event.ProxyCount) {
	for _, part := range rules.Parts(changed) {
		s.Emit(event.ProxyCounters{Node: s.Node, Services: part, Missed: s.missed})
	}
}
