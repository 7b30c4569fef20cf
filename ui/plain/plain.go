// Package plain says in words what an event changed: one readable line per
// change, for terminals that cannot draw, screen readers, scripts and the feed
// of the app.
//
// Events that change nothing a person would care for (a heartbeat, a sample, a
// probe that answers as the one before did) have no line.
package plain

import (
	"fmt"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Tone is how good or bad a change is.
type Tone int

// The tones.
const (
	Neutral Tone = iota
	Good
	Busy
	Caution
	Bad
	User // something a user did
)

// Entry is one change in words.
type Entry struct {
	At time.Time
	// Subject is what changed: a node, a component as node/name, an object as
	// kind namespace/name.
	Subject string
	// Text is what happened to it.
	Text string
	Tone Tone
}

// Line is one line of text for an event, without line break: the time, the
// subject and what happened. It is "" for an event that changes nothing a person
// would care for. The world is the state before the event.
func Line(e event.Event, before *state.World) string {
	entry, ok := Describe(e, before)
	if !ok {
		return ""
	}
	return entry.String()
}

// String is the entry as one line, the time in the local zone.
func (e Entry) String() string {
	return fmt.Sprintf("%s  %-24s %s", e.At.Local().Format("15:04:05.000"), e.Subject, e.Text)
}

// Describe says in words what an event changes in the world before it; false
// when it changes nothing a person would care for.
func Describe(e event.Event, before *state.World) (Entry, bool) {
	var out Entry
	switch b := e.Body.(type) {
	case event.LabTopology, event.LabPhase, event.StepStarted, event.StepDone, event.Action, event.OperationStep, event.SourceState, event.ImageLoaded, event.ImageRemoved, event.ImagePull, event.ImageProgress:
		out = lab(e.Body, before)
	case event.FaultInjected, event.FaultVerified, event.FaultEnded:
		out = fault(b, before)
	case event.NodeState:
		out = node(b)
	case event.NodeInhibitors:
		out = inhibitors(b, before)
	case event.NodeShutdown:
		out = shutdown(b, before)
	case event.ComponentState:
		out = component(b, before)
	case event.RaftRole:
		out = raftRole(b, before)
	case event.RaftStatus:
		out = raftStatus(b, before)
	case event.RaftLog:
		if tells(b.Text) {
			out = Entry{Subject: b.Node + "/raft", Text: b.Text}
		}
	case event.TraceStarted:
		out = Entry{Subject: "trace", Text: "begins: " + b.Command, Tone: User}
	case event.TraceEnded:
		out = Entry{Subject: "trace", Text: fmt.Sprintf("ended, %s; the command's exit code is %d", b.Cause, b.Exit), Tone: Neutral}
	case event.Probe:
		out = probe(e.Time, b, before)
	default:
		out = kube(e.Body, before)
	}
	out.At = e.Time
	return out, out.Text != ""
}
