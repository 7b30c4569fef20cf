package widget

import (
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
)

// Lamp is how a state is shown: by shape, colour and word.
type Lamp struct {
	Glyph string
	Style themes.Style
	Word  string
}

// ComponentLamp shows the state of a component.
func ComponentLamp(st *themes.Styles, c *state.Component) Lamp {
	switch c.State {
	case event.ComponentReady:
		return Lamp{"●", st.OK, "ready"}
	case event.ComponentStarted:
		return Lamp{"◐", st.Busy, "starting"}
	case event.ComponentUnready:
		return Lamp{"◒", st.Warn, "unready"}
	case event.ComponentPaused:
		return Lamp{"‖", st.Paused, "paused"}
	case event.ComponentExited:
		if c.Backoff > 0 {
			return Lamp{"↻", st.Bad, "restarting"}
		}
		return Lamp{"✗", st.Bad, "exited"}
	case event.ComponentStopped:
		return Lamp{"✗", st.Bad, "held down"}
	default:
		return Lamp{"○", st.Off, "waiting"}
	}
}

// NodeLamp shows the state of a node as the kernel sees it.
func NodeLamp(st *themes.Styles, n *state.Node) Lamp {
	switch n.State {
	case event.NodeRunning:
		return Lamp{"●", st.OK, "running"}
	case event.NodeStarting:
		return Lamp{"◐", st.Busy, "starting"}
	case event.NodePaused:
		return Lamp{"‖", st.Paused, "paused"}
	case event.NodeStopped:
		return Lamp{"○", st.Off, "stopped"}
	case event.NodeKilled:
		return Lamp{"✗", st.Bad, "killed"}
	default:
		return Lamp{"○", st.Off, "waiting"}
	}
}

// PodLamp shows the state of a pod; its word is what kubectl prints as STATUS.
func PodLamp(st *themes.Styles, p *event.KubePod) Lamp {
	lamp := Lamp{Word: p.Status}
	if lamp.Word == "" {
		lamp.Word = p.Phase
	}
	switch {
	case !p.Deleting.IsZero() || p.Status == "Terminating":
		lamp.Glyph, lamp.Style = "◌", st.Paused
	case p.Status == "Unknown":
		lamp.Glyph, lamp.Style = "◌", st.Warn
	case p.Phase == "Failed" || strings.Contains(p.Status, "BackOff") || strings.Contains(p.Status, "Err"):
		lamp.Glyph, lamp.Style = "✗", st.Bad
	case p.Phase == "Succeeded":
		lamp.Glyph, lamp.Style = "✓", st.Off
	case p.Ready:
		lamp.Glyph, lamp.Style = "●", st.OK
	case p.Phase == "Running":
		lamp.Glyph, lamp.Style = "◒", st.Warn
	default:
		lamp.Glyph, lamp.Style = "◐", st.Busy
	}
	return lamp
}

// ReadyLamp shows the Ready condition of a Kubernetes node; nil for a node
// object not seen yet.
func ReadyLamp(st *themes.Styles, n *state.KubeNode) Lamp {
	switch {
	case n == nil:
		return Lamp{"○", st.Off, "no Node yet"}
	case n.Ready == "True" && n.Unschedulable:
		return Lamp{"◒", st.Warn, "Ready,SchedulingDisabled"}
	case n.Ready == "True":
		return Lamp{"●", st.OK, "Ready"}
	case n.Ready == "Unknown":
		return Lamp{"✗", st.Bad, "NotReady"}
	default:
		return Lamp{"◐", st.Warn, "NotReady"}
	}
}

// RaftLamp shows the Raft role of an etcd member; "" for one whose process is down.
func RaftLamp(st *themes.Styles, role event.RaftRoleName) Lamp {
	switch role {
	case event.RaftLeader:
		return Lamp{"★", st.Leader, "LEADER"}
	case event.RaftCandidate:
		return Lamp{"◆", st.Candidate, "CANDIDATE"}
	case event.RaftPreCandidate:
		return Lamp{"◇", st.PreCandidate, "PRE-CANDIDATE"}
	case event.RaftLearner:
		return Lamp{"◎", st.Learner, "learner"}
	case event.RaftFollower:
		return Lamp{"○", st.Follower, "follower"}
	default:
		return Lamp{"✗", st.Bad, "down"}
	}
}
