package state

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Faults is what is broken on purpose.
type Faults struct {
	// Active faults, oldest first.
	Active []*Fault `json:"active,omitempty"`
	// Ended faults, oldest first; at most MaxFaults.
	Ended []*Fault `json:"ended,omitempty"`
	// Links that are not whole, by "from>to".
	Links map[string]*event.LinkCondition `json:"links,omitempty"`
}

// MaxFaults bounds the ended faults that a world keeps.
const MaxFaults = 64

// Fault is one fault and what came of it.
type Fault struct {
	event.FaultInjected
	At time.Time `json:"at"`
	// Verdict is "" until it was observed.
	Verdict    event.FaultVerdict `json:"verdict,omitempty"`
	Evidence   []string           `json:"evidence,omitempty"`
	VerifiedAt time.Time          `json:"verifiedAt,omitzero"`
	EndedAt    time.Time          `json:"endedAt,omitzero"`
	Cause      string             `json:"cause,omitempty"`
	Error      string             `json:"error,omitempty"`
}

// Left is how much of its lease is left at now, and false when it has none.
func (f *Fault) Left(now time.Time) (time.Duration, bool) {
	if f.Lease == 0 {
		return 0, false
	}
	return max(f.At.Add(f.Lease).Sub(now), 0), true
}

func (f *Faults) apply(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.FaultInjected:
		f.Active = append(f.Active, &Fault{FaultInjected: b, At: at})
	case event.FaultVerified:
		if one := f.Find(b.ID); one != nil {
			one.Verdict, one.Evidence, one.VerifiedAt = b.Verdict, b.Evidence, at
		}
	case event.FaultEnded:
		f.end(at, b)
	case event.LinkState:
		for _, c := range b.Links {
			key := linkKey(c.From, c.To)
			if c.Whole() {
				delete(f.Links, key)
			} else {
				f.Links[key] = &c
			}
		}
	}
}

func (f *Faults) end(at time.Time, b event.FaultEnded) {
	if i := slices.IndexFunc(f.Active, func(one *Fault) bool { return one.ID == b.ID }); i >= 0 {
		one := f.Active[i]
		f.Active = slices.Delete(f.Active, i, i+1)
		f.Ended = bounded(append(f.Ended, one), MaxFaults)
	}
	// A second end of a fault says how its undoing went on.
	if one := f.Find(b.ID); one != nil {
		if one.EndedAt.IsZero() {
			one.EndedAt = at
		}
		one.Cause, one.Error = b.Cause, b.Error
	}
}

// Find is the fault of that ID, active or ended; nil when there is none.
func (f *Faults) Find(id string) *Fault {
	for _, list := range [][]*Fault{f.Active, f.Ended} {
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].ID == id {
				return list[i]
			}
		}
	}
	return nil
}

// On are the active faults about a node or node/component; faults of a node's
// components and links count as the node's.
func (f *Faults) On(target string) []*Fault {
	var out []*Fault
	for _, one := range f.Active {
		if one.about(target) {
			out = append(out, one)
		}
	}
	return out
}

func (f *Fault) about(target string) bool {
	if slices.Contains(f.Nodes, target) || slices.Contains(f.Components, target) {
		return true
	}
	for _, c := range f.Components {
		if strings.HasPrefix(c, target+"/") {
			return true
		}
	}
	for _, l := range f.Links {
		if l.From == target || l.To == target {
			return true
		}
	}
	return false
}

func linkKey(from, to string) string { return from + ">" + to }

// Link is what faults do to packets from one node to another: nil when the
// link is whole. Either end may be event.Outside.
func (w *World) Link(from, to string) *event.LinkCondition { return w.Faults.Links[linkKey(from, to)] }
