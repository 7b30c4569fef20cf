// Package member is what there is to know of etcd's members to operate them:
// who votes, who is up, what may be removed and whom to make leader. It also
// breaks a member's data directory on purpose.
//
// It knows no client and no clock: the supervisor asks the members and hands in
// what they said.
package member

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// Member is one member of etcd, as the cluster lists it and as it answers.
type Member struct {
	ID uint64
	// Node is the node it is on, by its peer URL; "" for one of no node of the lab.
	Node string
	// Started says that it has told the cluster its name and client URLs.
	Started   bool
	Learner   bool
	PeerURL   string
	ClientURL string

	// What it answered; Problem is why it did not.
	Problem     string
	Leads       bool
	Term        uint64
	Index       uint64 // committed, of the Raft log
	Applied     uint64
	Revision    int64
	DBBytes     int64
	DBUsed      int64 // bytes
	MatchOnLead uint64
}

// Up says that it answered.
func (m Member) Up() bool { return m.Problem == "" }

// HexID is the ID as etcdctl prints and takes it.
func (m Member) HexID() string { return fmt.Sprintf("%x", m.ID) }

// Name names it in a sentence: its node, or its ID where it is on none.
func (m Member) Name() string {
	if m.Node == "" {
		return "member " + m.HexID()
	}
	return m.Node
}

// Role is what it is in a word.
func (m Member) Role() string {
	switch {
	case !m.Up() && m.Learner:
		return "learner, down"
	case !m.Up():
		return "down"
	case m.Learner:
		return "learner"
	case m.Leads:
		return "leader"
	}
	return "follower"
}

// Cluster is all members, in the order of their nodes.
type Cluster []Member

// Of is the member on a node.
func (c Cluster) Of(node string) (Member, bool) {
	i := slices.IndexFunc(c, func(m Member) bool { return m.Node == node })
	if i < 0 {
		return Member{}, false
	}
	return c[i], true
}

// Leader is the member that leads; of two that believe so the one of the higher
// term.
func (c Cluster) Leader() (Member, bool) {
	var leader Member
	found := false
	for _, m := range c {
		if m.Up() && m.Leads && (!found || m.Term > leader.Term) {
			leader, found = m, true
		}
	}
	return leader, found
}

// Quorum is how many voters must be up for a write to commit, how many there
// are, and how many of them are up.
func (c Cluster) Quorum() (need, voters, up int) {
	for _, m := range c {
		if m.Learner {
			continue
		}
		voters++
		if m.Up() {
			up++
		}
	}
	return voters/2 + 1, voters, up
}

// Revision is the newest that a member that is up knows.
func (c Cluster) Revision() int64 {
	newest := int64(0)
	for _, m := range c {
		newest = max(newest, m.Revision)
	}
	return newest
}

// Without is the cluster after a member was removed.
func (c Cluster) Without(id uint64) Cluster {
	return slices.DeleteFunc(slices.Clone(c), func(m Member) bool { return m.ID == id })
}

// ErrQuorum is why something is refused that would leave too few voters up.
var ErrQuorum = errors.New("etcd would lose its quorum")

// Removable is why a member cannot be removed; nil when it can.
func (c Cluster) Removable(m Member) error {
	need, voters, up := c.Quorum()
	if up < need {
		return fmt.Errorf("%w: it has none now: %d of %d voters are up and %d are needed to change the membership; start the others, or bring the cluster back from a snapshot with: workbench etcd restore FILE",
			ErrQuorum, up, voters, need)
	}
	after := c.Without(m.ID)
	need, voters, up = after.Quorum()
	if voters == 0 {
		return fmt.Errorf("%w: %s is the only voter, and holds the only copy of all that the cluster stores", ErrQuorum, m.Name())
	}
	if up < need {
		return fmt.Errorf("%w: without %s there are %s of which %d would be up, and %d are needed; start the others first",
			ErrQuorum, m.Name(), plural(voters, "voter"), up, need)
	}
	return nil
}

// Heir is the follower that has most of the log: the one to make leader.
func (c Cluster) Heir() (Member, error) {
	var heir Member
	for _, m := range c {
		if m.Up() && !m.Learner && !m.Leads && (heir.ID == 0 || m.Match() > heir.Match()) {
			heir = m
		}
	}
	if heir.ID == 0 {
		return heir, errors.New("there is no other voter that is up")
	}
	return heir, nil
}

// Match is the last entry that the member is known to have: by the leader where
// that told, else what it has committed itself.
func (m Member) Match() uint64 { return max(m.MatchOnLead, m.Index) }

// CanLead is why a member cannot be made leader; nil when it can.
func (c Cluster) CanLead(m Member) error {
	switch {
	case !m.Up():
		return fmt.Errorf("%s does not answer (%s): a leader that is down would only cost an election", m.Name(), m.Problem)
	case m.Learner:
		return fmt.Errorf("%s is a learner: it has no vote and cannot lead; promote it first: workbench etcd promote %s", m.Name(), m.Node)
	case m.Leads:
		return fmt.Errorf("%s leads already", m.Name())
	}
	return nil
}

// Tolerance says in a sentence how many voters there are and how many may fail.
func (c Cluster) Tolerance() string {
	need, voters, up := c.Quorum()
	text := fmt.Sprintf("%s, %d needed for a write: %d may fail", plural(voters, "voter"), need, voters-need)
	if voters%2 == 0 && voters > 0 {
		text += fmt.Sprintf(", no more than with %d: an even number only adds one to fail", voters-1)
	}
	if up < voters {
		text += fmt.Sprintf("; %d up now", up)
	}
	return text
}

// Members is the membership as a table.
func (c Cluster) Members() string {
	return table("NODE\tID\tROLE\tVOTES\tSTARTED\tPEER URL\tCLIENT URL\n", c, func(m Member) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(m.Node), m.HexID(), m.Role(), yes(!m.Learner), yes(m.Started), m.PeerURL, dash(m.ClientURL))
	})
}

// Status is how the members are as a table.
func (c Cluster) Status() string {
	return table("NODE\tROLE\tTERM\tINDEX\tAPPLIED\tREVISION\tDB\tIN USE\tPROBLEM\n", c, func(m Member) string {
		if !m.Up() {
			return fmt.Sprintf("%s\t%s\t-\t-\t-\t-\t-\t-\t%s\n", dash(m.Node), m.Role(), m.Problem)
		}
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t-\n", dash(m.Node), m.Role(), m.Term, m.Index, m.Applied, m.Revision, Bytes(m.DBBytes), Bytes(m.DBUsed))
	})
}

func table(head string, c Cluster, row func(Member) string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	_, _ = w.Write([]byte(head))
	for _, m := range c {
		_, _ = w.Write([]byte(row(m)))
	}
	_ = w.Flush() // to a string
	return strings.TrimRight(b.String(), "\n")
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func yes(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Bytes is a size in words.
func Bytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
