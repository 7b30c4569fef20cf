package state

import (
	"fmt"
	"strings"
	"time"

	"workbench/cluster/event"
)

// changes marks what an event changes, from the world before it.
func (w *World) changes(e event.Event) {
	t, m := &w.Timeline, Mark{At: e.Time, Seq: e.Seq}
	switch b := e.Body.(type) {
	case event.Action:
		m.Class, m.Key = actionClass(b), true
		t.change(LaneYou, m, func() string { return b.Verb + " " + b.Target })
	case event.FaultInjected:
		m.Class, m.Key = "injected", true
		t.change(LaneFaults, m, func() string { return b.Text })
	case event.FaultVerified:
		if b.Verdict == event.FaultMismatch {
			m.Class = "mismatch"
			t.change(LaneFaults, m, func() string { return b.ID + " has no effect" })
		}
	case event.FaultEnded:
		m.Class, m.Key = "ended", true
		t.change(LaneFaults, m, func() string { return b.ID + " " + b.Cause })
	case event.ScenarioState, event.ScenarioStep:
		w.scenarioChanges(m, b)
	case event.SchedCycle:
		if b.Outcome == event.SchedUnschedulable || b.Outcome == event.SchedError {
			m.Class = string(b.Outcome)
			t.change(LaneBinds, m, func() string { return b.Pod.Key() + " " + clip(b.Message) })
		}
	case event.KubePod:
		w.podChanges(m, b)
	case event.KubeDeleted:
		if b.Kind == "Pod" && w.Kube.Pods[b.Key()] != nil {
			m.Class = "gone"
			t.change(LanePods, m, func() string { return b.Key() + " gone" })
		}
	case event.KubeEndpointSlice:
		was, is := 0, readyEndpoints(b.Endpoints)
		if old := w.Kube.Slices[b.Key()]; old != nil {
			was = readyEndpoints(old.Endpoints)
		}
		if was != is {
			m.Class = "more"
			if is < was {
				m.Class = "fewer"
			}
			t.change(LaneEndpoints, m, func() string { return fmt.Sprintf("%s/%s %d > %d ready", b.Namespace, b.Service, was, is) })
		}
	case event.KubeNetworkPolicy:
		if w.Kube.NetworkPolicies[b.Key()] == nil {
			m.Class = "warning"
			t.change(LaneWarnings, m, func() string { return "NotEnforced NetworkPolicy/" + b.Key() })
		}
	case event.KubeEvent:
		if b.EventType == "Warning" {
			m.Class = "warning"
			t.change(LaneWarnings, m, func() string { return clip(b.Reason + " " + b.Regarding) })
		}
	}
}

// clip keeps what a mark says short.
func clip(text string) string {
	if r := []rune(text); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return text
}

func actionClass(b event.Action) string {
	_, what, _ := strings.Cut(b.Verb, ".")
	switch {
	case b.Error != "":
		return "refused"
	case what == "start" || what == "resume" || strings.HasPrefix(b.Verb, "etcd.") || strings.HasPrefix(b.Verb, "scene.") || b.Verb == "node.add":
		return "repair"
	}
	return "fault"
}

func (w *World) podChanges(m Mark, b event.KubePod) {
	t, old, key := &w.Timeline, w.Kube.Pods[b.Key()], b.Key()
	mark := func(lane, class, text string) {
		m.Class = class
		t.change(lane, m, func() string { return key + text })
	}
	if old == nil {
		old = &event.KubePod{}
		mark(LanePods, "added", " added")
	}
	if old.Node == "" && b.Node != "" {
		mark(LaneBinds, "bound", " > "+b.Node)
	}
	if old.Ready != b.Ready {
		if b.Ready {
			mark(LanePods, "ready", " ready on "+b.Node)
		} else {
			mark(LanePods, "unready", " not ready")
		}
	}
	if old.Deleting.IsZero() && !b.Deleting.IsZero() {
		mark(LanePods, "deleting", " being deleted on "+b.Node)
	}
}

func readyEndpoints(all []event.KubeEndpoint) int {
	n := 0
	for _, e := range all {
		if e.Ready {
			n++
		}
	}
	return n
}

