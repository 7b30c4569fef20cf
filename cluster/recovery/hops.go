package recovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// The hops, in the order in which they are expected. Those of leases end in the
// lease's name.
const (
	Landed       = "landed"
	Symptom      = "symptom"
	Silence      = "silence"       // an etcd member misses its leader
	Election     = "election"      // a candidate asks for votes in a new term
	Leader       = "leader"        // a new Raft leader
	Expired      = "lease-expired" // a leader's lease ran out
	Taken        = "lease"         // another holds it
	NotReady     = "not-ready"
	Tainted      = "tainted"
	EndpointsOut = "endpoints-out" // EndpointSlices without what is lost
	RulesOut     = "rules-out"     // the rules on every node without it
	Evicted      = "evicted"
	Created      = "created"
	Bound        = "bound"
	Started      = "started"
	Ready        = "ready"
	Endpoints    = "endpoints" // EndpointSlices with as many endpoints as before
	RulesIn      = "rules"     // the rules on every node agree
	Green        = "green"     // the last probe that failed succeeds again

	// After the fault was undone.
	Undone     = "undone"
	Running    = "running"    // the nodes run
	Components = "components" // all components are ready
	CaughtUp   = "caught-up"  // etcd members have all that was committed
	NodeReady  = "node-ready"
	Untainted  = "untainted"
	Removed    = "removed" // evicted pods are gone from the API
	GreenAgain = "green-again"
)

var order = []string{
	Landed, Symptom, Silence, Election, Leader, Expired, Taken, NotReady, Tainted, EndpointsOut, RulesOut,
	Evicted, Created, Bound, Started, Ready, Endpoints, RulesIn, Green,
	Undone, Running, Components, CaughtUp, NodeReady, Untainted, Removed, GreenAgain,
}

// rank is the place of a hop in the order.
func rank(name string) int {
	base, _, _ := strings.Cut(name, "/")
	return slices.Index(order, base)
}

