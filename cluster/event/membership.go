package event

func init() {
	register[NodeAdded]()
	register[NodeRemoved]()
}

// NodeAdded says that the lab has one more node from now on, which is about to
// boot.
type NodeAdded struct {
	TopologyNode
}

// NodeRemoved says that a node does not belong to the lab any more.
type NodeRemoved struct {
	Node string `json:"node"`
}

// Type implements Body.
func (NodeAdded) Type() string { return "node.added" }

// Type implements Body.
func (NodeRemoved) Type() string { return "node.removed" }

func (NodeAdded) sealed()   {}
func (NodeRemoved) sealed() {}
