package observe

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/conntrack"
	"workbench/proxy/netfilter"
	"workbench/proxy/rules"
)

// hits are the counters of rules as last read, by what makes a rule the same
// rule: one that was written anew counts from 0 again.
type hits map[string]uint64

// since is how much a counter grew.
func (h hits) since(id string, value uint64) uint64 {
	last := h[id]
	h[id] = value
	if value < last {
		return value // written anew
	}
	return value - last
}

// count brings the totals up to date and tells those that changed.
func (s *source) count(now time.Time) error {
	s.mu.Lock()
	began, live, dirty := s.began, s.ledger.Live(), s.dirty
	s.began = false
	s.mu.Unlock()
	if began || now.Sub(s.matched) >= idleEvery {
		s.matched = now
		if err := s.readHits(); err != nil {
			return err
		}
	}
	if (live > 0 || dirty) && now.Sub(s.tabled) >= tableEvery {
		s.tabled = now
		if err := s.readTable(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	var changed map[string]event.ProxyCount
	if s.ledger.Urgent() || now.Sub(s.told) >= quietEvery {
		changed = s.ledger.Changed()
	}
	missed := s.missed
	s.mu.Unlock()
	if len(changed) > 0 {
		s.told = now
		s.tellCounts(changed, missed)
	}
	return nil
}

// readTable lists all connections, for how far each is.
func (s *source) readTable() error {
	began := time.Now()
	s.mu.Lock()
	complete := s.dirty
	s.dirty = false
	s.mu.Unlock()
	var entries []conntrack.Entry
	if err := conntrack.Table(s.Net, func(e conntrack.Entry) {
		if e.Original.Destination != e.Reply.Source {
			entries = append(entries, e)
		}
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.Table(entries, complete)
	// A large table is listed less often: at most 2 % of a processor.
	if took := time.Since(began); took > tableEvery/50 {
		s.tabled = s.tabled.Add(50*took - tableEvery)
	}
	return nil
}

// readHits reads the counters of the rules in iptables mode.
func (s *source) readHits() error {
	if s.Mode != rules.IPTables || s.set == nil {
		return nil
	}
	counters, err := s.counters()
	if err != nil || counters == nil {
		return err
	}
	seen := hits{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, source := range s.set.Sources {
		c, ok := counters[spot{source.Table, source.Chain, source.Ordinal}]
		if !ok {
			continue
		}
		grown := s.hits.since(c.id, c.packets)
		seen[c.id] = c.packets
		switch {
		case grown == 0:
		case source.Rejects:
			s.ledger.Rejected(source.Key, grown)
		default:
			s.ledger.Hits(source.Key, source.Endpoint, grown)
		}
	}
	s.hits = seen
	return nil
}

// spot is where a rule is.
type spot struct {
	table, chain string
	ordinal      int
}

type counter struct {
	id      string
	packets uint64
}

// counters are the counters of all rules by place; nil when rules changed since
// they were listed, so that places do not fit.
func (s *source) counters() (map[spot]counter, error) {
	out := map[spot]counter{}
	if s.lister.legacy {
		for _, r := range s.set.Rules {
			out[spot{r.Table, r.Chain, r.Ordinal}] = counter{r.Line(), r.Packets}
		}
		return out, nil
	}
	for _, table := range []string{"nat", "filter"} {
		all, err := s.kernel.Rules(table)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			out[spot{table, r.Chain, r.Ordinal}] = counter{identity(table, r), r.Packets}
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

// identity: a rule that is written anew gets a new handle.
func identity(table string, r netfilter.Rule) string { return fmt.Sprintf("%s %d", table, r.Handle) }

// endpointsTold bounds the endpoints in one event, some 100 bytes each.
const endpointsTold = 400

// tellCounts emits totals, in as many events as they need.
func (s *source) tellCounts(changed map[string]event.ProxyCount, missed uint64) {
	part, n := map[string]event.ProxyCount{}, 0
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		count := changed[key]
		if n > 0 && n+len(count.Endpoints)+2 > endpointsTold {
			s.Emit(event.ProxyCounters{Node: s.Node, Services: part, Missed: missed})
			part, n = map[string]event.ProxyCount{}, 0
		}
		part[key] = count
		n += len(count.Endpoints) + 2
	}
	s.Emit(event.ProxyCounters{Node: s.Node, Services: part, Missed: missed})
}
