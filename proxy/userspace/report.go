package userspace

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/rules"
)

// Intervals of telling totals.
const (
	countEvery = time.Second
	quietEvery = 10 * time.Second // of ports of which only bytes changed
)

// Reporter tells what a Forwarder does, as events of the proxy screen.
type Reporter struct {
	Node string
	// Emit must not block.
	Emit func(at time.Time, body event.Body)

	known map[string]event.ProxyService
	set   *rules.Ruleset
}

// limits are what a node's users should know of this mode.
func limits() []string {
	return []string{
		"endpoints see the node's address as their client's",
		"only TCP and UDP are forwarded",
		"bytes are counted, packets and refused connections are not: nothing listens where there is no endpoint",
	}
}

// Begin says that everything is told anew.
func (r *Reporter) Begin(at time.Time) {
	r.known, r.set = map[string]event.ProxyService{}, nil
	r.Emit(at, event.ProxyNode{Node: r.Node, Mode: rules.Userspace, RejectsUncounted: true, Limits: limits()})
}

// Synced tells what a sync changed, that it ended at a time and took a while.
func (r *Reporter) Synced(at time.Time, took time.Duration, healthy bool, services []event.ProxyService) {
	known := map[string]event.ProxyService{}
	for _, s := range services {
		known[s.Key] = s
		if before, ok := r.known[s.Key]; !ok || !reflect.DeepEqual(before, s) {
			r.Emit(at, s)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.known)) {
		if _, ok := known[key]; !ok {
			r.Emit(at, event.ProxyService{Node: r.Node, Key: key, Protocol: r.known[key].Protocol, Gone: true})
		}
	}
	set := rules.FromServices(services)
	sync := event.ProxySync{Node: r.Node, Synced: at, Healthy: healthy, Rules: len(set.Rules), Read: took}
	if r.set != nil {
		added, removed := rules.Diff(r.set, set)
		sync.Added, sync.Removed, sync.Changes = len(added), len(removed), rules.Changes(nil, added, removed)
	}
	r.Emit(at, sync)
	r.known, r.set = known, set
}

// Count tells totals that changed, until ctx ends.
func (r *Reporter) Count(ctx context.Context, f *Forwarder) {
	ticks := time.NewTicker(countEvery)
	defer ticks.Stop()
	quiet := time.Now()
	for {
		select {
		case now := <-ticks.C:
			all := now.Sub(quiet) >= quietEvery
			if all {
				quiet = now
			}
			if counts := f.Counts(all); len(counts) > 0 {
				for _, part := range rules.Parts(counts) {
					r.Emit(now, event.ProxyCounters{Node: r.Node, Services: part})
				}
			}
		case <-ctx.Done():
			return
		}
	}
}
