package event

import "time"

func init() {
	register[SchedCycle]()
	register[SchedBind]()
	register[SchedPreempted]()
	register[SchedQueue]()
}

// SchedPod is the pod that a scheduler works on.
type SchedPod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Priority  int32  `json:"priority,omitempty"`
}

// Key is namespace/name.
func (p SchedPod) Key() string { return p.Namespace + "/" + p.Name }

// SchedOutcome is how an attempt to schedule a pod, or its binding, ended.
type SchedOutcome string

// The outcomes. Waiting is a Permit plugin that holds a pod back.
const (
	SchedScheduled     SchedOutcome = "scheduled"
	SchedWaiting       SchedOutcome = "waiting"
	SchedUnschedulable SchedOutcome = "unschedulable"
	SchedError         SchedOutcome = "error"
	SchedBound         SchedOutcome = "bound"
)

// SchedCode is a verdict of the scheduling framework.
type SchedCode string

// The verdicts. NotReached is a node that no Filter plugin looked at in this
// cycle; Unresolvable says that preemption cannot help either; Ran is a plugin
// that ran, with a verdict the framework does not tell.
const (
	SchedOK         SchedCode = ""
	SchedNo         SchedCode = "no"
	SchedNever      SchedCode = "unresolvable"
	SchedFailed     SchedCode = "error"
	SchedPending    SchedCode = "pending"
	SchedSkip       SchedCode = "skip"
	SchedRan        SchedCode = "ran"
	SchedNotReached SchedCode = "unreached"
)

// SchedWake is what brought a pod back to be tried again.
type SchedWake struct {
	// Event is the scheduler's own name of the cluster event, such as
	// NodeUpdateTaint; Object is what it happened to, such as Node w2.
	Event  string    `json:"event,omitempty"`
	Object string    `json:"object,omitempty"`
	At     time.Time `json:"at,omitzero"`
	// InFlight says that an event that came while the pod was being tried sent
	// it straight back; which one of those the scheduler does not tell.
	InFlight bool `json:"inFlight,omitempty"`
}

