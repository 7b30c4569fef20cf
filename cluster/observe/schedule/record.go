package schedule

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"workbench/cluster/event"
)

// stateKey is where a cycle's state holds its record.
const stateKey fwk.StateKey = "workbench/record"

// A cycle tells of up to listed nodes one by one; where there are more, of
// about chosenOf of them.
const (
	listed   = 48
	chosenOf = 24
)

// record is one cycle while it runs, and then the binding that follows. The
// scheduler's goroutine writes it; only Filters and dry runs of preemption come
// from many goroutines at once: a Filter takes a place in room, the others mu.
type record struct {
	r       *Recorder
	profile string
	plugins *extensionPoints
	pod     event.SchedPod
	attempt int

	start, queuedAt, firstAt time.Time
	wake                     event.SchedWake
	nominated, hint          string
	group                    bool

	nodes     []string // all nodes, where they are few
	allNodes  int
	preFilter preFilter
	skipped   []string // Filter plugins, by PreFilter
	filterAt  time.Time

	room   []filtered   // for the verdict of each node, filled from the front without a lock
	filled atomic.Int32 // verdicts so far; those beyond room are in late

	mu         sync.Mutex
	late       []filtered
	candidates []event.SchedCandidate
	phases     []event.SchedPhase

	scored       bool
	skippedScore []string
	scores       []fwk.NodePluginScores

	host                string
	evaluated, feasible int
	post                event.SchedPreemption

	// decided: the cycle is over and told of; phases are those of the binding.
	decided bool
}

// filtered is the verdict of the Filter plugins on one node.
type filtered struct {
	node, plugin string
	code         event.SchedCode
	reasons      []string
}

// preFilter is the verdict of the PreFilter plugins.
type preFilter struct {
	ran      bool
	code     event.SchedCode
	plugin   string
	reasons  []string
	allowed  int // nodes left over; -1 is all
	allowing []string
}

func newRecord(r *Recorder, profile string, info *framework.QueuedPodInfo) *record {
	now := time.Now()
	c := &record{
		r: r, profile: profile, pod: podOf(info.Pod), attempt: info.Attempts, start: now,
		phases: make([]event.SchedPhase, 0, 8), queuedAt: info.Timestamp, firstAt: now, nominated: info.Pod.Status.NominatedNodeName,
	}
	if info.InitialAttemptTimestamp != nil {
		c.firstAt = *info.InitialAttemptTimestamp
	}
	return c
}

// Clone implements fwk.StateData: clones of the state share the record.
func (c *record) Clone() fwk.StateData { return c }

// recordIn is the record in a cycle's state; nil when there is none.
func recordIn(state fwk.CycleState) *record {
	if state == nil {
		return nil
	}
	data, err := state.Read(stateKey)
	if err != nil {
		return nil
	}
	c, _ := data.(*record)
	return c
}

// survey notes which nodes there are.
func (c *record) survey(p *profile) {
	infos, err := p.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return
	}
	c.allNodes = len(infos)
	c.room = c.r.spare.room(len(infos) + 1) // a nominated node is tried twice
	if len(infos) > listed {
		return
	}
	c.nodes = make([]string, len(infos))
	for i, info := range infos {
		c.nodes[i] = info.Node().Name
	}
}

// phase notes an extension point that began at from.
func (c *record) phase(point string, from time.Time, s *fwk.Status) {
	p := event.SchedPhase{Point: point, Took: time.Since(from), Code: code(s)}
	if !s.IsSuccess() && !s.IsSkip() {
		p.Plugin, p.Reason = s.Plugin(), clip(s.Message())
	}
	c.mu.Lock()
	c.phases = append(c.phases, p)
	c.mu.Unlock()
}

// filter notes the verdict on one node. A reason list is shared with the
// status; nobody writes to one that was returned.
func (c *record) filter(node string, s *fwk.Status) {
	row := filtered{node: node}
	if !s.IsSuccess() {
		row.plugin, row.code, row.reasons = s.Plugin(), code(s), s.Reasons()
	}
	if at := int(c.filled.Add(1)) - 1; at < len(c.room) {
		c.room[at] = row
		return
	}
	c.mu.Lock()
	c.late = append(c.late, row)
	c.mu.Unlock()
}

// rows are the verdicts given so far, while no Filter runs.
func (c *record) rows() []filtered {
	rows := c.room[:min(int(c.filled.Load()), len(c.room))]
	if len(c.late) > 0 {
		return append(slices.Clone(rows), c.late...)
	}
	return rows
}

// result notes how the algorithm ended.
func (c *record) result(result scheduler.ScheduleResult, err error) {
	c.endFilter()
	if err != nil {
		if fit, ok := err.(*framework.FitError); ok && c.preFilter.code == event.SchedOK {
			c.evaluated = fit.Diagnosis.NodeToStatus.Len()
			c.rejectedOutside(fit.Diagnosis.NodeToStatus)
		}
		return
	}
	c.host, c.evaluated, c.feasible = result.SuggestedHost, result.EvaluatedNodes, result.FeasibleNodes
}

// endFilter notes the time that filtering took, once.
func (c *record) endFilter() {
	if c.filterAt.IsZero() {
		return
	}
	from := c.filterAt
	c.filterAt = time.Time{}
	c.phase("Filter", from, nil)
}

// rejectedOutside adds the verdicts of extenders, which no plugin gave.
func (c *record) rejectedOutside(statuses *framework.NodeToStatus) {
	if len(c.r.extenders) == 0 {
		return
	}
	rows := c.rows()
	for i, row := range rows {
		if row.code != event.SchedOK {
			continue
		}
		if s := statuses.Get(row.node); s != nil && !s.IsSuccess() && s.Plugin() == "" {
			rows[i].code, rows[i].reasons = code(s), s.Reasons()
		}
	}
}

// decide ends the cycle. The record goes on as that of the binding.
func (c *record) decide(outcome event.SchedOutcome, message string) {
	now := time.Now()
	c.mu.Lock()
	done := &record{
		r: c.r, profile: c.profile, plugins: c.plugins, pod: c.pod, attempt: c.attempt,
		start: c.start, queuedAt: c.queuedAt, firstAt: c.firstAt, wake: c.wake, nominated: c.nominated, hint: c.hint, group: c.group,
		nodes: c.nodes, allNodes: c.allNodes, preFilter: c.preFilter, skipped: c.skipped,
		room: c.room, late: c.late, candidates: c.candidates, phases: c.phases,
		scored: c.scored, skippedScore: c.skippedScore, scores: c.scores,
		host: c.host, evaluated: c.evaluated, feasible: c.feasible, post: c.post,
	}
	done.filled.Store(c.filled.Load())
	c.decided, c.phases, c.room, c.late, c.candidates, c.scores, c.nodes = true, nil, nil, nil, nil, nil, nil
	c.mu.Unlock()
	c.r.later(func() {
		c.r.emit(now, done.event(outcome, message, now))
		c.r.spare.take(done)
	})
}

// bound ends the binding.
func (c *record) bound(outcome event.SchedOutcome, message string) {
	now := time.Now()
	c.mu.Lock()
	phases := c.phases
	c.phases = nil
	c.mu.Unlock()
	c.r.later(func() {
		c.r.emit(now, event.SchedBind{
			Instance: c.r.node, Pod: c.pod, Attempt: c.attempt, Node: c.host,
			Outcome: outcome, Message: message, Took: now.Sub(c.start), Phases: phases,
		})
	})
}
