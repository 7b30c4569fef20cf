package recovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// see takes an event into an open report. lab is as it is after the event.
func (r *Report) see(e event.Event, lab *Lab) {
	if e.Time.Before(r.Injected) {
		return // a source that reports late
	}
	r.At = e.Time
	switch b := e.Body.(type) {
	case event.FaultVerified:
		r.verified(e, b)
	case event.FaultEnded:
		if b.ID == r.ID {
			r.ended(e, b, lab)
		}
	case event.NodeState:
		r.nodeState(e, b, lab)
	case event.NodeShutdown:
		if r.Kind == stop && b.Phase == event.ShutdownAnnounced && slices.Contains(r.Work.Nodes, b.Node) {
			r.land(e, b.Node, names(r.Work.Nodes)+" told to shut down", len(r.Work.Nodes), Evidence{Object: "node " + b.Node, Detail: "shutdown announced"})
		}
	case event.ComponentState:
		r.component(e, b, lab)
	case event.LinkState:
		r.links(e, b, lab)
	case event.RaftRole:
		r.role(e, b)
	case event.RaftStatus:
		r.status(e, b)
	case event.KubeLease:
		r.lease(e, b)
	case event.KubeNode:
		r.node(e, b, lab)
	case event.KubePod:
		r.pod(e, b)
	case event.KubeDeleted:
		if b.Kind == "Pod" {
			r.removed(e, func(p Pod) bool { return p.Key == b.Key() && (b.UID == "" || b.UID == p.UID) })
		}
		r.deleted(e, b.Kind, b.Key())
		r.services(e, lab)
	case event.KubeSynced:
		if b.Kind == "Pod" {
			r.removed(e, func(p Pod) bool { _, ok := slices.BinarySearch(b.Keys, p.Key); return !ok })
		}
		r.services(e, lab)
	case event.KubeEndpointSlice, event.ProxyService, event.ProxyNode:
		r.services(e, lab)
	case event.Probe:
		r.probe(e, b)
	}
	if !r.Closed {
		r.settle(e.Time, lab)
	}
}

// ended takes the end of the fault; when it could not be made there is nothing
// to follow.
func (r *Report) ended(e event.Event, b event.FaultEnded, lab *Lab) {
	r.Cause = b.Cause
	if b.Cause == "failed" {
		r.close("the fault could not be made")
		return
	}
	if h := r.Hop(Landed); b.Cause == "done" && h.Pending() {
		h.Moot = "it was not seen"
	}
	r.undone(e, lab, Evidence{Object: "fault " + r.ID, Detail: b.Cause})
}

// land notes that a part of the fault was seen to have its effect.
func (r *Report) land(e event.Event, key, what string, of int, ev Evidence) {
	h := r.hop(Landed, "")
	if !h.At.IsZero() {
		return
	}
	h.Of = of
	r.mark(sight{hop: Landed, what: what, key: key, e: e, evidence: ev, certain: true})
	if h = r.Hop(Landed); !h.At.IsZero() {
		r.Landed = h.At
	}
}

func (r *Report) verified(e event.Event, b event.FaultVerified) {
	if b.ID != r.ID {
		return
	}
	r.Verdict, r.Evidence = b.Verdict, b.Evidence
	if b.Verdict == event.FaultLanded {
		r.land(e, "", r.Text, 0, Evidence{Object: "fault " + r.ID, Detail: "verified"})
	}
}

func (r *Report) nodeState(e event.Event, b event.NodeState, lab *Lab) {
	if b.State != event.NodeRunning {
		r.unasked(b.Node)
	}
	if !slices.Contains(r.Work.Nodes, b.Node) || !ends(r.Kind) {
		return
	}
	down := b.State == event.NodeKilled || b.State == event.NodeStopped || b.State == event.NodePaused
	ev := Evidence{Object: "node " + b.Node, Detail: b.Cause}
	switch {
	case down:
		r.land(e, b.Node, names(r.Work.Nodes)+" "+string(b.State), len(r.Work.Nodes), ev)
	case !r.Landed.IsZero():
		r.undone(e, lab, ev)
		if b.State == event.NodeRunning {
			r.mark(sight{hop: Running, key: b.Node, e: e, evidence: ev, certain: true})
		}
	}
}

