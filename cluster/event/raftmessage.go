package event

func init() { register[RaftMessages]() }

// RaftKind is a kind of Raft message.
type RaftKind string

// The kinds of messages between members, as Raft names them: MsgApp,
// MsgAppResp, MsgHeartbeat, ... A refused answer is a kind of its own.
const (
	RaftAppend         RaftKind = "append"
	RaftAck            RaftKind = "ack"
	RaftAckRefused     RaftKind = "ack-refused" // the follower lacks what comes before
	RaftHeartbeat      RaftKind = "heartbeat"
	RaftHeartbeatAck   RaftKind = "heartbeat-ack"
	RaftPreVote        RaftKind = "pre-vote"
	RaftPreVoteGranted RaftKind = "pre-vote-granted"
	RaftPreVoteRefused RaftKind = "pre-vote-refused"
	RaftVote           RaftKind = "vote"
	RaftVoteGranted    RaftKind = "vote-granted"
	RaftVoteRefused    RaftKind = "vote-refused"
	RaftSnapshot       RaftKind = "snapshot"
	RaftTimeoutNow     RaftKind = "timeout-now" // take over at once: leadership is handed on
	RaftPropose        RaftKind = "propose"     // a write passed on to the leader
	RaftReadIndex      RaftKind = "read-index"  // a linearizable read asks the leader how far it must wait
	RaftReadIndexResp  RaftKind = "read-index-resp"
	RaftOther          RaftKind = "other"
)

// Election says whether messages of this kind are about who leads.
func (k RaftKind) Election() bool {
	switch k {
	case RaftPreVote, RaftPreVoteGranted, RaftPreVoteRefused, RaftVote, RaftVoteGranted, RaftVoteRefused, RaftTimeoutNow:
		return true
	}
	return false
}

// RaftMessages are the messages that one member's relay saw since its last
// report: what the member sent over its streams, and what it got as single
// requests. There is one about every 500 ms, and at once when members vote.
type RaftMessages struct {
	Node  string     `json:"node"`
	Lanes []RaftLane `json:"lanes,omitempty"`
	// Dropped is how many messages to each peer etcd itself gave up on, of
	// whatever kind (metric etcd_network_peer_sent_failures_total).
	Dropped map[string]int `json:"dropped,omitempty"`
	// Waiting is how many messages to each peer its TCP has not acknowledged yet.
	Waiting map[string]int `json:"waiting,omitempty"`
	// Blind is how many connections the relay cannot read along any more.
	Blind int `json:"blind,omitempty"`
}

// RaftLane are messages of one kind from one member to another in one term.
type RaftLane struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	Kind RaftKind `json:"kind"`
	Term uint64   `json:"term,omitempty"`
	// At is when each was sent, in microseconds before the event's time, oldest
	// first.
	At []int64 `json:"at"`
	// More is how many further messages there were: At is bounded.
	More int `json:"more,omitempty"`
	// Entries is how many log entries the appends carry in all, and Index the
	// last index that any of them carries, acknowledges or is a snapshot of.
	Entries int    `json:"entries,omitempty"`
	Index   uint64 `json:"index,omitempty"`
	// Lost says that these were reported as sent before, and that the peer's TCP
	// did not acknowledge them within 500 ms or before the connection ended.
	Lost bool `json:"lost,omitempty"`
}

// Type implements Body.
func (RaftMessages) Type() string { return "raft.messages" }

func (RaftMessages) sealed() {}
