package state

import (
	"slices"
	"time"

	"workbench/cluster/event"
)

func (r *Raft) apply(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.RaftStatus:
		m := r.member(b.Node)
		if b.Last == 0 {
			b.Last = m.Last // only the leader's status tells, and the log
		}
		m.RaftStatus, m.At = b, at
		m.role(at, b.Role, b.Term)
	case event.RaftRole:
		m := r.member(b.Node)
		m.Role, m.Term, m.Lead = b.Role, max(m.Term, b.Term), ""
		if b.Role == event.RaftLeader {
			m.Lead = b.Node
		} else {
			m.Progress = nil
		}
		m.role(at, b.Role, b.Term)
	case event.RaftEntries:
		r.applyEntries(b)
	case event.RaftDisk:
		r.member(b.Node).Disk = &b
	case event.RaftMembership:
		r.applyMembership(b)
	case event.RaftMessages:
		r.applyMessages(at, b)
	case event.RaftLog:
		r.Log = bounded(append(r.Log, RaftLine{At: at, Node: b.Node, Text: b.Text}), MaxRaftLog)
	}
}

func (r *Raft) member(node string) *Member {
	m := r.Members[node]
	if m == nil {
		m = &Member{RaftStatus: event.RaftStatus{Node: node}}
		r.Members[node] = m
	}
	return m
}

// applyMembership takes the leader's word for who belongs to the cluster: a
// member that is behind knows an older list.
func (r *Raft) applyMembership(b event.RaftMembership) {
	if leader := r.Leader(); leader != "" && leader != b.Node {
		return
	}
	in := map[string]bool{}
	for _, m := range b.Members {
		in[m.Name] = true
	}
	for name, m := range r.Members {
		m.Out = !in[name]
	}
}

// role records a change of role or term in the swimlane.
func (m *Member) role(at time.Time, role event.RaftRoleName, term uint64) {
	if n := len(m.Swim); n > 0 && m.Swim[n-1].Role == role && m.Swim[n-1].Term == term {
		return
	}
	m.Swim = bounded(append(m.Swim, RoleSpan{At: at, Role: role, Term: term}), MaxSwim)
}

func (m *Member) down(at time.Time) {
	m.Role, m.Lead, m.Progress, m.Frozen = "", "", nil, false
	m.role(at, "", m.Term)
}

// Leader is the node whose member leads in the highest term, or "".
func (r *Raft) Leader() string {
	leader, term := "", uint64(0)
	for name, m := range r.Members {
		if m.Role == event.RaftLeader && !m.Frozen && (m.Term > term || leader == "" || m.Term == term && name < leader) {
			leader, term = name, m.Term
		}
	}
	return leader
}

// Quorum is how many of the voting members must be up for a write to commit, and
// how many are known to run. Learners do not vote.
func (r *Raft) Quorum() (need, up, voters int) {
	for name, m := range r.Members {
		if m.Out || r.Learner(name) {
			continue
		}
		voters++
		if m.Role != "" && !m.Frozen {
			up++
		}
	}
	for _, id := range r.Strangers() {
		if !r.Members[r.Leader()].Progress[id].Learner {
			voters++
		}
	}
	return voters/2 + 1, up, voters
}

// Strangers are the members that the leader knows and that never reported, such
// as one that was added and not started: by name or else by ID, sorted. None is
// known while there is no leader.
func (r *Raft) Strangers() []string {
	lead := r.Members[r.Leader()]
	if lead == nil {
		return nil
	}
	var out []string
	for id := range lead.Progress {
		if r.Members[id] == nil {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Learner says whether a member does not vote. The leader knows; a learner that has
// no log yet takes itself for a follower. While there is no leader, it is one that
// was one when it was last up.
func (r *Raft) Learner(name string) bool {
	m := r.Members[name]
	if lead := r.Members[r.Leader()]; lead != nil && lead != m {
		if p, ok := lead.Progress[name]; ok {
			return p.Learner
		}
	}
	for _, span := range slices.Backward(m.Swim) {
		if span.Role != "" {
			return span.Role == event.RaftLearner
		}
	}
	return m.Role == event.RaftLearner
}

// Since is when the member's role or term last changed; zero before it had one.
func (m *Member) Since() time.Time {
	if len(m.Swim) == 0 {
		return time.Time{}
	}
	return m.Swim[len(m.Swim)-1].At
}