// states marks which states hold after an event.
func (w *World) states(e event.Event) {
	m := Mark{At: e.Time, Seq: e.Seq}
	mark := func(lane, class, text string, key bool) {
		m.Class, m.Text, m.Key = class, clip(text), key
		w.Timeline.state(lane, m)
	}
	switch b := e.Body.(type) {
	case event.LabTopology:
		mark(LaneLab, string(w.Phase), "", true)
	case event.LabPhase:
		mark(LaneLab, string(b.Phase), b.Detail, true)
	case event.NodeState:
		w.nodeStates(b.Node, mark)
	case event.ComponentState:
		w.nodeStates(b.Node, mark)
	case event.RaftRole:
		w.memberState(b.Node, mark)
	case event.RaftStatus:
		w.memberState(b.Node, mark)
	case event.KubeLease:
		if b.Namespace == "kube-system" && !strings.HasPrefix(b.Name, "apiserver-") {
			mark(LaneLease+"/"+b.Name, b.Holder, "", false)
		}
	case event.KubeNode:
		lane := w.Timeline.lane(LaneReady + "/" + b.Name)
		known := len(lane.Marks) > 0
		mark(LaneReady+"/"+b.Name, b.Ready, b.Reason, known)
	case event.KubeDeleted:
		if b.Kind == "Node" {
			mark(LaneReady+"/"+b.Name, "gone", "", true)
		}
	case event.PulseSwitched:
		for name := range w.Timeline.Lanes {
			if strings.HasPrefix(name, LanePulse+"/") {
				mark(name, "", "", false)
			}
		}
	case event.Probe:
		w.pulseState(m, b)
	case event.SourceState:
		if b.OK && w.Timeline.Lanes[LaneSource+"/"+b.Source] == nil {
			break
		}
		class := "lost"
		if b.OK {
			class = "ok"
		}
		mark(LaneSource+"/"+b.Source, class, b.Detail, false)
	}
}

// nodeStates marks a node and what ends or freezes with it.
func (w *World) nodeStates(name string, mark func(lane, class, text string, key bool)) {
	n := w.Nodes[name]
	if n == nil {
		return
	}
	down := n.State == event.NodeKilled || n.State == event.NodeStopped
	mark(LaneNode+"/"+name, string(n.State), n.Cause, down || n.State == event.NodePaused)
	for _, component := range n.TopologyNode.Components {
		c := n.Components[component]
		if c == nil || c.State == event.ComponentWaiting {
			continue
		}
		ended := c.State == event.ComponentExited || c.State == event.ComponentStopped || c.State == event.ComponentPaused
		mark(LaneComponent+"/"+name+"/"+component, string(c.State), c.Cause, ended && !down)
	}
	w.memberState(name, mark)
}

func (w *World) memberState(name string, mark func(lane, class, text string, key bool)) {
	m := w.Raft.Members[name]
	switch {
	case m == nil:
	case m.Role == "":
		mark(LaneRaft+"/"+name, "", "", false)
	default:
		mark(LaneRaft+"/"+name, string(m.Role), fmt.Sprintf("term %d", m.Term), m.Role == event.RaftLeader)
	}
}

// pulseState marks outages: one begins when the first probe that failed was sent.
func (w *World) pulseState(m Mark, b event.Probe) {
	name := LanePulse + "/" + b.Target
	marks := w.Timeline.lane(name).Marks
	m.Class, m.Key = "ok", len(marks) > 0 && marks[len(marks)-1].Class == "fails"
	if !b.OK {
		m.Class, m.Key = "fails", true
		m.At = m.At.Add(-max(b.Latency, 0))
	}
	if n := len(marks); n > 0 {
		if marks[n-1].Class == m.Class {
			return
		}
		m.At = maxTime(m.At, marks[n-1].At)
	}
	switch {
	case !b.OK:
		m.Text = clip(b.Error)
	case len(marks) > 0 && marks[len(marks)-1].Class == "fails":
		m.Text = "after " + m.At.Sub(marks[len(marks)-1].At).Round(time.Millisecond).String()
	}
	w.Timeline.state(name, m)
}

// Markers are the key marks of all lanes, by lane name.
func (t *Timeline) Markers(each func(lane string, m Mark)) {
	for name, l := range t.Lanes {
		for _, m := range l.Marks {
			if m.Key {
				each(name, m)
			}
		}
	}
}
