package raft

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// sentence is a line of explanation.
type sentence struct {
	text  string
	style themes.Style
}

// standing is who can take part in what.
type standing struct {
	voting   []string // voters that run, answer and are heard
	frozen   []string // voters that run and do not answer
	cut      []string // voters that run and that the leader does not hear
	down     []string
	learners []string
	leader   string
	quorum   int
	members  int // voters
	// strangers are members that never reported, learners or voters.
	strangers []string
}

// deaf is how long a leader must not have heard a member for it to count as cut
// off: longer than an election timeout of etcd's default.
const deaf = 1500 * time.Millisecond

func standingOf(cx *screen.Context) standing {
	var out standing
	leader := cx.World.Raft.Leader()
	for _, name := range members(cx) {
		m := cx.World.Raft.Members[name]
		if m.Out {
			continue
		}
		if cx.World.Raft.Learner(name) {
			out.learners = append(out.learners, name)
			continue
		}
		out.members++
		switch {
		case m.Frozen:
			out.frozen = append(out.frozen, name)
		case m.Role == "":
			out.down = append(out.down, name)
		case isCut(cx, m, leader):
			out.cut = append(out.cut, name)
		default:
			out.voting = append(out.voting, name)
		}
	}
	for _, id := range cx.World.Raft.Strangers() {
		out.strangers = append(out.strangers, id)
		if !cx.World.Raft.Members[leader].Progress[id].Learner {
			out.members++
		}
	}
	out.quorum = out.members/2 + 1
	if slices.Contains(out.voting, leader) {
		out.leader = leader
	}
	return out
}

// isCut says whether a member runs and the leader does not hear it, by the
// messages seen; where none are, by what the leader's Raft says.
func isCut(cx *screen.Context, m *state.Member, leader string) bool {
	lead := cx.World.Raft.Members[leader]
	if lead == nil || m.Node == leader {
		return false
	}
	since := lead.Since()
	if mine := m.Since(); mine.After(since) {
		since = mine // just started, or in a new role
	}
	if cx.Now.Sub(since) < deaf {
		return false
	}
	if p := cx.World.Raft.Pair(m.Node, leader); p != nil {
		return cx.Now.Sub(p.Heard) > deaf
	}
	return false
}

// explain says in words what holds: who leads, who can commit, who cannot and why.
func explain(cx *screen.Context, w int) []sentence {
	now := standingOf(cx)
	first, style := verdict(cx, now)
	text := append([]string{first}, absent(cx, now)...)
	var out []sentence
	for i, t := range text {
		for _, line := range widget.Wrap(t, max(w, 20)) {
			if i > 0 {
				out = append(out, sentence{line, cx.Styles.Muted})
			} else {
				out = append(out, sentence{line, style})
			}
		}
	}
	return out
}

// verdict is whether writes commit, and why.
func verdict(cx *screen.Context, now standing) (string, themes.Style) {
	st := cx.Styles
	can, spare := len(now.voting), len(now.voting)-now.quorum
	switch {
	case can < now.quorum && now.leader != "":
		return fmt.Sprintf("Quorum is lost: %s of %d can vote, %d are needed. %s still calls itself leader, commits nothing, and steps down after an election timeout.",
			subject(now.voting), now.members, now.quorum, now.leader), st.Bad
	case can < now.quorum:
		return fmt.Sprintf("Quorum is lost: %s of %d can vote, %d are needed. No write commits and no leader can be elected until %s.",
			subject(now.voting), now.members, now.quorum, remedy(now)), st.Bad
	case now.leader == "":
		return fmt.Sprintf("There is no leader. %s are %d of %d, a majority: %s Until then no write commits.",
			subject(now.voting), can, now.members, campaign(cx, now)), st.Warn
	case now.members == 1:
		return fmt.Sprintf("%s is the only member: it is its own quorum, and losing it stops every write.", now.leader), st.Text
	case spare == 0:
		return fmt.Sprintf("%s leads and %s make the quorum of %d, so writes commit. Losing one more member would stop every write.",
			now.leader, subject(now.voting), now.quorum), st.Warn
	default:
		return fmt.Sprintf("%s leads term %d. %d of %d members vote and %d make a quorum, so writes commit; %s may fail before they stop.",
			now.leader, cx.World.Raft.Members[now.leader].Term, can, now.members, now.quorum, widget.Plural(spare, "member")), st.Text
	}
}

// campaign says how far the election is.
func campaign(cx *screen.Context, now standing) string {
	for _, name := range now.voting {
		switch m := cx.World.Raft.Members[name]; m.Role {
		case event.RaftCandidate:
			return fmt.Sprintf("%s stands for term %d and asks for votes.", name, m.Term)
		case event.RaftPreCandidate:
			return fmt.Sprintf("%s asks for pre-votes to replace the leader of term %d.", name, m.Term)
		}
	}
	return "when an election timeout passes one of them asks for pre-votes, raises the term and is elected."
}

