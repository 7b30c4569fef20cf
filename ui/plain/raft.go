package plain

import (
	"fmt"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

func raftRole(b event.RaftRole, before *state.World) Entry {
	if m := before.Raft.Members[b.Node]; m != nil && m.Role == b.Role && m.Term == b.Term {
		return Entry{}
	}
	return becomes(b.Node, b.Role, b.Term)
}

// raftStatus has a line only where no log line told of the new role before.
func raftStatus(b event.RaftStatus, before *state.World) Entry {
	m := before.Raft.Members[b.Node]
	if m == nil || b.Role == "" || m.Role == b.Role {
		return Entry{}
	}
	return becomes(b.Node, b.Role, b.Term)
}

func becomes(node string, role event.RaftRoleName, term uint64) Entry {
	out := Entry{Subject: node + "/etcd", Text: fmt.Sprintf("became %s in term %d", role, term)}
	switch role {
	case event.RaftLeader:
		out.Tone = Good
	case event.RaftCandidate, event.RaftPreCandidate:
		out.Tone = Caution
	}
	return out
}
