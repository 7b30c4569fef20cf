package recovery

import (
	"slices"

	"workbench/cluster/event"
)

// Bounds of what is kept.
const (
	MaxReports = 24 // of this run
	MaxOpen    = 8  // that are followed at a time
	MaxPast    = 64 // classes of faults of earlier runs
)

// Reports are the recoveries of a run of the lab, and what is known of earlier ones.
type Reports struct {
	// List is oldest first; at most MaxReports.
	List []*Report `json:"list,omitempty"`
	// Past is the last of each class before this run, oldest first.
	Past []event.RecoveryPast `json:"past,omitempty"`
	// Done counts how often a report came to be recovered or closed.
	Done uint64 `json:"done,omitempty"`
}

// Wants says whether an event has to be applied: none has while no fault is
// followed, but those that begin one.
func (r *Reports) Wants(body event.Body) bool {
	switch body.(type) {
	case event.FaultInjected, event.RecoveryPast:
		return true
	case event.ComponentUsage, event.ComponentMetrics, event.RaftMessages, event.RaftEntries, event.RaftDisk, event.KubeChange, event.KubeRequests, event.ProxyCounters:
		return false
	}
	return r.Following()
}

// Following says whether the lab recovers, or may have to.
func (r *Reports) Following() bool {
	return slices.ContainsFunc(r.List, func(one *Report) bool { return !one.Closed })
}

// Apply takes an event; lab is as it is after it.
func (r *Reports) Apply(e event.Event, lab *Lab) {
	switch b := e.Body.(type) {
	case event.RecoveryPast:
		r.Past = slices.DeleteFunc(r.Past, func(p event.RecoveryPast) bool { return p.Class == b.Class })
		r.Past = append(r.Past, b)
		if over := len(r.Past) - MaxPast; over > 0 {
			r.Past = slices.Delete(r.Past, 0, over)
		}
		return
	case event.FaultInjected:
		r.begin(e, b, lab)
		return
	}
	for _, one := range r.List {
		if one.Closed {
			continue
		}
		before := one.Recovered
		one.see(e, lab)
		if one.Closed || !one.Recovered.Equal(before) {
			r.Done++
		}
	}
}

// begin opens the report of a fault.
func (r *Reports) begin(e event.Event, f event.FaultInjected, lab *Lab) {
	one := &Report{ID: f.ID, Kind: f.Kind, Text: f.Text, Owner: f.Owner, Injected: e.Time, At: e.Time}
	one.Work = impact(f, e.Time, lab)
	one.Class = class(f, lab)
	one.expect(lab)
	one.Before = r.before(one.Class)
	open := 0
	for i := len(r.List) - 1; i >= 0; i-- {
		if !r.List[i].Closed {
			if open++; open >= MaxOpen {
				r.List[i].close("too many faults at a time to follow it further")
				r.Done++
			}
		}
	}
	r.List = append(r.List, one)
	if over := len(r.List) - MaxReports; over > 0 {
		r.List = slices.Delete(r.List, 0, over)
	}
}

// before is the last recovery from a fault of a class.
func (r *Reports) before(class string) *event.RecoveryPast {
	for i := len(r.List) - 1; i >= 0; i-- {
		if one := r.List[i]; one.Class == class && !one.Recovered.IsZero() {
			p := one.Past()
			return &p
		}
	}
	for i := len(r.Past) - 1; i >= 0; i-- {
		if r.Past[i].Class == class {
			p := r.Past[i]
			return &p
		}
	}
	return nil
}

// Find is the report of a fault: its ID, or last. Nil when there is none.
func (r *Reports) Find(id string) *Report {
	for i := len(r.List) - 1; i >= 0; i-- {
		if r.List[i].ID == id || id == "last" {
			return r.List[i]
		}
	}
	return nil
}

// Remember is what later runs compare with: the last recovery of each class,
// oldest first.
func (r *Reports) Remember() []event.RecoveryPast {
	all := slices.Clone(r.Past)
	for _, one := range r.List {
		if one.Recovered.IsZero() {
			continue
		}
		all = slices.DeleteFunc(all, func(p event.RecoveryPast) bool { return p.Class == one.Class })
		all = append(all, one.Past())
	}
	return all[max(len(all)-MaxPast, 0):]
}
