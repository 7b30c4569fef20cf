package demo

import (
	"maps"
	"path"
	"slices"
	"time"

	"workbench/cluster/event"
)

// Hop is one step of a recovery.
type Hop struct {
	Name string `json:"name"`
	// Milliseconds from the act until the hop was complete; nil when it was not
	// observed.
	Milliseconds *int64 `json:"ms"`
	// Of is how many things the hop consists of, and First when the first of
	// them was seen, in milliseconds; only where there is more than one.
	Of    int    `json:"of,omitempty"`
	First *int64 `json:"firstMs,omitempty"`
	// Note says what there is to say in place of a time, such as that no request
	// failed.
	Note string `json:"note,omitempty"`
}

// Observed says whether the hop was seen, or was not needed.
func (h Hop) Observed() bool { return h.Milliseconds != nil || h.Note != "" }

// quiet is for how long requests have to succeed until they do so steadily.
const quiet = 2 * time.Second

// Hops are the steps of an act's recovery as events show them. The events may
// reach beyond the act's beginning and are in order of time.
func (a Act) Hops(events []event.Event) []Hop {
	at := map[string]time.Time{}
	var hops []Hop
	for _, r := range a.rules() {
		hop := Hop{Name: r.name}
		switch {
		case r.clean != "":
			hop.settle(a.Began, requests(events, r.clean, a.Began))
		default:
			since := a.Began
			known := true
			if r.after != "" {
				since, known = at[r.after], !at[r.after].IsZero()
			}
			if known {
				at[r.name] = hop.watch(a.Began, since, r, events)
			}
		}
		hops = append(hops, hop)
	}
	return hops
}

// watch finds when the last of what the rule wants was first seen.
func (h *Hop) watch(began, since time.Time, r rule, events []event.Event) time.Time {
	want := max(1, r.of)
	seen := map[string]bool{}
	if want > 1 {
		h.Of = want
	}
	for _, e := range events {
		if e.Time.Before(since) {
			continue
		}
		for _, key := range r.see(e) {
			seen[key] = true
		}
		if len(seen) > 0 && want > 1 && h.First == nil {
			h.First = milliseconds(e.Time.Sub(began))
		}
		if len(seen) >= want {
			h.Milliseconds = milliseconds(e.Time.Sub(began))
			return e.Time
		}
	}
	return time.Time{}
}

// settle finds the first answer after the last failure, once requests have
// succeeded for a while.
func (h *Hop) settle(began time.Time, all []request) {
	if len(all) == 0 {
		return
	}
	last, good := began, time.Time{}
	failed := false
	for _, r := range all {
		switch {
		case !r.ok:
			failed, good, last = true, time.Time{}, r.end
		case good.IsZero():
			good = r.end
		}
	}
	if all[len(all)-1].start.Before(last.Add(quiet)) || good.IsZero() {
		return
	}
	if !failed {
		h.Note = "no request failed"
		return
	}
	h.Milliseconds = milliseconds(good.Sub(began))
}

func milliseconds(d time.Duration) *int64 {
	ms := d.Milliseconds()
	return &ms
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// leaseName is the name in a lease's key.
func leaseName(key string) string { return path.Base(key) }