func (r *Report) component(e event.Event, b event.ComponentState, lab *Lab) {
	key := b.Node + "/" + b.Component
	ev := Evidence{Object: "component " + key, Detail: b.Cause}
	down := b.State == event.ComponentExited || b.State == event.ComponentStopped || b.State == event.ComponentPaused
	own := slices.Contains(r.Work.Components, key) && ends(r.Kind)
	switch {
	case own && down:
		r.land(e, key, names(r.Work.Components)+" "+string(b.State), len(r.Work.Components), ev)
	case own && r.Kind != crashLoop && !r.Landed.IsZero():
		r.undone(e, lab, ev)
	}
	if b.State == event.ComponentReady && slices.Contains(r.Work.Up, key) {
		r.mark(sight{hop: Components, key: key, e: e, evidence: ev, certain: true})
	}
	if worse := down || b.State == event.ComponentUnready; worse && !own && !slices.Contains(r.Work.Dead, b.Node) && r.on() {
		r.symptom(e, key+" "+string(b.State), ev)
	}
}

// symptom is the first thing that anybody noticed. A probe that fails tells so
// when it gives up, and may be the first all the same.
func (r *Report) symptom(e event.Event, what string, ev Evidence) {
	h := r.Hop(Symptom)
	if h != nil && later(e.Time, r.Start()).Before(h.At) {
		h.At, h.Seen = time.Time{}, 0
		delete(r.Work.Seen, Symptom)
	}
	if h == nil || h.At.IsZero() {
		r.mark(sight{hop: Symptom, what: "first symptom: " + what, e: e, evidence: ev, certain: true})
	}
}

// on says that the fault has landed and is not being undone.
func (r *Report) on() bool { return !r.Landed.IsZero() && r.Undone.IsZero() }

func (r *Report) links(e event.Event, b event.LinkState, lab *Lab) {
	for _, l := range b.Links {
		if !slices.Contains(r.Work.Links, l.FaultLink) {
			continue
		}
		ev := Evidence{Object: "link " + l.From + ">" + l.To}
		if healed := l.Whole() || !l.Cut && (r.Kind == cut || r.Kind == partition); !healed {
			r.land(e, "", r.Text, 0, ev)
		} else if r.on() {
			r.undone(e, lab, ev)
		}
		return
	}
}

func (r *Report) role(e event.Event, b event.RaftRole) {
	if !r.on() && r.Work.Leader != "" && !r.awaits(Leader) {
		return
	}
	ev := Evidence{Object: "etcd " + b.Node, Detail: fmt.Sprintf("term %d", b.Term)}
	mine := slices.Contains(r.Work.Members, b.Node)
	s := sight{key: b.Node, e: e, evidence: ev, certain: r.Work.Lost || mine}
	switch {
	case b.Role == event.RaftPreCandidate:
		s.hop, s.what = Silence, b.Node+" misses its leader (pre-vote)"
	case b.Role == event.RaftCandidate && b.Term > r.Work.Term:
		s.hop, s.what = Election, fmt.Sprintf("%s asks for votes in term %d", b.Node, b.Term)
	case b.Role == event.RaftLeader && b.Term > r.Work.Term:
		s.hop, s.what = Leader, fmt.Sprintf("%s is the new Raft leader, term %d", b.Node, b.Term)
	default:
		return
	}
	r.mark(s)
}

func (r *Report) awaits(name string) bool {
	h := r.Hop(name)
	return h != nil && h.Pending()
}

func (r *Report) status(e event.Event, b event.RaftStatus) {
	if b.Role == event.RaftLeader && b.Term > r.Work.Term && r.awaits(Leader) {
		r.role(e, event.RaftRole{Node: b.Node, Role: b.Role, Term: b.Term})
	}
	if !r.Undone.IsZero() && slices.Contains(r.Work.Members, b.Node) && b.Lead != "" && b.Applied >= r.Work.Commit {
		r.mark(sight{hop: CaughtUp, key: b.Node, e: e, certain: true, evidence: Evidence{Object: "etcd " + b.Node, Detail: fmt.Sprintf("applied %d", b.Applied)}})
	}
}

