package event

import "time"

func init() {
	register[FaultInjected]()
	register[FaultVerified]()
	register[FaultEnded]()
	register[LinkState]()
}

// Outside is the far end of a node's link to everything beyond the lab: the
// fabric's gateway, behind which are the host and its ways to the API.
const Outside = "outside"

// AnyNode is an end of a link that stands for all nodes: a limit on what a node
// sends or receives in all.
const AnyNode = "*"

// FaultLink is one direction of a link between two nodes.
type FaultLink struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// FaultInjected says that a fault is desired from now on.
type FaultInjected struct {
	// ID is unique within a run of the lab: f1, f2, ...
	ID string `json:"id"`
	// Kind is the word it begins with in the grammar, such as "cut".
	Kind string `json:"kind"`
	// Text is the fault in the grammar of the command line, in its canonical form.
	Text string `json:"text"`
	// Owner is who asked for it.
	Owner string `json:"owner,omitempty"`
	// Run is the run of a scenario or a campaign that it is part of, and ends with.
	Run string `json:"run,omitempty"`
	// Lease is how long it lasts unless it is healed before; 0 is for ever.
	Lease time.Duration `json:"lease"`
	// Nodes, Components (node/component) and Pods (namespace/name) it is about.
	Nodes      []string `json:"nodes,omitempty"`
	Components []string `json:"components,omitempty"`
	Pods       []string `json:"pods,omitempty"`
	// Images that the nodes lose, as pods name them.
	Images []string `json:"images,omitempty"`
	// Links are the directions it holds for.
	Links []FaultLink `json:"links,omitempty"`
	// Loss is the share of packets lost, 0 to 1.
	Loss   float64       `json:"loss,omitempty"`
	Delay  time.Duration `json:"delay,omitempty"`  // of each packet
	Jitter time.Duration `json:"jitter,omitempty"` // at most this much more or less
	Rate   int64         `json:"rate,omitempty"`   // bits/s
	// CPUs (cores) and MemoryBytes are what a node is squeezed to.
	CPUs        float64 `json:"cpus,omitempty"`
	MemoryBytes int64   `json:"memoryBytes,omitempty"`
	// LeaveBytes is what is left free of a full disk.
	LeaveBytes int64 `json:"leaveBytes,omitempty"`
}

// FaultVerdict says whether a fault does what it is meant to do.
type FaultVerdict string

// The verdicts.
const (
	FaultLanded       FaultVerdict = "landed"       // observed to have its effect
	FaultMismatch     FaultVerdict = "mismatch"     // observed to lack its effect
	FaultInconclusive FaultVerdict = "inconclusive" // could not be observed; Evidence says why
)

// FaultVerified is what an observation of a fault found.
type FaultVerified struct {
	ID      string       `json:"id"`
	Verdict FaultVerdict `json:"verdict"`
	// Evidence are observations in words, with numbers.
	Evidence []string `json:"evidence,omitempty"`
}

// FaultEnded says that a fault is no longer desired.
type FaultEnded struct {
	ID string `json:"id"`
	// Cause is healed, expired, done (it was over at once), or why it failed.
	Cause string `json:"cause"`
	// Error is what could not be undone, yet; it is tried again.
	Error string `json:"error,omitempty"`
}

// LinkCondition is what faults do to packets in one direction of a link.
type LinkCondition struct {
	FaultLink
	Cut    bool          `json:"cut,omitempty"`
	Loss   float64       `json:"loss,omitempty"` // 0 to 1
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	Rate   int64         `json:"rate,omitempty"` // bits/s
	// Dropped are the packets dropped since the link was whole, by the counters
	// of the rules; Delayed those that were held back.
	Dropped uint64 `json:"dropped,omitempty"`
	Delayed uint64 `json:"delayed,omitempty"`
}

// Whole says that nothing is wrong with the link.
func (c LinkCondition) Whole() bool {
	return !c.Cut && c.Loss == 0 && c.Delay == 0 && c.Jitter == 0 && c.Rate == 0
}

// LinkState is the condition, now in force, of the directions that changed.
type LinkState struct {
	Links []LinkCondition `json:"links"`
}

// Type implements Body.
func (FaultInjected) Type() string { return "fault.injected" }

// Type implements Body.
func (FaultVerified) Type() string { return "fault.verified" }

// Type implements Body.
func (FaultEnded) Type() string { return "fault.ended" }

// Type implements Body.
func (LinkState) Type() string { return "link.state" }

func (FaultInjected) sealed() {}
func (FaultVerified) sealed() {}
func (FaultEnded) sealed()    {}
func (LinkState) sealed()     {}
