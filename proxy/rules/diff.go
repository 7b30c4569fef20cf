package rules

import (
	"maps"
	"slices"

	"workbench/cluster/event"
)

// Diff are the rules that only one of two rulesets has. A rule that moved in its
// chain, or that was written anew as it was, is no difference.
func Diff(before, after *Ruleset) (added, removed []Rule) {
	count := map[string]int{}
	if before != nil {
		for _, r := range before.Rules {
			count[r.id()]++
		}
	}
	for _, r := range after.Rules {
		if id := r.id(); count[id] > 0 {
			count[id]--
		} else {
			added = append(added, r)
		}
	}
	if before == nil {
		return added, nil
	}
	// What is left over, in the order it had.
	for _, r := range before.Rules {
		if id := r.id(); count[id] > 0 {
			count[id]--
			removed = append(removed, r)
		}
	}
	return added, removed
}

func (r Rule) id() string { return r.Table + "\x00" + r.Chain + "\x00" + r.Text }

// shownChanges bounds the changed rules that an event names, and shownLength
// their length.
const (
	shownChanges = 16
	shownLength  = 240
)

// Changes appends some of the rules of a difference to those named already.
func Changes(have []string, added, removed []Rule) []string {
	note := func(line string) {
		if len(have) < shownChanges {
			if len(line) > shownLength {
				line = line[:shownLength] + "..."
			}
			have = append(have, line)
		}
	}
	for i := range max(len(added), len(removed)) {
		if i < len(removed) {
			note("- " + removed[i].Short())
		}
		if i < len(added) {
			note("+ " + added[i].Short())
		}
	}
	return have
}

// endpointsTold bounds the endpoints in one event, some 100 bytes each.
const endpointsTold = 400

// Parts are totals in as many events as they need.
func Parts(counts map[string]event.ProxyCount) []map[string]event.ProxyCount {
	var out []map[string]event.ProxyCount
	part, n := map[string]event.ProxyCount{}, 0
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		count := counts[key]
		if n > 0 && n+len(count.Endpoints)+2 > endpointsTold {
			out = append(out, part)
			part, n = map[string]event.ProxyCount{}, 0
		}
		part[key] = count
		n += len(count.Endpoints) + 2
	}
	return append(out, part)
}

// Of are the rules that serve a service: those that name it, and the chains they
// lead to.
func (s *Ruleset) Of(key string) []Rule {
	wanted := map[string]bool{}
	var out []Rule
	taken := make([]bool, len(s.Rules))
	for again := true; again; {
		again = false
		for i, r := range s.Rules {
			if taken[i] || !wanted[r.Table+" "+r.Chain] && !r.names(key) {
				continue
			}
			taken[i] = true
			if to := r.Target(); serviceChain(to) && !wanted[r.Table+" "+to] {
				wanted[r.Table+" "+to], again = true, true
			}
		}
	}
	for i, r := range s.Rules {
		if taken[i] {
			out = append(out, r)
		}
	}
	return out
}
