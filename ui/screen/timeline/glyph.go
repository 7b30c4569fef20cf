package timeline

import (
	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
)

// look is how a state or change is drawn: where it begins, and while it holds. In
// a column that several share, the higher rank wins.
type look struct {
	begin, hold string
	style       themes.Style
	rank        int
}

// mark is the look of a moment on its own.
func (l look) mark() string {
	if l.begin == "─" || l.begin == " " {
		return "●"
	}
	return l.begin
}

// lookOf is the look of a class in lanes of a kind.
func lookOf(st *themes.Styles, kind, class string) look {
	switch kind {
	case state.LaneNode, state.LaneComponent:
		return lifeLook(st, class)
	case state.LaneRaft:
		return raftLook(st, event.RaftRoleName(class))
	case state.LaneReady, state.LanePulse, state.LaneSource, state.LaneLease, state.LaneLab:
		return stateLook(st, kind, class)
	}
	if kind == state.LaneElections {
		return electionLook(st, class)
	}
	return changeLook(st, class)
}

// counts says whether lanes of a kind tell how many, by height: each step is
// twice as many as the one before.
func counts(kind string) bool {
	return kind == state.LaneChanges || kind == state.LaneMessages || kind == state.LaneProxy
}

// electionLook is of what members do to elect one.
func electionLook(st *themes.Styles, class string) look {
	l := raftLook(st, event.RaftRoleName(class))
	switch l.hold = ""; class {
	case "votes":
		return look{"v", "", st.Info, 2}
	case string(event.RaftLeader):
		l.rank = 7 // what it all came to
	}
	return l
}

// holds says whether lanes of a kind are of states, not of changes.
func holds(kind string) bool {
	switch kind {
	case state.LaneNode, state.LaneComponent, state.LaneRaft, state.LaneReady, state.LanePulse, state.LaneSource, state.LaneLease, state.LaneLab:
		return true
	}
	return false
}

// lifeLook is of nodes and components.
func lifeLook(st *themes.Styles, class string) look {
	switch class {
	case "running", "ready":
		return look{"─", "─", st.OK, 1}
	case "starting", "started":
		return look{"╌", "╌", st.Busy, 2}
	case "unready":
		return look{"▒", "▒", st.Warn, 4}
	case "paused":
		return look{"‖", "‖", st.Paused, 5}
	case "killed", "exited":
		return look{"✗", "·", st.Bad, 6}
	case "stopped":
		return look{"○", "·", st.Bad, 6}
	}
	return look{" ", " ", st.Faint, 0}
}

func raftLook(st *themes.Styles, role event.RaftRoleName) look {
	switch role {
	case event.RaftLeader:
		return look{"★", "━", st.Leader, 4}
	case event.RaftCandidate:
		return look{"◆", "◆", st.Candidate, 6}
	case event.RaftPreCandidate:
		return look{"◇", "◇", st.PreCandidate, 5}
	case event.RaftLearner:
		return look{"╌", "╌", st.Learner, 2}
	case event.RaftFollower:
		return look{"─", "─", st.Follower, 2}
	}
	return look{"×", " ", st.Bad, 3}
}

func stateLook(st *themes.Styles, kind, class string) look {
	switch {
	case class == "fails":
		return look{"x", "x", st.Bad, 6}
	case class == "lost":
		return look{"░", "░", st.Warn, 4}
	case class == "Unknown":
		return look{"✗", "·", st.Bad, 6}
	case class == "False":
		return look{"◐", "╌", st.Warn, 4}
	case class == "gone" || class == "":
		return look{"×", " ", st.Off, 3}
	case class == string(event.Failed):
		return look{"✗", "·", st.Bad, 6}
	case class == string(event.Booting) || class == string(event.Stopping):
		return look{"╌", "╌", st.Busy, 2}
	case kind == state.LaneLease:
		return look{"├", "─", st.Info, 3}
	case kind == state.LaneSource:
		return look{" ", " ", st.Faint, 0}
	}
	return look{"─", "─", st.OK, 1}
}

// changeLook is of changes: they have a moment, not a duration.
func changeLook(st *themes.Styles, class string) look {
	switch class {
	case "fault", "injected":
		return look{"▼", "", st.Bad, 6}
	case "repair", "ended":
		return look{"▲", "", st.OK, 5}
	case "running":
		return look{"»", "", st.Info, 4}
	case "step":
		return look{"▸", "", st.Info, 2}
	case "passed":
		return look{"✓", "", st.OK, 5}
	case "failed", "aborted":
		return look{"✗", "", st.Bad, 6}
	case "refused", "mismatch", "unschedulable", "error":
		return look{"▿", "", st.Warn, 4}
	case "bound":
		return look{"»", "", st.Info, 2}
	case "added", "created":
		return look{"+", "", st.Busy, 2}
	case "changed":
		return look{"·", "", st.Text, 1}
	case "rules":
		return look{"≠", "", st.Accent, 3}
	case "synced":
		return look{"·", "", st.Muted, 1}
	case "entries":
		return look{"·", "", st.OK, 2}
	case "heartbeats":
		return look{"·", "", st.Muted, 1}
	case "votes":
		return look{"v", "", st.Candidate, 5}
	case "snapshot":
		return look{"S", "", st.Busy, 4}
	case "lost", "gap":
		return look{"x", "", st.Bad, 6}
	case "ready", "more":
		return look{"●", "", st.OK, 3}
	case "unready", "fewer":
		return look{"◒", "", st.Warn, 4}
	case "deleting":
		return look{"◌", "", st.Paused, 4}
	case "gone", "deleted":
		return look{"-", "", st.Off, 3}
	case "warning":
		return look{"!", "", st.Warn, 4}
	}
	return look{"*", "", st.Text, 2}
}
