package recovery

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// pod follows the pods that are lost and those that replace them.
func (r *Report) pod(e event.Event, b event.KubePod) {
	if len(r.Work.Pods) == 0 {
		return
	}
	ev := Evidence{Object: "Pod " + b.Key(), Revision: b.ResourceVersion, Detail: b.Status}
	if b.Node != "" {
		ev.Detail += " on " + b.Node
	}
	for _, lost := range r.Work.Pods {
		if lost.UID != b.UID {
			continue
		}
		switch own := slices.Contains(r.Work.OwnPods, lost.Key); {
		case own:
			r.again(e, b, lost, ev)
		case (!b.Deleting.IsZero() || r.Kind == stop && b.Over()) && r.awaits(Evicted):
			r.mark(sight{hop: Evicted, key: b.UID, e: e, evidence: ev, certain: true})
		}
		return
	}
	if name := workload(&b); name != "" && !slices.Contains(r.Work.Known, b.UID) && !b.Created.Before(r.Injected.Add(-slack)) {
		r.replacement(e, b, name, ev)
	}
}

// slack is how coarse creation times are.
const slack = 2 * time.Second

func (r *Report) replacement(e event.Event, b event.KubePod, name string, ev Evidence) {
	quota := 0
	for _, p := range r.Work.Pods {
		if p.Workload == name {
			quota++
		}
	}
	if h := r.Hop(Bound); h != nil && h.Pending() && b.Node == "" && b.Message != "" {
		h.Waits = "the scheduler: " + b.Key() + ": " + b.Message
	}
	running := slices.ContainsFunc(b.Containers, func(c event.KubeContainer) bool { return c.State == "running" })
	for _, s := range []struct {
		hop  string
		true bool
	}{{Created, true}, {Bound, b.Node != ""}, {Started, running}, {Ready, b.Ready}} {
		if s.true && r.Work.taken(s.hop, name) < quota && r.awaits(s.hop) {
			r.mark(sight{hop: s.hop, key: name + " " + b.UID, e: e, evidence: ev, certain: true})
		}
	}
}

// taken is how many replacements a workload has at a hop.
func (w *Work) taken(hop, workload string) int {
	n := 0
	for _, key := range w.Seen[hop] {
		if strings.HasPrefix(key, workload+" ") {
			n++
		}
	}
	return n
}

// again follows a pod that is to start again by itself.
func (r *Report) again(e event.Event, b event.KubePod, was Pod, ev Evidence) {
	if restarts(&b) == was.Restarts && b.Ready {
		return // as it was
	}
	r.land(e, "", r.Text, 0, ev)
	if restarts(&b) == was.Restarts {
		return
	}
	if slices.ContainsFunc(b.Containers, func(c event.KubeContainer) bool { return c.State == "running" }) {
		r.mark(sight{hop: Started, key: b.UID, e: e, evidence: ev, certain: true})
		if b.Ready {
			r.mark(sight{hop: Ready, key: b.UID, e: e, evidence: ev, certain: true})
		}
	}
}

// removed sees evicted pods go from the API.
func (r *Report) removed(e event.Event, gone func(Pod) bool) {
	for _, p := range r.Work.Pods {
		if slices.Contains(r.Work.Seen[Evicted], p.UID) && !slices.Contains(r.Work.Seen[Removed], p.UID) && gone(p) {
			if r.Undone.IsZero() { // it goes while the fault is on: nothing to await later
				r.Work.Seen[Removed] = append(r.Work.Seen[Removed], p.UID)
				continue
			}
			r.mark(sight{hop: Removed, key: p.UID, e: e, certain: true, evidence: Evidence{Object: "Pod " + p.Key, Detail: "gone"}})
		}
	}
}

// services looks what EndpointSlices and rules say of the lost endpoints.
func (r *Report) services(e event.Event, lab *Lab) {
	w := r.Work
	if len(w.Services) == 0 || r.Landed.IsZero() {
		return
	}
	for _, s := range w.Services {
		dead, ready := 0, map[string]bool{}
		for _, end := range lab.endpoints(s.Key) {
			if end.Ready {
				ready[end.Address] = true
				if slices.Contains(s.Dead, end.Address) {
					dead++
				}
			}
		}
		ev := Evidence{Object: "EndpointSlice of " + s.Key, Detail: count(len(ready), "endpoint") + " ready"}
		if slice, ok := e.Body.(event.KubeEndpointSlice); ok {
			ev.Revision = slice.ResourceVersion
		}
		if dead == 0 && r.awaits(EndpointsOut) {
			r.mark(sight{hop: EndpointsOut, key: s.Key, e: e, evidence: ev, certain: true})
		}
		out := slices.Contains(w.Seen[EndpointsOut], s.Key)
		if out && !s.Forsaken && len(ready) >= s.Want && r.awaits(Endpoints) {
			r.mark(sight{hop: Endpoints, key: s.Key, e: e, evidence: ev, certain: true})
		}
	}
	if r.awaits(RulesOut) && r.done(EndpointsOut) {
		r.rules(e, lab, RulesOut, func(s Service, n Rules) bool {
			return !slices.ContainsFunc(s.Dead, func(ip string) bool { return slices.Contains(n.IPs, ip) })
		})
	}
	if r.awaits(RulesIn) && r.done(Endpoints) {
		r.rules(e, lab, RulesIn, func(_ Service, n Rules) bool { return !n.Behind })
	}
}

func (r *Report) done(name string) bool {
	h := r.Hop(name)
	return h != nil && !h.At.IsZero()
}

// rules marks a hop when the rules of every node that can follow are as they
// should be, and says which ones it waits for until then.
func (r *Report) rules(e event.Event, lab *Lab, hop string, good func(Service, Rules) bool) {
	w := r.Work
	var behind, last []string
	for _, s := range w.Services {
		if !s.Ruled {
			continue
		}
		for _, n := range lab.Rules(s.Key) {
			deaf := slices.Contains(w.Dead, n.Node) || slices.Contains(w.Silent, n.Node) || slices.Contains(w.Components, n.Node+"/kube-proxy")
			if deaf && r.Undone.IsZero() {
				continue
			}
			last = append(last, n.Node)
			if !good(s, n) {
				behind = append(behind, n.Node)
			}
		}
	}
	slices.Sort(behind)
	behind = slices.Compact(behind)
	if len(behind) > 0 {
		r.hop(hop, "").Waits = "kube-proxy on " + names(behind)
		return
	}
	slices.Sort(last)
	ev := Evidence{Object: "rules on " + names(slices.Compact(last)), Detail: "read within 250 ms"}
	if b, ok := e.Body.(event.ProxyService); ok {
		ev.Detail = "last " + b.Node + ", read within 250 ms"
	}
	r.mark(sight{hop: hop, e: e, evidence: ev, certain: true})
}
