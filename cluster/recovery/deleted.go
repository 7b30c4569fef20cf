package recovery

import (
	"slices"

	"workbench/cluster/event"
)

// deleted gives up what will not come any more when somebody deletes a workload that
// lost pods, or a Service that lost endpoints, before they are whole again.
func (r *Report) deleted(e event.Event, kind, key string) {
	ev := Evidence{Object: kind + " " + key, Detail: "deleted", Seq: e.Seq}
	if kind == "Service" {
		r.withoutService(e, key, ev)
		return
	}
	r.withoutWorkload(e, kind+" "+key, ev)
}

func (r *Report) withoutService(e event.Event, key string, ev Evidence) {
	w := r.Work
	i := slices.IndexFunc(w.Services, func(s Service) bool { return s.Key == key })
	if i < 0 {
		return
	}
	forsaken := w.Services[i].Forsaken
	w.Services = slices.Delete(w.Services, i, i+1)
	if !slices.Contains(w.Seen[EndpointsOut], key) {
		r.without(e, EndpointsOut, 1, ev)
	}
	if !forsaken && !slices.Contains(w.Seen[Endpoints], key) {
		r.without(e, Endpoints, 1, ev)
	}
	r.unruled(ev)
}

func (r *Report) withoutWorkload(e event.Event, workload string, ev Evidence) {
	w := r.Work
	quota := 0
	for i := range w.Pods {
		if w.Pods[i].Workload == workload {
			w.Pods[i].Workload = ""
			quota++
		}
	}
	if quota == 0 {
		return
	}
	for _, step := range replacement {
		if h := r.Hop(step.hop); h != nil && h.Pending() {
			r.without(e, step.hop, quota-w.taken(step.hop, workload), ev)
			h.What = count(h.Of, "replacement") + step.what
		}
	}
	for i := range w.Services {
		s := &w.Services[i]
		if slices.Contains(s.From, workload) && !s.Forsaken && !slices.Contains(w.Seen[Endpoints], s.Key) {
			s.Forsaken = true
			r.without(e, Endpoints, 1, ev)
		}
	}
	r.unruled(ev)
}

// without takes some off those that a hop awaits. With none left it is complete if
// there were others, and moot if not.
func (r *Report) without(e event.Event, name string, some int, ev Evidence) {
	h := r.Hop(name)
	if h == nil || !h.Pending() {
		return
	}
	h.Of -= some
	switch {
	case h.Seen < h.Of:
	case h.Seen == 0:
		h.Moot = ev.Object + " was deleted"
	default:
		h.At, h.Evidence, r.Work.Touched = later(e.Time, r.Start()), ev, e.Time
	}
}

// unruled gives up the rules that would follow from endpoints which do not come.
func (r *Report) unruled(ev Evidence) {
	for after, rules := range map[string]string{EndpointsOut: RulesOut, Endpoints: RulesIn} {
		before, h := r.Hop(after), r.Hop(rules)
		if before != nil && before.Moot != "" && h != nil && h.Pending() {
			h.Moot = ev.Object + " was deleted"
		}
	}
}
