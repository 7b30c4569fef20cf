package event

import "time"

func init() {
	register[NodeInhibitors]()
	register[NodeShutdown]()
}

// Inhibitor is a program that may delay the shutdown of its node (systemd's
// inhibitor locks).
type Inhibitor struct {
	Who string `json:"who"` // as it calls itself, such as "kubelet"
	Why string `json:"why,omitempty"`
	// PID is in the node's PID namespace.
	PID int `json:"pid,omitempty"`
}

// NodeInhibitors are all who may delay a node's shutdown, and for how long at
// most; told by its init on change.
type NodeInhibitors struct {
	Node       string        `json:"node"`
	Inhibitors []Inhibitor   `json:"inhibitors,omitempty"`
	Limit      time.Duration `json:"limit"` // logind's InhibitDelayMaxSec
}

// ShutdownPhase is how far an announced shutdown is.
type ShutdownPhase string

// The phases of an announced shutdown.
const (
	ShutdownAnnounced ShutdownPhase = "announced"
	ShutdownReleased  ShutdownPhase = "released" // nobody delays it any more
	ShutdownExpired   ShutdownPhase = "expired"  // somebody would, but the limit is over
)

// NodeShutdown is a step of a graceful shutdown, from the announcement on the
// node to the moment at which its components are stopped.
type NodeShutdown struct {
	Node  string        `json:"node"`
	Phase ShutdownPhase `json:"phase"`
	// Waits are those who delay it: awaited when announced, ignored when expired.
	Waits []string `json:"waits,omitempty"`
	// Limit is how long they may, Took how long they did.
	Limit time.Duration `json:"limit,omitempty"`
	Took  time.Duration `json:"took,omitempty"`
}

// Type implements Body.
func (NodeInhibitors) Type() string { return "node.inhibitors" }

// Type implements Body.
func (NodeShutdown) Type() string { return "node.shutdown" }

func (NodeInhibitors) sealed() {}
func (NodeShutdown) sealed()   {}
