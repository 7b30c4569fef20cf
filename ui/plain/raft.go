package plain

import (
	"fmt"
	"strings"

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

// tells picks the lines of a Raft log that say something new: RaftRole tells of
// roles, and the Raft screen shows every line.
func tells(line string) bool {
	for _, part := range []string{"starting a new election", "lost leader", "stepped down", "starts to transfer leadership", "quorum is not active"} {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
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