// SchedPhase is one extension point of a cycle.
type SchedPhase struct {
	Point string        `json:"point"`
	Took  time.Duration `json:"took"`
	Code  SchedCode     `json:"code,omitempty"`
	// Plugin and Reason are set where it did not succeed.
	Plugin string `json:"plugin,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// SchedPreFilter is the verdict of one PreFilter plugin, by index in Plugins.
type SchedPreFilter struct {
	Plugin int       `json:"p"`
	Code   SchedCode `json:"c,omitempty"`
	Reason []int     `json:"r,omitempty"` // indexes in Reasons
}

// SchedRow is what happened to one node, by index in Nodes.
type SchedRow struct {
	Node int `json:"n"`
	// Failed is the place, from 1, of the Filter plugin in Filters that rejected
	// the node; those behind it never ran on it. 0 is none.
	Failed int       `json:"f,omitempty"`
	Code   SchedCode `json:"c,omitempty"`
	Reason []int     `json:"r,omitempty"` // indexes in Reasons
	// Raw, Score (normalised, 0 to 100) in the order of Scorers; empty where
	// the node was not scored. Total is the sum of score x weight.
	Raw   []int64 `json:"raw,omitempty"`
	Score []int64 `json:"s,omitempty"`
	Total int64   `json:"t,omitempty"`
}

// SchedTally counts the nodes that one plugin rejected for one reason, over
// all nodes of the cluster.
type SchedTally struct {
	Plugin int `json:"p"` // index in Plugins; -1 is an extender
	Reason int `json:"r"` // index in Reasons; -1 is none
	Nodes  int `json:"n"`
}

// SchedScorer is a Score plugin and its weight.
type SchedScorer struct {
	Plugin int   `json:"p"`
	Weight int64 `json:"w"`
	// Skipped by PreScore: it gave no score in this cycle.
	Skipped bool `json:"skipped,omitempty"`
}

// SchedCandidate is a node that preemption tried without its victims.
type SchedCandidate struct {
	Node string `json:"node"`
	// Victims are the pods, as namespace/name, that would have to go.
	Victims []string `json:"victims,omitempty"`
	// Violations of PodDisruptionBudgets.
	Violations int    `json:"violations,omitempty"`
	Reason     string `json:"reason,omitempty"` // why it does not help
}

// SchedPreemption is what PostFilter found.
type SchedPreemption struct {
	Ran        bool             `json:"ran,omitempty"`
	Nominated  string           `json:"nominated,omitempty"`
	Message    string           `json:"message,omitempty"`
	Candidates []SchedCandidate `json:"candidates,omitempty"`
	// More counts the candidates that are not listed.
	More int `json:"more,omitempty"`
}

// SchedCycle is one attempt to schedule one pod, as the real scheduler made
// it, up to its decision; SchedBind tells of the binding. Names are in tables.
type SchedCycle struct {
	Instance string   `json:"instance"` // node of the scheduler
	Profile  string   `json:"profile"`
	Pod      SchedPod `json:"pod"`
	// Attempt counts from 1 for each pod, as the scheduler counts.
	Attempt int       `json:"attempt"`
	Start   time.Time `json:"start"`
	// Queued is how long it was in the queues before this attempt, Waited how
	// long since it was first ready to be tried, Took the cycle itself.
	Queued time.Duration `json:"queued"`
	Waited time.Duration `json:"waited"`
	Took   time.Duration `json:"took"`
	Woken  SchedWake     `json:"woken,omitzero"`

	Outcome SchedOutcome `json:"outcome"`
	Node    string       `json:"node,omitempty"`
	// Message is what the FailedScheduling Event says.
	Message string `json:"message,omitempty"`
	// Nominated is the node tried first because an earlier attempt preempted
	// for it; Hint the one tried first because an equal pod was just scored.
	Nominated string `json:"nominated,omitempty"`
	Hint      string `json:"hint,omitempty"`

	AllNodes  int `json:"allNodes"`
	Evaluated int `json:"evaluated"`
	Feasible  int `json:"feasible"`
	// Allowed is how many nodes PreFilter left over, and Allowing the plugins
	// that chose them; 0 when it left all.
	Allowed  int      `json:"allowed,omitempty"`
	Allowing []string `json:"allowing,omitempty"`
	// Group says that the pod was scheduled as a member of a pod group.
	Group bool `json:"group,omitempty"`
	// Extenders are the HTTP extenders; they can filter and score unseen.
	Extenders []string `json:"extenders,omitempty"`

	Plugins   []string         `json:"plugins,omitempty"`
	Nodes     []string         `json:"nodes,omitempty"`
	Reasons   []string         `json:"reasons,omitempty"`
	PreFilter []SchedPreFilter `json:"preFilter,omitempty"`
	Filters   []int            `json:"filters,omitempty"` // in the order they run
	Skipped   []int            `json:"skipped,omitempty"` // Filters with nothing to check, says PreFilter
	Scorers   []SchedScorer    `json:"scorers,omitempty"`
	Scored    bool             `json:"scored,omitempty"`
	// Rows are sorted by node. In a large cluster they are the best and the
	// most telling ones; Unlisted counts the rest.
	Rows     []SchedRow   `json:"rows,omitempty"`
	Unlisted int          `json:"unlisted,omitempty"`
	Tallies  []SchedTally `json:"tallies,omitempty"`
	// Ties are the other nodes with the chosen one's total; chance decided.
	Ties []string `json:"ties,omitempty"`

	Preemption SchedPreemption `json:"preemption,omitzero"`
	Phases     []SchedPhase    `json:"phases,omitempty"`
}

// SchedBind is the end of the binding that follows a decision.
type SchedBind struct {
	Instance string        `json:"instance"`
	Pod      SchedPod      `json:"pod"`
	Attempt  int           `json:"attempt"`
	Node     string        `json:"node"`
	Outcome  SchedOutcome  `json:"outcome"` // bound, unschedulable or error
	Message  string        `json:"message,omitempty"`
	Took     time.Duration `json:"took"`
	Phases   []SchedPhase  `json:"phases,omitempty"`
}

// SchedPreempted is the eviction of one victim for a preemptor.
type SchedPreempted struct {
	Instance  string   `json:"instance"`
	Preemptor SchedPod `json:"preemptor"`
	Victim    SchedPod `json:"victim"`
	Node      string   `json:"node"`
	// InMemory: the victim was waiting to be bound; nothing was deleted.
	InMemory bool          `json:"inMemory,omitempty"`
	Took     time.Duration `json:"took"`
	Error    string        `json:"error,omitempty"`
}

// SchedPlace is one of the scheduler's queues.
type SchedPlace string

// The queues.
const (
	SchedActive   SchedPlace = "active"
	SchedBackoff  SchedPlace = "backoff"
	SchedParked   SchedPlace = "unschedulable"
	SchedGated    SchedPlace = "gated"
	SchedInFlight SchedPlace = "in flight"
)

// SchedQueued is one pod in a queue.
type SchedQueued struct {
	Pod   SchedPod   `json:"pod"`
	Place SchedPlace `json:"place"`
	// Attempts made so far.
	Attempts int       `json:"attempts,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	// Until is when its backoff ends.
	Until time.Time `json:"until,omitzero"`
	// Plugins rejected it: an event one of them waits for brings it back. For
	// a gated pod it is the one PreEnqueue plugin that holds it.
	Plugins []string `json:"plugins,omitempty"`
}

// SchedWaits are the events one plugin registered for.
type SchedWaits struct {
	Plugin string   `json:"plugin"`
	Events []string `json:"events"`
}

// SchedQueue is the state of the leading scheduler's queues, on change, at most
// four times a second.
type SchedQueue struct {
	Instance string `json:"instance"`
	// Counts by place.
	Counts map[SchedPlace]int `json:"counts"`
	Pods   []SchedQueued      `json:"pods,omitempty"`
	// Unlisted counts the pods beyond those listed.
	Unlisted int          `json:"unlisted,omitempty"`
	Waits    []SchedWaits `json:"waits,omitempty"`
}

// Type implements Body.
func (SchedCycle) Type() string { return "sched.cycle" }

// Type implements Body.
func (SchedBind) Type() string { return "sched.bind" }

// Type implements Body.
func (SchedPreempted) Type() string { return "sched.preempted" }

// Type implements Body.
func (SchedQueue) Type() string { return "sched.queue" }

func (SchedCycle) sealed()     {}
func (SchedBind) sealed()      {}
func (SchedPreempted) sealed() {}
func (SchedQueue) sealed()     {}
