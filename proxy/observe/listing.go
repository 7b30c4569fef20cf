package observe

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/rules"
)

// Large rulesets that change all the time are listed a quarter of the time at
// most, and once a second where that takes long.
const (
	listingShare = 4
	longestRest  = time.Second
)

// list lists the rules anew and tells what changed.
func (s *source) list(ctx context.Context, now time.Time) error {
	began := time.Now()
	text, err := s.lister.text(ctx, s.Net)
	if err != nil {
		s.generation = 0 // try again
		return err
	}
	set, err := s.lister.parse(text)
	if err != nil {
		s.generation = 0
		return err
	}
	s.listed = now
	if s.refusals != nil {
		if err := s.countRefusals(ctx, set); err != nil {
			s.generation = 0
			return err
		}
	}
	first := s.set == nil
	added, removed := rules.Diff(s.set, set)
	s.set = set
	s.tell(set)
	s.keepHits()
	if err := s.learn(); err != nil {
		s.generation = 0
		return err
	}
	s.ledger.Learn(set.Services)
	if s.pending.IsZero() {
		s.pending = now
		s.sync.Added, s.sync.Removed, s.sync.Changes = 0, 0, nil
	}
	took := time.Since(began)
	s.sync.Generation, s.sync.Rules, s.sync.Read = s.generation, len(set.Rules), took
	s.rest = now.Add(min(listingShare*took, longestRest))
	if first {
		return nil // all rules are new, to this reader
	}
	s.sync.Added += len(added)
	s.sync.Removed += len(removed)
	s.sync.Changes = rules.Changes(s.sync.Changes, added, removed)
	return nil
}

// tell emits the services that changed.
func (s *source) tell(set *rules.Ruleset) {
	known := map[string]event.ProxyService{}
	for _, service := range set.Services {
		service.Node = s.Node
		known[service.Key] = service
		if before, ok := s.services[service.Key]; !ok || !reflect.DeepEqual(before, service) {
			s.Emit(service)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.services)) {
		if _, ok := known[key]; !ok {
			s.Emit(event.ProxyService{Node: s.Node, Key: key, Protocol: s.services[key].Protocol, Gone: true})
		}
	}
	s.services = known
}

// syncPatience is how long a change of rules waits for kube-proxy to say that
// its sync ended; then it is told without.
const syncPatience = 2 * time.Second

// checkHealth asks kube-proxy when it last synced: after a change of rules, and
// now and then.
func (s *source) checkHealth(ctx context.Context, now time.Time) {
	if s.pending.IsZero() && now.Sub(s.checked) < healthEvery || !s.healthz.may(now) {
		return
	}
	s.checked = now
	answer, err := s.healthz.ask(ctx, now)
	late := !s.pending.IsZero() && now.Sub(s.pending) > syncPatience
	if err != nil {
		if late && s.sync.Added+s.sync.Removed > 0 {
			s.finish(event.ProxySync{Synced: s.sync.Synced})
		} else if late {
			s.pending = time.Time{}
		}
		return
	}
	if generation, err := s.kernel.Generation(); err == nil && generation != s.generation && !s.lister.legacy && !late {
		return // there is more of it to list
	}
	switch {
	case answer.synced.After(s.sync.Synced), answer.healthy != s.sync.Healthy, late && s.sync.Added+s.sync.Removed > 0:
		s.finish(event.ProxySync{Synced: answer.synced, Healthy: answer.healthy})
	case late:
		s.pending = time.Time{} // somebody else's transaction
	}
}

// finish tells of a sync.
func (s *source) finish(answer event.ProxySync) {
	if s.pending.IsZero() {
		s.sync.Added, s.sync.Removed, s.sync.Changes = 0, 0, nil
	}
	s.pending = time.Time{}
	s.sync.Node, s.sync.Synced, s.sync.Healthy = s.Node, answer.Synced, answer.Healthy
	s.Emit(s.sync)
}
