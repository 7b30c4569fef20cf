package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Bar is one line of a waterfall: something that went on, as its source saw it.
type Bar struct {
	Start time.Time `json:"start"`
	// Took is 0 for what has an instant and no length.
	Took time.Duration `json:"took,omitempty"`
	// Depth is what it is a part of: the line above with one less.
	Depth int `json:"depth,omitempty"`
	// Who did it: apiserver c1, kubelet w2, scheduler.
	Who  string `json:"who"`
	Text string `json:"text"`
	// Source is who saw it.
	Source BarSource `json:"source"`
	// Inferred says that what ties it to the command is time alone.
	Inferred bool   `json:"inferred,omitempty"`
	Error    string `json:"error,omitempty"`
}

// BarSource is who saw what a bar shows.
type BarSource string

// The sources of bars.
const (
	BarClient     BarSource = "client"     // the client that runs the trace
	BarOTLP       BarSource = "otlp"       // a span of the component itself
	BarAudit      BarSource = "audit"      // the API server's audit stream
	BarEtcd       BarSource = "etcd"       // the change, as etcd stored it
	BarScheduler  BarSource = "scheduler"  // the tap in the scheduler
	BarContainerd BarSource = "containerd" // containerd's events
)

// End of the bar.
func (b Bar) End() time.Time { return b.Start.Add(b.Took) }

// Waterfall are the bars of a trace, each below what it is a part of.
func (w *World) Waterfall(t *CommandTrace) []Bar {
	if !t.Open() {
		return t.Bars
	}
	bars, _ := w.waterfall(t, w.Now)
	return bars
}

// waterfall are the bars of an open trace, and how many more there would be.
func (w *World) waterfall(t *CommandTrace, now time.Time) (bars []Bar, left int) {
	ran := t.End.Ran
	if ran == 0 {
		ran = now.Sub(t.At)
	}
	bars = []Bar{{Start: t.At, Took: ran, Who: "command", Text: t.Command, Source: BarClient}}
	tree := newSpanTree(t.Spans)
	chain := w.chain(t)
	bars = append(bars, requests(t, tree, chain)...)
	var groups [][]Bar
	pods := map[string][]chained{}
	var order []string
	for _, c := range chain {
		if c.Resource == "pods" {
			if pods[c.UID] == nil {
				order = append(order, c.UID)
			}
			pods[c.UID] = append(pods[c.UID], c)
		} else if c.far > 0 {
			groups = append(groups, []Bar{t.changed(c, min(c.far, 3))})
		}
	}
	for _, uid := range order {
		groups = append(groups, w.podBars(t, tree, pods[uid]))
	}
	slices.SortStableFunc(groups, func(a, b []Bar) int { return a[0].Start.Compare(b[0].Start) })
	for _, g := range groups {
		bars = append(bars, g...)
	}
	return shorten(bars)
}

// requests are those of the command, with the spans that they had, and what they
// changed.
func requests(t *CommandTrace, tree spanTree, chain []chained) []Bar {
	var out []Bar
	for _, s := range tree.roots(func(s *TraceSpan) bool { return s.Trace == t.ID }) {
		out = append(out, tree.bars(s, 1)...)
		for _, c := range chain {
			if c.far == 0 && c.By.ID == s.Attrs[event.SpanAuditID] {
				out = append(out, Bar{Start: c.At, Depth: 2, Who: c.who(), Text: c.Words(), Source: BarEtcd})
			}
		}
	}
	return out
}

// who made a change.
func (c *ObjectChange) who() string {
	a := c.Actor()
	switch a.Lane {
	case "kubelet":
		return strings.TrimSpace("kubelet " + a.Name)
	case "":
		return "?"
	}
	return a.Lane
}

// changed is the bar of a change: the request that made it where the audit stream
// told, else the instant at which etcd had it.
func (t *CommandTrace) changed(c chained, depth int) Bar {
	b := Bar{Start: c.At, Depth: depth, Who: c.who(), Text: c.Words(), Source: BarEtcd, Inferred: c.Link == LinkTime}
	if c.By != nil {
		if a, known := t.Asked[c.By.ID]; known {
			b.Start, b.Took, b.Source = a.Received, a.Took, BarAudit
		}
	}
	return b
}

