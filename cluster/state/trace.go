package state

import (
	"slices"
	"time"

	"workbench/cluster/event"
)

// Bounds of what a world keeps of traces. An open trace keeps what it is drawn
// from, an ended one what was drawn.
const (
	MaxCommandTraces = 4
	MaxTraceSpans    = 800
	MaxTraceBars     = 400
	maxAsked         = 600 // requests whose time is kept
)

// CommandTrace is one command and what came of it.
type CommandTrace struct {
	event.TraceStarted
	At time.Time `json:"at"`
	// Ended is zero while it is open; End says how it ended.
	Ended time.Time        `json:"ended,omitzero"`
	End   event.TraceEnded `json:"end,omitzero"`
	// Spans of an open trace: its own, and those of kubelets and of containerd,
	// whose traces are others.
	Spans []TraceSpan `json:"spans,omitempty"`
	// Asked are the times of requests that changed something, by audit ID.
	Asked map[string]Asked `json:"asked,omitempty"`
	// Bars of an ended trace.
	Bars []Bar `json:"bars,omitempty"`
	// Dropped counts spans and bars that there was no room for.
	Dropped int `json:"dropped,omitempty"`
}

// TraceSpan is a span and the process that it is of.
type TraceSpan struct {
	event.TraceSpan
	Node      string `json:"node,omitempty"`
	Component string `json:"component,omitempty"`
}

// Asked is when an API server received a request, and how long it took.
type Asked struct {
	Received time.Time     `json:"received"`
	Took     time.Duration `json:"took"`
}

// Open says that the trace goes on.
func (t *CommandTrace) Open() bool { return t.Ended.IsZero() }

// Trace is the trace of that ID; nil when it is not kept.
func (w *World) Trace(id string) *CommandTrace {
	if i := slices.IndexFunc(w.Traces, func(t CommandTrace) bool { return t.ID == id }); i >= 0 {
		return &w.Traces[i]
	}
	return nil
}

// applyTrace folds what is told of traces, and what the requests meanwhile were.
func (w *World) applyTrace(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.TraceStarted:
		if w.Trace(b.ID) == nil {
			w.Traces = append(w.Traces, CommandTrace{TraceStarted: b, At: at, Asked: map[string]Asked{}})
			if n := len(w.Traces); n > MaxCommandTraces {
				w.Traces = slices.Clone(w.Traces[n-MaxCommandTraces:])
			}
		}
	case event.TraceEnded:
		if t := w.Trace(b.ID); t != nil && t.Open() {
			t.End = b
			bars, left := w.waterfall(t, at)
			t.Ended, t.Bars, t.Spans, t.Asked = at, bars, nil, nil
			t.Dropped += left
		}
	case event.TraceSpans:
		for i := range w.Traces {
			if t := &w.Traces[i]; t.Open() {
				t.take(b)
			}
		}
	case event.KubeRequests:
		for i := range w.Traces {
			if t := &w.Traces[i]; t.Open() {
				t.ask(b)
			}
		}
	}
}

// take keeps spans of the trace, and those that no request asked for: which of
// them are about its pods shows only when its changes are known.
func (t *CommandTrace) take(b event.TraceSpans) {
	t.Dropped += b.Dropped
	for _, s := range b.Spans {
		if s.Trace != t.ID && b.Component != "kubelet" && b.Component != "containerd" {
			continue // another trace's
		}
		if len(t.Spans) >= MaxTraceSpans {
			t.Dropped++
			continue
		}
		t.Spans = append(t.Spans, TraceSpan{TraceSpan: s, Node: b.Node, Component: b.Component})
	}
}

func (t *CommandTrace) ask(b event.KubeRequests) {
	for _, r := range b.Requests {
		if len(t.Asked) < maxAsked && r.Code < 400 && len(r.Objects) > 0 {
			if t.Asked == nil {
				t.Asked = map[string]Asked{}
			}
			t.Asked[r.ID] = Asked{Received: r.Received, Took: r.Latency}
		}
	}
}

// audits are the audit IDs of what the command asked for, as its client and the
// API servers tell.
func (t *CommandTrace) audits() map[string]bool {
	ids := map[string]bool{}
	for i := range t.Spans {
		if s := &t.Spans[i]; s.Trace == t.ID && s.Attrs[event.SpanAuditID] != "" {
			ids[s.Attrs[event.SpanAuditID]] = true
		}
	}
	return ids
}

// chained is a change that came of a trace, and how far down its causes it is: 0
// for what the command itself changed.
type chained struct {
	*ObjectChange
	far int
}

// chain are the changes that came of an open trace, in order, without Events: what
// its requests changed, what those changes caused, and all that became of objects
// that it made.
func (w *World) chain(t *CommandTrace) []chained {
	ids, from, made := t.audits(), map[int64]int{}, map[string]int{}
	var out []chained
	for i := range w.Changes.List {
		c := &w.Changes.List[i]
		if c.At.Before(t.At) || c.Kind == "Event" {
			continue
		}
		far, follows := from[c.Cause]
		since, own := made[c.UID]
		switch {
		case c.By != nil && ids[c.By.ID]:
			far = 0
		case c.Willed():
			continue
		case follows && c.Cause != 0:
			far++
		case own:
			far = since + 1
		default:
			continue
		}
		from[c.Revision] = far
		if c.Verb == event.ChangeCreate {
			made[c.UID] = far
		}
		out = append(out, chained{c, far})
	}
	return out
}

// Progress is how far what a trace's command set off has come.
type Progress struct {
	// Pods that came of it and are there, and how many of them are Ready or have
	// completed.
	Pods, Ready int
	// Waiting are the pods, and the Deployments, that are not.
	Waiting []string
	// Expects says that the command wrote something that makes pods.
	Expects bool
	// Last is when the last change of it was.
	Last time.Time
}

// Progress of an open trace.
func (w *World) Progress(t *CommandTrace) Progress {
	var p Progress
	pods, deployments := map[string]*ObjectChange{}, map[string]bool{}
	for _, c := range w.chain(t) {
		p.Last = c.At
		switch {
		case c.Resource == "pods":
			pods[c.UID] = c.ObjectChange
		case c.Resource == "deployments":
			deployments[c.Namespace+"/"+c.Name] = true
		}
		if c.far == 0 && c.Verb != event.ChangeDelete && slices.Contains(makers(), c.Kind) {
			p.Expects = true
		}
	}
	for uid, c := range pods {
		pod := w.Kube.Pods[c.Namespace+"/"+c.Name]
		switch {
		case c.Verb == event.ChangeDelete:
		case pod == nil || pod.UID != uid:
			p.Pods++ // just made
			p.Waiting = append(p.Waiting, "pod "+c.Namespace+"/"+c.Name)
		default:
			p.Pods++
			if pod.Deleting.IsZero() && (pod.Ready || pod.Over()) {
				p.Ready++
			} else {
				p.Waiting = append(p.Waiting, "pod "+pod.Key()+" is "+pod.Status)
			}
		}
	}
	for key := range deployments {
		if d := w.Kube.Deployments[key]; d != nil && (d.Ready < d.Replicas || d.Updated < d.Replicas) {
			p.Waiting = append(p.Waiting, "deployment "+key+" is not complete")
		}
	}
	slices.Sort(p.Waiting)
	return p
}

// makers are the kinds whose objects make pods.
func makers() []string {
	return []string{"Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"}
}
