package state

import (
	"time"

	"workbench/cluster/event"
)

// Bounds of what a world keeps of scheduling. Cycles are dropped oldest first,
// whole, when there are too many or when they tell of too many nodes together.
const (
	MaxCycles  = 300
	MaxRows    = 3000 // rows of nodes over all cycles
	MaxEvicted = 100
)

// Sched is what the schedulers did.
type Sched struct {
	// Cycles of all schedulers, oldest first; what is in is never overwritten.
	Cycles []*Cycle `json:"cycles,omitempty"`
	// Rows is how many rows the cycles have together.
	Rows int `json:"rows,omitempty"`
	// Dropped counts the cycles that made room for others.
	Dropped int `json:"dropped,omitempty"`
	// Evicted are the victims of preemption, oldest first.
	Evicted []Evicted `json:"evicted,omitempty"`
	// Queues are those of the scheduler that led last.
	Queues event.SchedQueue `json:"queues,omitzero"`
	// QueuesAt is when they were last told of.
	QueuesAt time.Time `json:"queuesAt,omitzero"`
}

// Cycle is one attempt to schedule a pod and what became of it.
type Cycle struct {
	event.SchedCycle
	At time.Time `json:"at"` // of the decision
	// Bind is zero until the binding ended.
	Bind   event.SchedBind `json:"bind,omitzero"`
	BindAt time.Time       `json:"bindAt,omitzero"`
}

// Evicted is one victim of preemption.
type Evicted struct {
	event.SchedPreempted
	At time.Time `json:"at"`
}

func (s *Sched) apply(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.SchedCycle:
		s.Cycles = append(s.Cycles, &Cycle{SchedCycle: b, At: at})
		s.Rows += len(b.Rows)
		s.trim()
	case event.SchedBind:
		s.bind(at, b)
	case event.SchedPreempted:
		s.Evicted = bounded(append(s.Evicted, Evicted{SchedPreempted: b, At: at}), MaxEvicted)
	case event.SchedQueue:
		s.Queues, s.QueuesAt = b, at
	}
}

// trim drops the oldest cycles beyond the bounds, a quarter at once, so that a
// full history does not move on every append.
func (s *Sched) trim() {
	if len(s.Cycles) <= MaxCycles+MaxCycles/4 && s.Rows <= MaxRows+MaxRows/4 {
		return
	}
	first := 0
	for len(s.Cycles)-first > MaxCycles || s.Rows > MaxRows && len(s.Cycles)-first > 1 {
		s.Rows -= len(s.Cycles[first].Rows)
		first++
	}
	s.Dropped += first
	s.Cycles = append([]*Cycle(nil), s.Cycles[first:]...)
}

// bind notes the end of a binding in the cycle that led to it.
func (s *Sched) bind(at time.Time, b event.SchedBind) {
	for i := len(s.Cycles) - 1; i >= 0; i-- {
		c := s.Cycles[i]
		if c.Pod.UID != b.Pod.UID || c.Attempt != b.Attempt || c.Instance != b.Instance {
			continue
		}
		bound := *c // readers may hold the cycle
		bound.Bind, bound.BindAt = b, at
		s.Cycles[i] = &bound
		return
	}
}

// Attempts are the cycles of a pod, oldest first: of the pod with this
// namespace/name, of all that ever had that name.
func (s *Sched) Attempts(key string) []*Cycle {
	var out []*Cycle
	for _, c := range s.Cycles {
		if c.Pod.Key() == key {
			out = append(out, c)
		}
	}
	return out
}

// Victims are the evictions for one pod since a time, oldest first.
func (s *Sched) Victims(uid string, since time.Time) []Evicted {
	var out []Evicted
	for _, e := range s.Evicted {
		if e.Preemptor.UID == uid && !e.At.Before(since) {
			out = append(out, e)
		}
	}
	return out
}

// Queued is where a pod waits now; false when it is in no queue.
func (s *Sched) Queued(key string) (event.SchedQueued, bool) {
	for _, p := range s.Queues.Pods {
		if p.Pod.Key() == key {
			return p, true
		}
	}
	return event.SchedQueued{}, false
}

// WaitsFor are the events that could bring a pod back that a plugin rejected.
func (s *Sched) WaitsFor(plugin string) []string {
	for _, w := range s.Queues.Waits {
		if w.Plugin == plugin {
			return w.Events
		}
	}
	return nil
}
