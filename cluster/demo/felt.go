package demo

import (
	"slices"
	"time"

	"workbench/cluster/event"
)

// Targets of the tour's clients, as event.Probe names them.
const (
	Service  = "client-service"
	APIRead  = "client-api-read"
	APIWrite = "client-api-write"
)

// Targets in the order of the report.
var targets = []string{Service, APIRead, APIWrite}

// Felt is what the users of one target felt during an act.
type Felt struct {
	Target   string `json:"target"`
	Requests int    `json:"requests"`
	Failed   int    `json:"failed"`
	// OutageMilliseconds is the longest time without success: from the start of
	// the first of a row of failed requests until the next one that succeeds.
	OutageMilliseconds int64 `json:"longestOutageMs"`
	// SlowestMilliseconds is the longest that a request took that succeeded.
	SlowestMilliseconds int64 `json:"slowestMs"`
	// Error is why requests failed, as most of them have it.
	Error string `json:"error,omitempty"`
}

// request is one request of a client.
type request struct {
	start, end time.Time
	ok         bool
	err        string
}

// requests to a target that ended after since, in order of their start.
func requests(events []event.Event, target string, since time.Time) []request {
	var out []request
	for _, e := range events {
		b, ok := e.Body.(event.Probe)
		if ok && b.Target == target && !e.Time.Before(since) {
			out = append(out, request{start: e.Time.Add(-b.Latency), end: e.Time, ok: b.OK, err: b.Error})
		}
	}
	slices.SortStableFunc(out, func(a, b request) int { return a.start.Compare(b.start) })
	return out
}

// Felt is what users felt from the act until the last of the events.
func (a Act) Felt(events []event.Event) []Felt {
	var out []Felt
	for _, target := range targets {
		f := Felt{Target: target}
		f.count(requests(events, target, a.Began))
		if f.Requests > 0 {
			out = append(out, f)
		}
	}
	return out
}

func (f *Felt) count(all []request) {
	var outage, slowest time.Duration
	var down time.Time
	reasons := map[string]int{}
	for _, r := range all {
		f.Requests++
		if !r.ok {
			f.Failed++
			reasons[r.err]++
			if down.IsZero() {
				down = r.start
			}
			outage = max(outage, r.end.Sub(down))
			continue
		}
		slowest = max(slowest, r.end.Sub(r.start))
		if !down.IsZero() {
			outage = max(outage, r.end.Sub(down))
			down = time.Time{}
		}
	}
	f.OutageMilliseconds, f.SlowestMilliseconds = outage.Milliseconds(), slowest.Milliseconds()
	for _, reason := range sortedKeys(reasons) {
		if reasons[reason] > reasons[f.Error] {
			f.Error = reason
		}
	}
}
