package state

import "time"

// Timeline is what happened when, in lanes, for a time axis: it reaches back to
// the start of the run, told more coarsely the longer ago it is.
type Timeline struct {
	// Lanes by name, such as "node/w2" or "pods"; the part before the slash is
	// the lane's kind.
	Lanes map[string]*Lane `json:"lanes,omitempty"`
}

// The kinds of lanes. In lanes of states a mark says what holds from then on; in
// lanes of changes it says that something happened.
const (
	LaneYou       = "you"       // changes: users' actions
	LaneFaults    = "faults"    // changes: faults injected, found to lack their effect, ended
	LaneScenario  = "scenario"  // changes: a run's begin, steps and end
	LaneLab       = "lab"       // states: the lab's phase
	LaneNode      = "node"      // states: a node as the kernel sees it
	LaneComponent = "component" // states: component/NODE/NAME
	LaneRaft      = "raft"      // states: an etcd member's role, "" while it is down
	LaneLease     = "lease"     // states: who holds a leader-election lease of kube-system
	LaneReady     = "ready"     // states: the Ready condition of a Kubernetes node
	LanePulse     = "pulse"     // states: "ok" or "fails", per probe target
	LaneSource    = "source"    // states: "ok" or "lost"; only for sources that were lost
	LaneBinds     = "binds"     // changes: pods bound to nodes, and attempts of the scheduler that failed
	LanePods      = "pods"      // changes: pods added, ready, unready, deleting, gone
	LaneEndpoints = "endpoints" // changes: how many endpoints of a Service are ready
	LaneWarnings  = "warnings"  // changes: Kubernetes Events of type Warning
)

// Lane is the past of one thing.
type Lane struct {
	// Marks are oldest first.
	Marks []Mark `json:"marks,omitempty"`
}

// Mark is a moment in a lane, or a few that are told as one.
type Mark struct {
	At time.Time `json:"at"`
	// Seq is the event that it stems from, the first one of several.
	Seq uint64 `json:"seq"`
	// Class is the state that holds from At on, or the kind of change.
	Class string `json:"class,omitempty"`
	// Text says it in a few words, as the lane's name does not.
	Text string `json:"text,omitempty"`
	// N is how many changes are told as this one; 0 is one. To is the last one's time.
	N  int       `json:"n,omitempty"`
	To time.Time `json:"to,omitzero"`
	// Key marks are what one jumps between: actions, failures, recoveries, elections.
	Key bool `json:"key,omitempty"`
}

// Bounds of a lane. Beyond them (and a quarter) the older half is told more coarsely.
const (
	MaxStateMarks  = 96
	MaxChangeMarks = 192
)

// What changes within a gap of each other is one mark, up to a stretch in all.
const (
	markGap     = 100 * time.Millisecond
	markStretch = time.Second
)

// Count is how many changes the mark tells.
func (m Mark) Count() int { return max(m.N, 1) }

// End is when the last of the mark's changes was.
func (m Mark) End() time.Time {
	if m.To.After(m.At) {
		return m.To
	}
	return m.At
}

// lane is the lane of that name, which it makes when there is none.
func (t *Timeline) lane(name string) *Lane {
	if t.Lanes == nil {
		t.Lanes = map[string]*Lane{}
	}
	l := t.Lanes[name]
	if l == nil {
		l = &Lane{}
		t.Lanes[name] = l
	}
	return l
}

// state says what holds in a lane from a mark on, unless it held already.
func (t *Timeline) state(name string, m Mark) {
	l := t.lane(name)
	if n := len(l.Marks); n > 0 && l.Marks[n-1].Class == m.Class && l.Marks[n-1].Text == m.Text || n == 0 && m.Class == "" {
		return
	}
	l.Marks = append(l.Marks, m)
	if len(l.Marks) > MaxStateMarks+MaxStateMarks/4 {
		l.Marks = coarser(l.Marks, true)
	}
}

// change says that something happened; text is only asked for a mark of its own.
func (t *Timeline) change(name string, m Mark, text func() string) {
	l := t.lane(name)
	if n := len(l.Marks); n > 0 {
		last := &l.Marks[n-1]
		if last.Class == m.Class && m.At.Sub(last.End()) < markGap && m.At.Sub(last.At) < markStretch {
			last.N, last.To, last.Key = last.Count()+1, maxTime(last.End(), m.At), last.Key || m.Key
			return
		}
	}
	m.Text = text()
	l.Marks = append(l.Marks, m)
	if len(l.Marks) > MaxChangeMarks+MaxChangeMarks/4 {
		l.Marks = coarser(l.Marks, false)
	}
}

// coarser tells the older half of the marks two by two: of states the later one
// holds on, of changes both happened. Key marks are merged last: only where their
// half has no others.
func coarser(marks []Mark, states bool) []Mark {
	half := len(marks) / 2
	plain := 0
	for _, m := range marks[:half] {
		if !m.Key {
			plain++
		}
	}
	spare := plain > half/2
	out := make([]Mark, 0, len(marks))
	for i := 0; i < half; i++ {
		m := marks[i]
		if i+1 < half && (!spare || !m.Key && !marks[i+1].Key) {
			m = merge(m, marks[i+1], states)
			i++
		}
		out = append(out, m)
	}
	return append(out, marks[half:]...)
}

func merge(a, b Mark, states bool) Mark {
	out := a
	out.N, out.To, out.Key = a.Count()+b.Count(), maxTime(a.End(), b.End()), a.Key || b.Key
	switch {
	case states:
		out.Class, out.Text = b.Class, b.Text
	case a.Class != b.Class:
		out.Class, out.Text = "mixed", ""
	}
	return out
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
