package event

func init() { register[RaftEntries]() }

// RaftEntries is how one member's log grew since its last report, read from
// its write-ahead log. There is at most one every 400 ms.
type RaftEntries struct {
	Node string `json:"node"`
	// Last is the last index in the log.
	Last uint64 `json:"last"`
	// Runs are the new entries by term, oldest first. A run that begins at or
	// below an index reported before overwrites the log from there on.
	Runs []RaftRun `json:"runs,omitempty"`
	// Fresh says that the member began anew: nothing reported before counts.
	Fresh bool `json:"fresh,omitempty"`
	// Entries say what the last of the new entries mean. The leader reports
	// them, again once their revision is known; a new leader reports what its
	// predecessor may not have.
	Entries []RaftEntry `json:"entries,omitempty"`
	// Skipped is how many entries were too many to describe.
	Skipped int `json:"skipped,omitempty"`
}

// RaftRun is a range of log entries of one term.
type RaftRun struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Term  uint64 `json:"term"`
}

// RaftEntry is what one log entry asks for. It never holds a value.
type RaftEntry struct {
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
	// Op is put, delete, delete range, txn (one that writes nothing), compact,
	// lease grant, lease revoke, add member, no-op, ...
	Op string `json:"op"`
	// Key is the key of the first write, or what else the operation is about.
	Key string `json:"key,omitempty"`
	// If says that the write happens only if its condition holds.
	If bool `json:"if,omitempty"`
	// More is how many further writes the entry has.
	More int `json:"more,omitempty"`
	// Bytes is the size of the entry in the log.
	Bytes int `json:"bytes,omitempty"`
	// Revision of the key-value store that the entry made; 0 where it made none
	// or it is not known (yet).
	Revision int64 `json:"revision,omitempty"`
}

// Type implements Body.
func (RaftEntries) Type() string { return "raft.entries" }

func (RaftEntries) sealed() {}
