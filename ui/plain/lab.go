package plain

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

func lab(body event.Body, before *state.World) Entry {
	switch b := body.(type) {
	case event.LabTopology:
		return Entry{Subject: "lab " + b.Name, Tone: Busy,
			Text: fmt.Sprintf("boots Kubernetes %s, etcd %s on %d nodes", b.KubernetesVersion, b.EtcdVersion, len(b.Nodes))}
	case event.LabPhase:
		return Entry{Subject: "lab " + before.Topology.Name, Tone: phaseTone(b.Phase), Text: with(string(b.Phase), b.Detail)}
	case event.StepStarted:
		return Entry{Subject: "step " + b.ID, Tone: Busy, Text: b.Title}
	case event.StepDone:
		if b.Error != "" {
			return Entry{Subject: "step " + b.ID, Tone: Bad, Text: with("failed", b.Error)}
		}
		return Entry{Subject: "step " + b.ID, Tone: Good, Text: "done in " + round(b.Took)}
	case event.Action:
		if b.Error != "" {
			return Entry{Subject: b.Target, Tone: Bad, Text: with("you asked for "+b.Verb+", refused", b.Error)}
		}
		if b.Verb == "fault" || b.Verb == "heal" {
			return Entry{} // the fault's own events tell
		}
		return Entry{Subject: b.Target, Tone: User, Text: with("you asked for "+b.Verb, b.Equivalent)}
	case event.OperationStep:
		return Entry{Subject: b.Verb, Tone: Busy, Text: b.Text}
	case event.ImageLoaded:
		return Entry{Subject: "image " + b.Name, Tone: Good, Text: "loaded from " + b.Source + ", " + b.Digest}
	case event.ImagePull:
		if b.Error != "" {
			return Entry{Subject: "image " + cmp.Or(b.Of, b.Image), Tone: Bad, Text: with("pull for "+b.Node+" failed", b.Error)}
		}
		if b.Part == "manifest" {
			return Entry{Subject: "image " + cmp.Or(b.Of, b.Image), Tone: Busy, Text: "found in its registry for " + b.Node}
		}
	case event.ImageProgress:
		if _, known := before.Images.Pulls[b.Image]; !known {
			came := "its registry has not answered yet"
			if b.Size > 0 {
				came = fmt.Sprintf("%d of %d bytes came", b.Bytes, b.Size)
			}
			return Entry{Subject: "image " + cmp.Or(b.Of, b.Image), Tone: Busy, Text: fmt.Sprintf("its %s takes long: %s; waiting: %s", b.Part, came, strings.Join(b.Nodes, ", "))}
		}
	case event.ImageRemoved:
		return Entry{Subject: "image " + b.Name, Tone: Caution, Text: with("removed", strings.Join(b.Nodes, ", "))}
	case event.SourceState:
		_, lost := before.Lost[b.Source]
		switch {
		case b.OK && lost:
			return Entry{Subject: "source " + b.Source, Tone: Good, Text: "is back"}
		case !b.OK && !lost:
			return Entry{Subject: "source " + b.Source, Tone: Caution, Text: with("lost: what it shows is stale", b.Detail)}
		}
	}
	return Entry{}
}

func phaseTone(p event.Phase) Tone {
	switch p {
	case event.Running:
		return Good
	case event.Failed:
		return Bad
	case event.Booting, event.Stopping:
		return Busy
	default:
		return Neutral
	}
}

func node(b event.NodeState) Entry {
	tone := Neutral
	switch b.State {
	case event.NodeRunning:
		tone = Good
	case event.NodeStarting:
		tone = Busy
	case event.NodeKilled:
		tone = Bad
	case event.NodePaused, event.NodeStopped:
		tone = Caution
	}
	return Entry{Subject: b.Node, Tone: tone, Text: with("node "+string(b.State), b.Cause)}
}

func component(b event.ComponentState, before *state.World) Entry {
	out := Entry{Subject: b.Node + "/" + b.Component}
	if n := before.Nodes[b.Node]; n != nil {
		if c := n.Components[b.Component]; c != nil && c.State == b.State && c.PID == b.PID && c.Restarts == b.Restarts {
			return out
		}
	}
	switch b.State {
	case event.ComponentWaiting:
		out.Text = with("waits", b.Cause)
	case event.ComponentStarted:
		out.Tone, out.Text = Busy, fmt.Sprintf("started, pid %d", b.PID)
		if b.Restarts > 0 {
			out.Text += fmt.Sprintf(", restart %d", b.Restarts)
		}
	case event.ComponentReady:
		out.Tone, out.Text = Good, "ready"
		if b.Took > 0 {
			out.Text += " after " + round(b.Took)
		}
	case event.ComponentUnready:
		out.Tone, out.Text = Caution, with("not ready any more", b.Cause)
	case event.ComponentPaused:
		out.Tone, out.Text = Caution, with("frozen", b.Cause)
	case event.ComponentExited, event.ComponentStopped:
		out.Tone, out.Text = Bad, with(Exit(b), b.Cause)
	}
	return out
}

// Exit says in words how a component ended.
func Exit(b event.ComponentState) string {
	text := fmt.Sprintf("exited with status %d", b.ExitCode)
	if b.Signal != "" {
		text = "ended by signal: " + b.Signal
	}
	switch {
	case b.State == event.ComponentStopped:
		text += ", held down"
	case b.Backoff > 0:
		text += ", starts again in " + round(b.Backoff)
	}
	return text
}

func probe(at time.Time, b event.Probe, before *state.World) Entry {
	failing := time.Time{}
	if p := before.Probes[b.Target]; p != nil {
		failing = p.Failing
	}
	switch {
	case !b.OK && failing.IsZero():
		return Entry{Subject: "probe " + b.Target, Tone: Bad, Text: with("fails", b.Error)}
	case b.OK && !failing.IsZero():
		return Entry{Subject: "probe " + b.Target, Tone: Good, Text: "answers again after " + round(at.Sub(failing))}
	}
	return Entry{}
}

// with joins a statement and its reason, if there is one.
func with(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + strings.ReplaceAll(reason, "\n", " ")
}

// round keeps three digits or so of a duration.
func round(d time.Duration) string {
	switch {
	case d > time.Minute:
		return d.Round(time.Second).String()
	case d > time.Second:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}
