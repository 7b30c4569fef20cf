package event

func init() {
	register[OperationStep]()
	register[RaftMembership]()
}

// OperationStep is one thing that an operation of a user (etcd.defrag, node.add,
// scene.save) did or found, and why. The Action that follows the last one says
// how the operation ended.
type OperationStep struct {
	Verb   string `json:"verb"`   // such as "etcd.defrag"
	Target string `json:"target"` // such as "c2"
	Text   string `json:"text"`
}

// RaftMembership is who belongs to the etcd cluster, as one member has applied
// it. It is emitted on change.
type RaftMembership struct {
	Node    string       `json:"node"` // of the member that says so
	Members []RaftMember `json:"members"`
}

// RaftMember is one member of the etcd cluster.
type RaftMember struct {
	ID string `json:"id"` // hex, as etcdctl prints it
	// Name is its node; "" for one that was added and has not started yet.
	Name    string `json:"name,omitempty"`
	Learner bool   `json:"learner,omitempty"`
}

// Type implements Body.
func (OperationStep) Type() string { return "operation.step" }

// Type implements Body.
func (RaftMembership) Type() string { return "raft.membership" }

func (OperationStep) sealed()  {}
func (RaftMembership) sealed() {}
