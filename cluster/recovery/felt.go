package recovery

import (
	"maps"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Felt is what one probe of the pulse felt.
type Felt struct {
	// Target as event.Probe names it.
	Target   string `json:"target"`
	Requests int    `json:"requests"`
	Failed   int    `json:"failed,omitempty"`
	// Outage is the longest time without success: from the start of the first of a
	// row of failed probes (the landing, when that came later) until the next one
	// that succeeded. An outage that goes on counts up to its last failure.
	Outage time.Duration `json:"outage,omitempty"`
	// Down is when the present outage began; zero while it answers.
	Down time.Time `json:"down,omitzero"`
	// Slowest is the longest that a probe took that succeeded.
	Slowest time.Duration `json:"slowest,omitempty"`
	// Error is the last failure's.
	Error string `json:"error,omitempty"`
}

// kindOf is the kind of a target: what stands before the node.
func kindOf(target string) string {
	kind, _, _ := strings.Cut(target, "/")
	return kind
}

// Kinds sum what was felt up by kind of target; the outage is the longest.
func (r *Report) Kinds() []Felt {
	sums := map[string]*Felt{}
	for _, f := range r.Felt {
		k := kindOf(f.Target)
		s := sums[k]
		if s == nil {
			s = &Felt{Target: k}
			sums[k] = s
		}
		s.Requests, s.Failed = s.Requests+f.Requests, s.Failed+f.Failed
		s.Outage, s.Slowest = max(s.Outage, f.Outage), max(s.Slowest, f.Slowest)
		if f.Error != "" {
			s.Error = f.Error
		}
	}
	var out []Felt
	for _, k := range sorted(sums) {
		out = append(out, *sums[k])
	}
	return out
}

// probe counts a probe, and says whether its target fails now and since when.
func (f *Felt) probe(at, start time.Time, b event.Probe) {
	for _, e := range b.Earlier {
		if ended := at.Add(-e.Ago); !ended.Before(start) {
			f.ok(ended, e.Latency)
		}
	}
	if b.OK {
		f.ok(at, b.Latency)
		return
	}
	f.Requests++
	f.Failed++
	f.Error = b.Error
	if f.Down.IsZero() {
		f.Down = later(at.Add(-b.Latency), start)
	}
	f.Outage = max(f.Outage, at.Sub(f.Down))
}

func (f *Felt) ok(at time.Time, took time.Duration) {
	f.Requests++
	f.Slowest = max(f.Slowest, took)
	if !f.Down.IsZero() {
		f.Outage = max(f.Outage, at.Sub(f.Down))
		f.Down = time.Time{}
	}
}

// felt is the entry of a target, in the order of their names.
func (r *Report) felt(target string) *Felt {
	i, ok := slices.BinarySearchFunc(r.Felt, target, func(f Felt, t string) int { return strings.Compare(f.Target, t) })
	if !ok {
		r.Felt = slices.Insert(r.Felt, i, Felt{Target: target})
	}
	return &r.Felt[i]
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
