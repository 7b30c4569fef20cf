package event

import "time"

func init() {
	register[RaftStatus]()
	register[RaftRole]()
	register[RaftLog]()
}

// RaftRoleName is a member's role in the Raft protocol.
type RaftRoleName string

// The roles of a Raft member. Unknown is what a member is before it reported.
const (
	RaftFollower     RaftRoleName = "follower"
	RaftPreCandidate RaftRoleName = "pre-candidate"
	RaftCandidate    RaftRoleName = "candidate"
	RaftLeader       RaftRoleName = "leader"
	RaftLearner      RaftRoleName = "learner"
)

// RaftProgress is what the leader knows of one follower.
type RaftProgress struct {
	Match        uint64 `json:"match"`
	Next         uint64 `json:"next"`
	State        string `json:"state"` // StateProbe, StateReplicate, StateSnapshot
	Inflight     int    `json:"inflight"`
	RecentActive bool   `json:"recentActive"`
	Paused       bool   `json:"paused"`
	Learner      bool   `json:"learner,omitempty"`
	// PendingSnapshot is the index of the snapshot on its way; 0 for none.
	PendingSnapshot uint64 `json:"pendingSnapshot,omitempty"`
}

// RaftStatus is a sample of one member's Raft state, taken inside its process
// (expvar raft.status and etcdserver's accessors). It is emitted on change.
type RaftStatus struct {
	Node     string       `json:"node"`
	MemberID string       `json:"memberID"` // hex, as etcdctl prints it
	Role     RaftRoleName `json:"role"`
	Term     uint64       `json:"term"`
	// Vote and Lead are node names where the ID is known, else hex, else "".
	Vote    string `json:"vote,omitempty"`
	Lead    string `json:"lead,omitempty"`
	Last    uint64 `json:"last,omitempty"` // last index in the log; 0 where not known
	Commit  uint64 `json:"commit"`
	Applied uint64 `json:"applied"`
	DBBytes int64  `json:"dbBytes,omitempty"`
	// Progress has one entry per peer, by node name, on the leader only.
	Progress map[string]RaftProgress `json:"progress,omitempty"`
}

// RaftRole is a role change, taken from the member's own Raft log the moment
// it happened: a candidate that lives for 1 ms is seen.
type RaftRole struct {
	Node string       `json:"node"`
	Role RaftRoleName `json:"role"`
	Term uint64       `json:"term"`
}

// RaftLog is another line of a member's Raft log: votes, lost leaders, streams.
type RaftLog struct {
	Node string `json:"node"`
	Text string `json:"text"`
	// Took is set where the line reports a duration, such as a slow fsync.
	Took time.Duration `json:"took,omitempty"`
}

// Type implements Body.
func (RaftStatus) Type() string { return "raft.status" }

// Type implements Body.
func (RaftRole) Type() string { return "raft.role" }

// Type implements Body.
func (RaftLog) Type() string { return "raft.log" }

func (RaftStatus) sealed() {}
func (RaftRole) sealed()   {}
func (RaftLog) sealed()    {}