// podBars are a pod and all that was seen of its way: changes, scheduling, the
// kubelet's and containerd's work.
func (w *World) podBars(t *CommandTrace, tree spanTree, changes []chained) []Bar {
	first := changes[0]
	head := Bar{Start: first.At, Depth: min(first.far, 2), Who: "pod", Text: first.Namespace + "/" + first.Name, Source: BarEtcd, Inferred: first.Link == LinkTime}
	depth := head.Depth + 1
	var parts [][]Bar
	for _, c := range changes {
		parts = append(parts, []Bar{t.changed(c, depth)})
		if head.Took == 0 && c.becameReady() {
			head.Took = c.At.Sub(head.Start)
			head.Text += " until Ready"
		}
	}
	for _, c := range w.Sched.Cycles {
		if c.Pod.UID == first.UID && !c.At.Before(t.At) {
			parts = append(parts, c.bars(depth))
		}
	}
	for _, s := range tree.roots(func(s *TraceSpan) bool { return s.Trace != t.ID && s.Attrs[event.SpanPodUID] == first.UID }) {
		parts = append(parts, tree.bars(s, depth))
	}
	for _, name := range w.order() {
		for _, e := range w.Nodes[name].Containers {
			if e.Namespace == first.Namespace && e.Pod == first.Name && !e.At.Before(t.At) {
				text := "sandbox"
				if e.Container != "" {
					text = "container " + e.Container
				}
				parts = append(parts, []Bar{{Start: e.At, Depth: depth, Who: "containerd " + name, Text: text + " " + string(e.What), Source: BarContainerd}})
			}
		}
	}
	slices.SortStableFunc(parts, func(a, b []Bar) int { return a[0].Start.Compare(b[0].Start) })
	if begin := parts[0][0].Start; begin.Before(head.Start) {
		if head.Took > 0 { // an instant stays one
			head.Took += head.Start.Sub(begin)
		}
		head.Start = begin
	}
	out := []Bar{head}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// order is the nodes by name.
func (w *World) order() []string {
	var names []string
	for _, n := range w.Topology.Nodes {
		if w.Nodes[n.Name] != nil {
			names = append(names, n.Name)
		}
	}
	return names
}

// bars of an attempt to schedule a pod.
func (c *Cycle) bars(depth int) []Bar {
	who := "scheduler " + c.Instance
	out := []Bar{
		{Start: c.Start.Add(-c.Queued), Took: c.Queued, Depth: depth, Who: who, Text: "queued", Source: BarScheduler},
		{Start: c.Start, Took: c.Took, Depth: depth, Who: who, Text: fmt.Sprintf("attempt %d: %s %s", c.Attempt, c.Outcome, c.Node), Source: BarScheduler},
	}
	if !c.BindAt.IsZero() {
		b := Bar{Start: c.BindAt.Add(-c.Bind.Took), Took: c.Bind.Took, Depth: depth, Who: who, Text: "bind to " + c.Bind.Node, Source: BarScheduler}
		if c.Bind.Outcome != event.SchedBound {
			b.Error = cmp.Or(c.Bind.Message, string(c.Bind.Outcome))
		}
		out = append(out, b)
	}
	return out
}

// becameReady says whether a change made a pod Ready.
func (c *ObjectChange) becameReady() bool {
	return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool {
		return f.Path == "status.conditions[Ready].status" && f.New == "True"
	})
}

// shorten leaves out the shortest spans that are parts of others where there are
// too many bars.
func shorten(bars []Bar) (kept []Bar, left int) {
	left = len(bars) - MaxTraceBars
	if left <= 0 {
		return bars, 0
	}
	var took []time.Duration
	for _, b := range bars {
		if b.Source == BarOTLP && b.Depth > 1 {
			took = append(took, b.Took)
		}
	}
	slices.Sort(took)
	drop := map[time.Duration]int{}
	for _, d := range took[:min(left, len(took))] {
		drop[d]++
	}
	for _, b := range bars {
		if b.Source == BarOTLP && b.Depth > 1 && drop[b.Took] > 0 {
			drop[b.Took]--
			continue
		}
		kept = append(kept, b)
	}
	return kept[:min(len(kept), MaxTraceBars)], left
}

// Words say in short what a change did to which object: rs/web-1 created.
func (c *ObjectChange) Words() string {
	name := strings.ToLower(cmp.Or(c.Kind, strings.TrimSuffix(c.Resource, "s"))) + "/" + c.Name
	switch {
	case c.Verb == event.ChangeCreate:
		return name + " created"
	case c.Verb == event.ChangeDelete:
		return name + " deleted"
	case len(c.Fields) == 0:
		return name + " changed"
	}
	best := slices.MinFunc(c.Fields, func(a, b event.FieldChange) int { return cmp.Compare(dull(a.Path), dull(b.Path)) })
	text := name + " " + strings.TrimSuffix(best.Path, ".status")
	for _, cut := range []string{" status.", " spec.", " metadata."} {
		text = strings.Replace(text, cut, " ", 1)
	}
	if v := best.New; v != "" && len(v) <= 24 {
		text += " " + v
	}
	return text
}

// dull orders the fields of a change by how much they tell: the most first.
func dull(path string) int {
	for i, p := range []string{"metadata.deletionTimestamp", "spec.nodeName", "status.conditions[Ready].status", "spec.replicas", "status.phase", "status.readyReplicas", "status.replicas"} {
		if path == p {
			return i
		}
	}
	switch {
	case strings.HasSuffix(path, "Time"), strings.HasSuffix(path, "observedGeneration"), strings.HasSuffix(path, ".reason"), strings.HasSuffix(path, ".message"):
		return 30
	case strings.HasPrefix(path, "spec."):
		return 10
	case strings.HasPrefix(path, "metadata."):
		return 20
	}
	return 15
}
