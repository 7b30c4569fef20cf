package raft

import (
	"fmt"
	"slices"
	"strings"

	"workbench/cluster/event"
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
	voting  []string // run and answer
	frozen  []string // run and do not answer
	down    []string
	leader  string
	quorum  int
	members int
}

func standingOf(cx *screen.Context) standing {
	var out standing
	for _, name := range members(cx) {
		out.members++
		m, n := cx.World.Raft.Members[name], cx.World.Nodes[name]
		c := n.Components["etcd"]
		switch {
		case n.State == event.NodePaused || (c != nil && c.State == event.ComponentPaused):
			out.frozen = append(out.frozen, name)
		case m.Role == "":
			out.down = append(out.down, name)
		default:
			out.voting = append(out.voting, name)
		}
	}
	out.quorum = out.members/2 + 1
	if leader := cx.World.Raft.Leader(); slices.Contains(out.voting, leader) {
		out.leader = leader
	}
	return out
}

// explain says in words what holds: who leads, who can commit, who cannot and why.
func explain(cx *screen.Context, w int) []sentence {
	st, now := cx.Styles, standingOf(cx)
	var text []string
	style := st.Text
	can, lost := len(now.voting), len(now.voting)-now.quorum
	switch {
	case can < now.quorum:
		style = st.Bad
		text = append(text, fmt.Sprintf("Quorum is lost: %s of %d can vote, %d are needed. No write commits and no leader can be elected until %s.",
			subject(now.voting), now.members, now.quorum, remedy(now)))
	case now.leader == "":
		style = st.Warn
		text = append(text, fmt.Sprintf("There is no leader. %s are %d of %d, a majority: when an election timeout passes one of them asks for pre-votes, raises the term and is elected. Until then no write commits.",
			subject(now.voting), can, now.members))
	case lost == 0 && now.members > 1:
		style = st.Warn
		text = append(text, fmt.Sprintf("%s leads and %s make the quorum of %d, so writes commit. Losing one more member would stop every write.",
			now.leader, subject(now.voting), now.quorum))
	case now.members == 1:
		text = append(text, fmt.Sprintf("%s is the only member: it is its own quorum, and losing it stops every write.", now.leader))
	default:
		text = append(text, fmt.Sprintf("%s leads term %d. %d of %d members vote and %d make a quorum, so writes commit; %s may fail before they stop.",
			now.leader, cx.World.Raft.Members[now.leader].Term, can, now.members, now.quorum, widget.Plural(lost, "member")))
	}
	text = append(text, absent(cx, now)...)
	var out []sentence
	for i, t := range text {
		for _, line := range widget.Wrap(t, max(w, 20)) {
			if i > 0 {
				out = append(out, sentence{line, st.Muted})
			} else {
				out = append(out, sentence{line, style})
			}
		}
	}
	return out
}

// absent says of every member that does not take part why.
func absent(cx *screen.Context, now standing) []string {
	var out []string
	for _, name := range now.frozen {
		out = append(out, fmt.Sprintf("%s is frozen: it still believes in term %d, hears nothing and cannot vote; resume it with P.", name, cx.World.Raft.Members[name].Term))
	}
	for _, name := range now.down {
		m, n := cx.World.Raft.Members[name], cx.World.Nodes[name]
		if len(m.Swim) == 0 {
			continue
		}
		since := widget.Short(cx.Now.Sub(m.Swim[len(m.Swim)-1].At))
		what := "its etcd process ended"
		if n.State == event.NodeKilled || n.State == event.NodeStopped {
			what = "its node was " + string(n.State)
		}
		out = append(out, fmt.Sprintf("%s is out: %s %s ago. When it is back it gets the entries it missed from the leader.", name, what, since))
	}
	lead := cx.World.Raft.Members[now.leader]
	if lead == nil {
		return out
	}
	for _, name := range now.voting {
		p, ok := lead.Progress[name]
		if end := max(lead.Last, lead.Commit); ok && name != now.leader && end > p.Match+50 {
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
	back := append(slices.Clone(now.down), now.frozen...)
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