// names are a few names in a text.
func names(all []string) string {
	const most = 4
	if len(all) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// expect fills the report with the hops that should come of the fault.
func (r *Report) expect(lab *Lab) {
	w := r.Work
	r.Hops = []Hop{{Name: Landed, What: "the fault lands", Waits: "its effect"}}
	add := func(name string, of int, what, waits string) {
		r.Hops = append(r.Hops, Hop{Name: name, What: what, Of: of, Waits: waits})
	}
	if w.Lost {
		add(Silence, 0, "a follower misses its leader "+w.Leader, "an election timeout without heartbeats")
		add(Election, 0, "a candidate asks for votes in a new term", "a majority that misses the leader too")
		add(Leader, 0, "a new Raft leader", "the votes of a majority")
	}
	for _, h := range w.Held {
		add(Taken+"/"+h.Name, 0, "another "+h.Name+" leads", "the lease of "+h.Node+" to run out")
	}
	var monitored []string
	for _, n := range w.Silent {
		if k := lab.Node(n); k != nil && k.Ready == "True" {
			monitored = append(monitored, n)
		}
	}
	if n := len(monitored); n > 0 {
		add(NotReady, n, names(monitored)+" NotReady", fmt.Sprintf("%v without a heartbeat", lab.Topology.GracePeriod))
		add(Tainted, n, names(monitored)+" tainted NoExecute", "the node lifecycle controller")
	}
	// With some room left the kubelet may have nothing to tell.
	if n := len(w.Nodes); r.Kind == diskFull && !strings.Contains(r.Text, "--leave") {
		add(Tainted, n, names(w.Nodes)+" tainted disk-pressure", "the kubelet to look at its disk, every 10 s")
	}
	r.expectServices(add)
	r.expectPods(lab, add)
	add(Green, 0, "probes succeed", "")
	slices.SortStableFunc(r.Hops, func(a, b Hop) int { return rank(a.Name) - rank(b.Name) })
}

func (r *Report) expectServices(add func(name string, of int, what, waits string)) {
	w := r.Work
	if len(w.Services) == 0 || len(w.OwnPods) > 0 {
		return
	}
	var keys []string
	ruled, whole := false, false
	for _, s := range w.Services {
		keys = append(keys, s.Key)
		ruled = ruled || s.Ruled
		whole = whole || s.Want > 0
	}
	add(EndpointsOut, len(keys), "EndpointSlices without the lost endpoints", "the endpoint slice controller: "+names(keys))
	if ruled {
		add(RulesOut, 0, "rules of every node without them", "kube-proxy on every node")
	}
	if whole && len(w.Pods) > 0 {
		add(Endpoints, len(keys), "EndpointSlices are whole again", "endpoints of "+names(keys))
		if ruled {
			add(RulesIn, 0, "rules of every node agree", "kube-proxy on every node")
		}
	}
}

func (r *Report) expectPods(lab *Lab, add func(name string, of int, what, waits string)) {
	w := r.Work
	if own := len(w.OwnPods); own > 0 {
		add(Started, own, count(own, "pod")+" started again", "the kubelet")
		add(Ready, own, count(own, "pod")+" ready again", "its readiness probe")
		return
	}
	replaced := 0
	for _, p := range w.Pods {
		if p.Workload != "" {
			replaced++
		}
	}
	if n := len(w.Pods); n > 0 {
		what, waits := " evicted", fmt.Sprintf("tolerations to end, %v by default", lab.Topology.EvictionDelay)
		if r.Kind == stop {
			what, waits = " ended or evicted", "the kubelet to end them gracefully, or "+waits
		}
		add(Evicted, n, count(n, "pod")+what, waits)
	}
	if replaced > 0 {
		for _, step := range replacement {
			add(step.hop, replaced, count(replaced, "replacement")+step.what, step.waits)
		}
	}
}

// replacement is the way of pods that replace others, and what each step waits for.
var replacement = []struct{ hop, what, waits string }{
	{Created, " created", "the workloads' controllers"},
	{Bound, " bound", "the scheduler"},
	{Started, " started", "kubelets"},
	{Ready, " ready", "readiness probes"},
}

// hop is the hop of that name; a new one, that nobody expected, if there is none.
func (r *Report) hop(name, what string) *Hop {
	list := &r.Hops
	if rank(name) >= rank(Undone) {
		list = &r.Return
	}
	if h := find(*list, name); h != nil {
		return h
	}
	at := len(*list)
	for i, h := range *list {
		if rank(h.Name) > rank(name) {
			at = i
			break
		}
	}
	*list = slices.Insert(*list, at, Hop{Name: name, What: what, Inferred: true})
	return &(*list)[at]
}

// sight is something seen.
type sight struct {
	hop, what string // what is for a hop that nobody expected
	key       string // of several; "" for the only one
	e         event.Event
	evidence  Evidence
	certain   bool // that it belongs to this fault, also when it was not expected
}

// mark takes a sight into the report: the hop is complete with the last of its
// keys. What is complete stays as it is.
func (r *Report) mark(s sight) {
	h := r.hop(s.hop, s.what)
	if !h.At.IsZero() {
		return
	}
	if h.Inferred && s.certain {
		h.Inferred = false
	}
	seen := r.Work.Seen[s.hop]
	if s.key != "" && slices.Contains(seen, s.key) {
		return
	}
	if r.Work.Seen == nil { // as JSON leaves an empty map
		r.Work.Seen = map[string][]string{}
	}
	r.Work.Seen[s.hop] = append(seen, s.key)
	h.Seen++
	at := later(s.e.Time, r.Start())
	if h.First.IsZero() && h.Of > 1 {
		h.First = at
	}
	if h.Seen < h.Of {
		return
	}
	s.evidence.Seq = s.e.Seq
	h.At, h.Evidence, h.Moot = at, s.evidence, ""
	if s.what != "" {
		h.What = s.what
	}
	r.Work.Touched = at
	if rank(s.hop) < rank(Undone) {
		r.Recovered = time.Time{} // there was one more to come
	}
}
