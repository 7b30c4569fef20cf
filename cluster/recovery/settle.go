package recovery

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Times of the reducer.
const (
	// Quiet is for how long nothing may fail until it has recovered.
	Quiet = 3 * time.Second
	// patience is for how long a report is followed after its fault is undone.
	patience = 5 * time.Minute
)

// probe counts what users feel.
func (r *Report) probe(e event.Event, b event.Probe) {
	if r.Landed.IsZero() {
		return // what fails already is not of this fault
	}
	if _, from, _ := strings.Cut(b.Target, "/"); r.Undone.IsZero() && slices.Contains(r.Work.Dead, from) {
		return // its last answers: nobody asks from there any more
	}
	f := r.felt(b.Target)
	f.probe(e.Time, r.Start(), b)
	if b.OK {
		r.idle(b.Target)
		if len(r.Work.Failing) == 0 {
			r.green(e, b.Target)
		}
		return
	}
	if i, ok := slices.BinarySearch(r.Work.Failing, b.Target); !ok {
		r.Work.Failing = slices.Insert(r.Work.Failing, i, b.Target)
	}
	if r.on() {
		r.symptom(event.Event{Time: f.Down, Seq: e.Seq}, b.Target+" fails", Evidence{Object: "probe " + b.Target, Detail: b.Error})
	}
	h := r.Hop(Green)
	if !r.Recovered.IsZero() && !r.Undone.IsZero() {
		h = r.hop(GreenAgain, "probes succeed again")
		h.Inferred = false
	}
	h.At, h.First, h.Seen, h.Moot, h.Waits = time.Time{}, time.Time{}, 0, "", names(r.Work.Failing)+" to succeed"
	delete(r.Work.Seen, h.Name)
	if h.Name == Green {
		r.Recovered = time.Time{}
	}
	r.Work.Touched = e.Time
}

// unasked ends the outages of a node's targets: nobody asks from there now.
func (r *Report) unasked(node string) {
	for _, target := range []string{"service/" + node, "dns/" + node} {
		r.idle(target)
		if i := slices.IndexFunc(r.Felt, func(f Felt) bool { return f.Target == target }); i >= 0 {
			r.Felt[i].Down = time.Time{}
		}
	}
}

// idle takes a target off those that fail.
func (r *Report) idle(target string) {
	if i, ok := slices.BinarySearch(r.Work.Failing, target); ok {
		r.Work.Failing = slices.Delete(r.Work.Failing, i, i+1)
	}
}

// green notes the success after the last failure.
func (r *Report) green(e event.Event, target string) {
	for _, name := range []string{Green, GreenAgain} {
		h := find(r.Hops, name)
		if h == nil {
			h = find(r.Return, name)
		}
		if h != nil && h.Pending() && slices.ContainsFunc(r.Felt, func(f Felt) bool { return f.Failed > 0 }) {
			r.mark(sight{hop: name, what: "all probes succeed again", e: e, certain: true, evidence: Evidence{Object: "probe " + target, Detail: "the last to succeed"}})
		}
	}
}

// undone begins the way back, with the first that is seen of it.
func (r *Report) undone(e event.Event, lab *Lab, ev Evidence) {
	if !r.Undone.IsZero() {
		return
	}
	w := r.Work
	r.Undone, w.Commit = later(e.Time, r.Start()), lab.Commit
	if r.Cause == "done" {
		return // nothing is undone: what follows comes by itself
	}
	r.Return = []Hop{{Name: Undone, What: "the fault is undone"}}
	r.mark(sight{hop: Undone, e: e, evidence: ev, certain: true})
	add := func(name string, of int, what, waits string) {
		if of > 0 {
			r.Return = append(r.Return, Hop{Name: name, What: what, Of: of, Waits: waits})
		}
	}
	if ends(r.Kind) {
		add(Running, len(w.Nodes), names(w.Nodes)+" running", "the node's init")
		w.Up = slices.Clone(w.Components)
		for _, n := range w.Nodes {
			for _, c := range lab.node(n).Components {
				if r.Kind != freeze {
					w.Up = append(w.Up, n+"/"+c)
				}
			}
		}
		add(Components, len(w.Up), count(len(w.Up), "component")+" ready", "readiness of "+names(w.Up))
	}
	add(CaughtUp, len(w.Members), "etcd on "+names(w.Members)+" caught up", "all that was committed")
	add(NodeReady, len(w.Seen[NotReady]), names(w.Seen[NotReady])+" Ready", "the kubelet's status")
	add(Untainted, len(w.Seen[Tainted]), names(w.Seen[Tainted])+" without taint", "the node lifecycle controller")
	left := len(w.Seen[Evicted]) - len(w.Seen[Removed])
	add(Removed, left, count(left, "evicted pod")+" removed", "the kubelet to end them")
	r.overtaken()
}