// absent says of every member that does not take part why.
func absent(cx *screen.Context, now standing) []string {
	var out []string
	for _, name := range now.frozen {
		out = append(out, fmt.Sprintf("%s is frozen: it still believes in term %d, hears nothing and cannot vote; resume it with P.", name, cx.World.Raft.Members[name].Term))
	}
	for _, name := range now.cut {
		out = append(out, cutOff(cx, now, name))
	}
	for _, name := range now.down {
		m, n := cx.World.Raft.Members[name], cx.World.Nodes[name]
		if len(m.Swim) == 0 || n == nil {
			continue
		}
		what := "its etcd process ended"
		if n.State == event.NodeKilled || n.State == event.NodeStopped {
			what = "its node was " + string(n.State)
		}
		out = append(out, fmt.Sprintf("%s is out: %s %s ago. When it is back it gets the entries it missed from the leader.", name, what, widget.Short(cx.Now.Sub(m.Since()))))
	}
	for _, name := range now.learners {
		out = append(out, name+" is a learner: it gets the log and counts for no quorum until it is promoted.")
	}
	for _, id := range now.strangers {
		if cx.World.Raft.Members[cx.World.Raft.Leader()].Progress[id].Learner {
			out = append(out, "Member "+id+" was added as a learner and is not heard of: it counts for no quorum, and gets the log when it starts.")
			continue
		}
		out = append(out, "Member "+id+" was added and is not heard of: it counts for the quorum and cannot vote before it starts.")
	}
	return append(append(out, lagging(cx, now)...), filling(cx)...)
}

// filling says whose database comes near its quota, at which etcd refuses writes.
func filling(cx *screen.Context) []string {
	var out []string
	for _, name := range members(cx) {
		m := cx.World.Raft.Members[name]
		if share, ok := quotaShare(m); ok && share >= quotaWarn {
			out = append(out, fmt.Sprintf("%s's database takes %d%% of its quota of %s: at 100%% etcd raises the alarm NOSPACE and takes no more writes; compact and defragment it.",
				name, share, widget.Bytes(m.Disk.QuotaBytes)))
		}
	}
	return out
}

// cutOff says what a member that the leader does not hear is doing.
func cutOff(cx *screen.Context, now standing, name string) string {
	m, leader := cx.World.Raft.Members[name], cx.World.Raft.Leader()
	text := name + " is cut off: " + leader + " has not heard it"
	if p := cx.World.Raft.Pair(name, leader); p != nil && !p.Heard.IsZero() {
		text += " for " + widget.Short(cx.Now.Sub(p.Heard))
	}
	if p := cx.World.Raft.Pair(leader, name); p != nil && p.Waiting > 0 {
		text += fmt.Sprintf(", %s to it are not acknowledged", widget.Plural(p.Waiting, "message"))
	}
	if there, back := cx.World.Link(leader, name), cx.World.Link(name, leader); there != nil && there.Cut || back != nil && back.Cut {
		text += "; a fault cuts the link (workbench heal --all)"
	}
	if m.Role == event.RaftPreCandidate {
		return text + fmt.Sprintf(". It asks for pre-votes and gets no majority, so its term stays %d.", m.Term)
	}
	return text + "."
}

// lagging says who is far behind the leader, or gets a snapshot.
func lagging(cx *screen.Context, now standing) []string {
	lead := cx.World.Raft.Members[now.leader]
	if lead == nil {
		return nil
	}
	var out []string
	for _, name := range members(cx) {
		p, ok := lead.Progress[name]
		switch end := max(lead.Last, lead.Commit); {
		case !ok || name == now.leader:
		case p.PendingSnapshot > 0:
			out = append(out, fmt.Sprintf("%s gets a snapshot up to index %d: the leader's log no longer holds what it misses.", name, p.PendingSnapshot))
		case end > p.Match+50 && slices.Contains(now.voting, name):
			out = append(out, fmt.Sprintf("%s is %d entries behind the leader.", name, end-p.Match))
		}
	}
	return out
}

func subject(names []string) string {
	switch len(names) {
	case 0:
		return "none"
	case 1:
		return names[0] + " alone"
	default:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
}

// remedy names what would bring the quorum back.
func remedy(now standing) string {
	missing := now.quorum - len(now.voting)
	back := append(append(slices.Clone(now.down), now.frozen...), now.cut...)
	if missing == 1 && len(back) > 1 {
		return "one of " + strings.Join(back, ", ") + " is back"
	}
	if missing < len(back) {
		return fmt.Sprintf("%d of %s are back", missing, strings.Join(back, ", "))
	}
	return strings.Join(back, " and ") + " is back"
}

// lineStyle colours a line of a Raft log by the role it speaks of.
func lineStyle(cx *screen.Context, text string) themes.Style {
	st := cx.Styles
	switch {
	case strings.Contains(text, "became leader"), strings.Contains(text, "elected leader"):
		return st.Leader
	case strings.Contains(text, "pre-candidate"):
		return st.PreCandidate
	case strings.Contains(text, "candidate"):
		return st.Candidate
	case strings.Contains(text, "lost"), strings.Contains(text, "unreachable"), strings.Contains(text, "failed"):
		return st.Bad
	case strings.Contains(text, "slow"), strings.Contains(text, "took too long"):
		return st.Warn
	default:
		return st.Text
	}
}