func (r *Report) lease(e event.Event, b event.KubeLease) {
	if b.Namespace != "kube-system" {
		return
	}
	i := slices.IndexFunc(r.Work.Held, func(h Held) bool { return h.Name == b.Name })
	if i < 0 {
		return
	}
	h := &r.Work.Held[i]
	switch {
	case b.Holder == h.Holder:
		h.Expires = expiry(&b) // it was renewed once more
	case b.Holder != "":
		// The others wait that long by their own clocks; no event shows it.
		if name := Expired + "/" + b.Name; r.Hop(name) == nil && !h.Expires.After(e.Time) {
			r.mark(sight{hop: name, what: "the lease " + b.Name + " of " + h.Node + " runs out", e: event.Event{Time: h.Expires, Seq: e.Seq}, evidence: Evidence{Object: "Lease kube-system/" + b.Name, Detail: "renewTime + leaseDurationSeconds"}})
		}
		r.mark(sight{
			hop: Taken + "/" + b.Name, what: b.Name + " on " + holderNode(b.Holder) + " leads", e: e, certain: true,
			evidence: Evidence{Object: "Lease kube-system/" + b.Name, Revision: b.ResourceVersion, Detail: "holder " + b.Holder},
		})
	}
}

const (
	unreachable = "node.kubernetes.io/unreachable"
	notReady    = "node.kubernetes.io/not-ready"
)

func tainted(b *event.KubeNode) bool {
	return slices.ContainsFunc(b.Taints, func(t event.Taint) bool {
		return (t.Key == unreachable || t.Key == notReady) && t.Effect == "NoExecute"
	})
}

func (r *Report) node(e event.Event, b event.KubeNode, lab *Lab) {
	mine := slices.Contains(r.Work.Silent, b.Name)
	ev := Evidence{Object: "Node " + b.Name, Revision: b.ResourceVersion, Detail: strings.TrimSpace("Ready=" + b.Ready + " " + b.Reason)}
	saw := func(hop string) bool { return slices.Contains(r.Work.Seen[hop], b.Name) }
	if (r.Kind == cordon || r.Kind == drain) && slices.Contains(r.Work.Nodes, b.Name) && b.Unschedulable {
		r.land(e, b.Name, names(r.Work.Nodes)+" cordoned", len(r.Work.Nodes), ev)
	}
	if r.Kind == diskFull && slices.Contains(r.Work.Nodes, b.Name) {
		r.pressure(e, b, ev)
	}
	bad := b.Ready != "True"
	if r.on() && (mine || slices.Contains(linkEnds(r.Work.Links), b.Name)) {
		if bad {
			if l := lab.Lease("kube-node-lease/" + b.Name); l != nil {
				ev.Detail += fmt.Sprintf(", last heartbeat %v before", e.Time.Sub(l.Renewed).Round(10*time.Millisecond))
			}
			r.mark(sight{hop: NotReady, what: r.whose(NotReady, b.Name) + " NotReady", key: b.Name, e: e, evidence: ev, certain: mine})
		}
		if tainted(&b) {
			r.mark(sight{hop: Tainted, what: r.whose(Tainted, b.Name) + " tainted NoExecute", key: b.Name, e: e, evidence: ev, certain: mine})
		}
		return
	}
	if r.Undone.IsZero() {
		return
	}
	if !bad && saw(NotReady) {
		r.mark(sight{hop: NodeReady, key: b.Name, e: e, evidence: ev, certain: true})
	}
	if !bad && !tainted(&b) && saw(Tainted) {
		r.mark(sight{hop: Untainted, key: b.Name, e: e, evidence: ev, certain: true})
	}
}

const diskPressure = "node.kubernetes.io/disk-pressure"

// pressure sees what a kubelet tells of its full disk.
func (r *Report) pressure(e event.Event, b event.KubeNode, ev Evidence) {
	pressed := slices.ContainsFunc(b.Taints, func(t event.Taint) bool { return t.Key == diskPressure })
	switch {
	case pressed && r.Undone.IsZero():
		r.mark(sight{hop: Tainted, key: b.Name, e: e, evidence: ev, certain: true})
	case !pressed && !r.Undone.IsZero() && slices.Contains(r.Work.Seen[Tainted], b.Name):
		r.mark(sight{hop: Untainted, key: b.Name, e: e, evidence: ev, certain: true})
	}
}

// whose are the nodes of a hop.
func (r *Report) whose(hop, name string) string {
	if h := r.Hop(hop); h != nil && h.Of > 1 {
		return names(append(slices.Clone(r.Work.Seen[hop]), name))
	}
	return name
}

func linkEnds(links []event.FaultLink) []string {
	var out []string
	for _, l := range links {
		out = append(out, l.From, l.To)
	}
	return out
}