// overtaken gives up what will not come any more once the fault is undone.
func (r *Report) overtaken() {
	w := r.Work
	moot := func(h *Hop) {
		if h != nil && h.Pending() {
			h.Moot = "the fault was undone before"
		}
	}
	seen := func(name string) int { return len(w.Seen[name]) }
	for i := range r.Hops {
		h := &r.Hops[i]
		switch h.Name {
		case Landed, NotReady, Tainted:
			moot(h)
		case EndpointsOut, RulesOut:
			if seen(EndpointsOut) == 0 {
				moot(h)
			}
		case Evicted, Created, Bound, Started, Ready, Endpoints, RulesIn:
			if len(w.OwnPods) == 0 && seen(Evicted) == 0 {
				moot(h)
			}
		}
	}
	if e := seen(Evicted); len(w.OwnPods) > 0 || e == 0 || e == len(w.Pods) {
		return
	}
	// Only those evicted by then are replaced.
	replaced := 0
	for _, p := range w.Pods {
		if p.Workload != "" && slices.Contains(w.Seen[Evicted], p.UID) {
			replaced++
		}
	}
	for name, of := range map[string]int{Evicted: seen(Evicted), Created: replaced, Bound: replaced, Started: replaced, Ready: replaced} {
		if h := r.Hop(name); h != nil && h.Pending() {
			h.Of = of
			if h.Seen >= h.Of {
				h.Moot = "the fault was undone before"
			}
		}
	}
}

// settle finds out whether it has recovered, and then whether all is as before.
func (r *Report) settle(now time.Time, lab *Lab) {
	w := r.Work
	if !r.Undone.IsZero() && lab.Leader != "" && !w.Lost {
		r.giveUp(Silence, Election, Leader)
	}
	if !r.Undone.IsZero() && now.Sub(r.Undone) > Quiet && lab.Leader != "" && !r.awaits(Leader) {
		for _, h := range w.Held {
			if l := leaseOf(lab, h.Name); l != nil && l.Holder == h.Holder && l.Renewed.After(r.Undone) {
				r.giveUp(Taken + "/" + h.Name)
			}
		}
	}
	if w.Lost && lab.Leader == w.Leader && lab.Term == w.Term && !r.Undone.IsZero() {
		r.giveUp(Silence, Election, Leader)
	}
	still := now.Sub(w.Touched) >= Quiet && len(w.Failing) == 0
	if !still || r.Landed.IsZero() && r.Cause == "" {
		r.expire(now)
		return
	}
	if r.Recovered.IsZero() && !pending(r.Hops, Green) {
		if h := r.Hop(Green); h.At.IsZero() {
			h.Moot = "no probe failed"
			if len(r.Felt) == 0 {
				h.Moot = "nothing was probed"
			}
		}
		r.Recovered = later(latest(r.Hops), r.Start())
	}
	if !r.Recovered.IsZero() && !r.Undone.IsZero() && !pending(r.Return, "") {
		r.Whole = later(latest(r.Return), r.Recovered)
		r.close("")
	}
	r.expire(now)
}

func leaseOf(lab *Lab, name string) *event.KubeLease { return lab.Lease("kube-system/" + name) }

// pending says that a hop other than one is awaited.
func pending(hops []Hop, but string) bool {
	return slices.ContainsFunc(hops, func(h Hop) bool { return h.Name != but && h.Pending() })
}

func (r *Report) giveUp(hops ...string) {
	for _, name := range hops {
		if h := r.Hop(name); h != nil && h.Pending() {
			h.Moot = "it was not needed"
		}
	}
}

// expire ends what is not seen to its end.
func (r *Report) expire(now time.Time) {
	if !r.Closed && !r.Undone.IsZero() && now.Sub(r.Undone) > patience {
		r.close("not seen")
	}
}

// close ends the following; what is awaited still has that reason not to be.
func (r *Report) close(why string) {
	for _, hops := range [][]Hop{r.Hops, r.Return} {
		for i := range hops {
			if hops[i].Pending() && why != "" {
				hops[i].Moot = why
			}
			hops[i].Waits = ""
		}
	}
	r.Closed, r.Work = true, nil
}
