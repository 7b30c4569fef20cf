// Package recovery tells how a lab recovers from a fault, hop by hop: when it
// landed, who noticed when, who took over, what was replaced, when all places
// believed it, and what users felt meanwhile.
//
//	fault.injected + Lab (what was there) --begin--> Report with the hops to expect
//	Report + each event                   --See----> hops seen, with their evidence
//	Report                                --WriteText, WriteMarkdown, JSON
//
// The package is a pure reducer: time comes from events alone, and the state of
// the lab from the caller, so that a replay tells the same. A hop that cannot
// come of this fault is not in the report; one that nobody expected and was seen
// all the same is, marked as inferred to belong to it.
package recovery

import (
	"slices"
	"time"

	"workbench/cluster/event"
)

// Report is the recovery from one fault.
type Report struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Owner string `json:"owner,omitempty"`
	// Class is the verb and the kind of target: what is compared.
	Class    string    `json:"class"`
	Injected time.Time `json:"injected"`
	// Landed is when its effect was first seen; hops count from there.
	Landed   time.Time          `json:"landed,omitzero"`
	Verdict  event.FaultVerdict `json:"verdict,omitempty"`
	Evidence []string           `json:"evidence,omitempty"`
	// Hops in the order in which they are expected; see Timed.
	Hops []Hop `json:"hops"`
	// Recovered is the time of the last hop, once none is awaited and all probes
	// succeed; zero before, and again when one fails later.
	Recovered time.Time `json:"recovered,omitzero"`
	// Undone is when undoing the fault was first seen, Cause why it ended.
	Undone time.Time `json:"undone,omitzero"`
	Cause  string    `json:"cause,omitempty"`
	// Return are the hops after the fault was undone, until all is as before.
	Return []Hop `json:"return,omitempty"`
	// Whole is the time of the last of them.
	Whole time.Time `json:"whole,omitzero"`
	// Felt is what each probe felt from the landing on, by target.
	Felt []Felt `json:"felt,omitempty"`
	// Closed says that it is not followed any more, At the last event it took.
	Closed bool      `json:"closed,omitempty"`
	At     time.Time `json:"at"`
	// Before is the last recovery from a fault of its class; nil when there is none.
	Before *event.RecoveryPast `json:"before,omitempty"`
	// Work is what is needed to go on following it.
	Work *Work `json:"work,omitempty"`
}

// Hop is one step of a recovery.
type Hop struct {
	// Name is stable: what is compared with the run before.
	Name string `json:"name"`
	// What happened (or will), in words.
	What string `json:"what"`
	// At is when it was complete, First when the first of several was seen; zero
	// while it is awaited.
	At    time.Time `json:"at,omitzero"`
	First time.Time `json:"first,omitzero"`
	// Of is how many things it consists of, Seen how many of them were seen.
	Of   int `json:"of,omitempty"`
	Seen int `json:"seen,omitempty"`
	// Inferred says that no event shows it, or none that it stems from this fault.
	Inferred bool `json:"inferred,omitempty"`
	// Waits is what it waits for, while it is awaited.
	Waits string `json:"waits,omitempty"`
	// Moot is why it is not awaited any more though it was not seen.
	Moot string `json:"moot,omitempty"`
	// Evidence of the moment At.
	Evidence Evidence `json:"evidence,omitzero"`
}

// Evidence is what shows a hop.
type Evidence struct {
	// Object such as "Node w2"; Revision is its resourceVersion.
	Object   string `json:"object,omitempty"`
	Revision string `json:"revision,omitempty"`
	// Seq is the event in the journal.
	Seq    uint64 `json:"seq,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Pending says that the hop is awaited.
func (h *Hop) Pending() bool { return h.At.IsZero() && h.Moot == "" }

// Start is where the report's clock begins: the landing, else the request.
func (r *Report) Start() time.Time {
	if r.Landed.IsZero() {
		return r.Injected
	}
	return r.Landed
}

// Total is from the landing until it recovered; false while it has not.
func (r *Report) Total() (time.Duration, bool) {
	return r.Recovered.Sub(r.Start()), !r.Recovered.IsZero()
}

// Timed are hops as a time axis: those seen by time, then those awaited in the
// order in which they are expected. Moot ones are left out.
func Timed(hops []Hop) []Hop {
	out := slices.DeleteFunc(slices.Clone(hops), func(h Hop) bool { return h.Moot != "" })
	slices.SortStableFunc(out, func(a, b Hop) int {
		switch {
		case a.At.IsZero() && b.At.IsZero():
			return 0
		case a.At.IsZero():
			return 1
		case b.At.IsZero():
			return -1
		}
		return a.At.Compare(b.At)
	})
	return out
}

// Hop is the hop of that name, or nil.
func (r *Report) Hop(name string) *Hop { return find(r.Hops, name) }

func find(hops []Hop, name string) *Hop {
	if i := slices.IndexFunc(hops, func(h Hop) bool { return h.Name == name }); i >= 0 {
		return &hops[i]
	}
	return nil
}

// Status is a word on how far it is.
func (r *Report) Status() string {
	switch {
	case r.Cause == "failed":
		return "failed"
	case r.Closed && r.Recovered.IsZero():
		return "not recovered"
	case r.Closed:
		return "whole"
	case !r.Undone.IsZero():
		return "returning"
	case !r.Recovered.IsZero():
		return "recovered"
	}
	return "recovering"
}

// Past is the report as later ones are compared with it.
func (r *Report) Past() event.RecoveryPast {
	p := event.RecoveryPast{ID: r.ID, Text: r.Text, Class: r.Class, At: r.Start(), Hops: map[string]time.Duration{}, Felt: map[string]event.RecoveryFelt{}}
	p.Total, _ = r.Total()
	if r.Recovered.IsZero() {
		p.Total = 0
	}
	for _, h := range r.Hops {
		if !h.At.IsZero() {
			p.Hops[h.Name] = h.At.Sub(r.Start())
		}
	}
	for _, h := range r.Return {
		if !h.At.IsZero() {
			p.Hops[h.Name] = h.At.Sub(r.Undone)
		}
	}
	for _, k := range r.Kinds() {
		p.Felt[k.Target] = event.RecoveryFelt{Requests: k.Requests, Failed: k.Failed, Outage: k.Outage}
	}
	return p
}

// Against is how much later (or sooner, below 0) a hop came than in the run
// before.
func (r *Report) Against(h Hop) (time.Duration, bool) {
	if r.Before == nil || h.At.IsZero() {
		return 0, false
	}
	was, ok := r.Before.Hops[h.Name]
	from := r.Start()
	if find(r.Return, h.Name) != nil {
		from = r.Undone
	}
	return h.At.Sub(from) - was, ok
}

func latest(hops []Hop) time.Time {
	if len(hops) == 0 {
		return time.Time{}
	}
	return slices.MaxFunc(hops, func(a, b Hop) int { return a.At.Compare(b.At) }).At
}
