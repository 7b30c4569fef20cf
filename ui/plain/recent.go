package plain

import (
	"fmt"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Recent says in words what a world still knows of its past, oldest first: for
// one who attaches and did not see it happen.
func Recent(w *state.World) []Entry {
	var out []Entry
	out = append(out, recentNodes(w)...)
	for name, m := range w.Raft.Members {
		for _, swim := range m.Swim {
			if swim.Role != "" {
				e := becomes(name, swim.Role, swim.Term)
				e.At = swim.At
				out = append(out, e)
			}
		}
	}
	for _, a := range w.Actions {
		if e := lab(a.Action, w); e.Text != "" {
			e.At = a.At
			out = append(out, e)
		}
	}
	for _, k := range w.Kube.Events {
		e := kube(k, w)
		if e.At = k.Last; !e.At.IsZero() {
			out = append(out, e)
		}
	}
	for target, p := range w.Probes {
		if !p.LastOutageAt.IsZero() {
			out = append(out, Entry{At: p.LastOutageAt, Subject: "probe " + target, Tone: Good, Text: "answers again after " + round(p.LastOutage)})
		}
		if !p.Failing.IsZero() {
			out = append(out, Entry{At: p.Failing, Subject: "probe " + target, Tone: Bad, Text: with("fails", p.LastError)})
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		if (a.Tone == User) != (b.Tone == User) {
			return int(b.Tone) - int(a.Tone)
		}
		return strings.Compare(a.Subject+a.Text, b.Subject+b.Text)
	})
	return out
}

func recentNodes(w *state.World) []Entry {
	var out []Entry
	add := func(e Entry, ok bool) {
		if ok && e.Text != "" {
			out = append(out, e)
		}
	}
	for name, n := range w.Nodes {
		e := node(event.NodeState{Node: name, State: n.State, Cause: n.Cause, PID: n.PID})
		e.At = n.Since
		add(e, n.State != "")
		if s := n.Shutdown; s.Phase != "" {
			e := shutdown(event.NodeShutdown{Node: name, Phase: s.Phase, Waits: s.Waits, Limit: s.Limit, Took: s.Took}, w)
			e.At = s.Announced.Add(s.Took)
			add(e, true)
		}
		for _, c := range n.Components {
			e := component(c.ComponentState, state.New())
			e.At = c.Since
			add(e, n.State == event.NodeRunning && c.State != event.ComponentWaiting)
		}
		if kn := w.Kube.Nodes[name]; kn != nil && !kn.Since.IsZero() {
			e := Entry{At: kn.Since, Subject: "node " + name, Tone: Good, Text: with(fmt.Sprintf("Ready %s", kn.Ready), kn.Reason)}
			if kn.Ready != "True" {
				e.Tone = Bad
			}
			add(e, true)
		}
	}
	return out
}
