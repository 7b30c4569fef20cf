package test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
	"workbench/cluster/recovery"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// late is how much later than an object's own time its watch may tell it on a
// busy machine. Objects have whole seconds, which are up to one too early.
const late = 10 * time.Second

// testRecoveryOfWorker holds the report of a worker's loss, while it is down,
// against the API's objects.
func testRecoveryOfWorker(t *testing.T, lab *harness.Lab, victim string) {
	w := lab.Await("the report to tell the recovery", func(w *state.World) bool {
		r := w.Recovery.Find("last")
		return r != nil && !r.Recovered.IsZero()
	})
	r := w.Recovery.Find("last")
	if r.Class != "kill worker" || !r.Landed.Equal(w.Nodes[victim].Since) || !r.Undone.IsZero() {
		t.Errorf("%s of class %q landed %v and was undone %v; %s died %v", r.Text, r.Class, r.Landed, r.Undone, victim, w.Nodes[victim].Since)
	}
	is := func(hop string, want time.Time) {
		h := r.Hop(hop)
		switch {
		case h == nil || h.At.IsZero() || h.Inferred:
			t.Errorf("no hop %s: %+v", hop, h)
		case want.IsZero():
			t.Errorf("the API does not tell when %s was", hop)
		case h.At.Before(want) || h.At.After(want.Add(late)):
			t.Errorf("%s was at %v, the API says %v", hop, h.At, want)
		}
	}
	var node corev1.Node
	lab.Object(&node, "node", victim)
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			is(recovery.NotReady, c.LastTransitionTime.Time)
		}
	}
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeUnreachable && taint.Effect == corev1.TaintEffectNoExecute {
			is(recovery.Tainted, taint.TimeAdded.Time)
		}
	}
	var pods corev1.PodList
	lab.Object(&pods, "pods", "-A")
	evicted, replaced := podTimes(pods.Items, victim, r.Injected)
	is(recovery.Evicted, evicted)
	for hop, at := range replaced {
		is(hop, at)
	}
	for _, hop := range []string{recovery.EndpointsOut, recovery.RulesOut, recovery.Endpoints, recovery.RulesIn} {
		if h := r.Hop(hop); h == nil || h.At.IsZero() {
			t.Errorf("no hop %s: %+v", hop, h)
		}
	}
	endpoints := lab.Kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=demo", "-o", `jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.nodeName} {end}`)
	if nodes := strings.Fields(endpoints); len(nodes) != replicas || slices.Contains(nodes, victim) {
		t.Errorf("the report says whole, the EndpointSlices have %q", endpoints)
	}
	inOrder(t, r)
}

// inOrder holds that what causes something comes before it.
func inOrder(t *testing.T, r *recovery.Report) {
	var last recovery.Hop
	for _, name := range []string{recovery.Landed, recovery.NotReady, recovery.Tainted, recovery.Evicted, recovery.Created, recovery.Bound, recovery.Started, recovery.Ready} {
		if h := r.Hop(name); h != nil && !h.At.IsZero() {
			if h.At.Before(last.At) {
				t.Errorf("%s at %v is before %s at %v", name, h.At, last.Name, last.At)
			}
			last = *h
		}
	}
	for before, after := range map[string]string{recovery.EndpointsOut: recovery.RulesOut, recovery.Endpoints: recovery.RulesIn} {
		if r.Hop(after).At.Before(r.Hop(before).At) {
			t.Errorf("%s is before %s", after, before)
		}
	}
}

// podTimes are when the last pod of a node was evicted, and when the last of the
// ReplicaSets' pods that were made since came to each state.
func podTimes(pods []corev1.Pod, victim string, since time.Time) (evicted time.Time, replaced map[string]time.Time) {
	replaced = map[string]time.Time{}
	note := func(hop string, at time.Time) {
		if at.After(replaced[hop]) {
			replaced[hop] = at
		}
	}
	for _, p := range pods {
		owned := len(p.OwnerReferences) == 1 && p.OwnerReferences[0].Kind == "ReplicaSet"
		switch {
		case p.Spec.NodeName == victim && p.DeletionTimestamp != nil:
			at := p.DeletionTimestamp.Add(-time.Duration(*p.DeletionGracePeriodSeconds) * time.Second)
			if at.After(evicted) {
				evicted = at
			}
		case owned && !p.CreationTimestamp.Time.Before(since.Truncate(time.Second)):
			note(recovery.Created, p.CreationTimestamp.Time)
			for _, c := range p.Status.Conditions {
				switch c.Type {
				case corev1.PodScheduled:
					note(recovery.Bound, c.LastTransitionTime.Time)
				case corev1.PodReady:
					note(recovery.Ready, c.LastTransitionTime.Time)
				}
			}
			for _, c := range p.Status.ContainerStatuses {
				if c.State.Running != nil {
					note(recovery.Started, c.State.Running.StartedAt.Time)
				}
			}
		}
	}
	return evicted, replaced
}

// testReturnOfWorker holds that the report ends once the worker is back, and that
// the command line prints it in every form.
func testReturnOfWorker(t *testing.T, lab *harness.Lab) {
	w := lab.Await("the report to end", func(w *state.World) bool { return w.Recovery.Find("last").Closed })
	r := w.Recovery.Find("last")
	for _, h := range append(slices.Clone(r.Hops), r.Return...) {
		if h.At.IsZero() && h.Name != recovery.Green {
			t.Errorf("%s was not seen: %+v", h.Name, h)
		}
	}
	for _, hop := range []string{recovery.Running, recovery.Components, recovery.NodeReady, recovery.Untainted, recovery.Removed} {
		if !slices.ContainsFunc(r.Return, func(h recovery.Hop) bool { return h.Name == hop }) {
			t.Errorf("no hop %s on the way back", hop)
		}
	}
	if out := lab.Must("report", r.ID); !strings.Contains(out, "NotReady") || !strings.Contains(out, "Way back") {
		t.Errorf("the report reads\n%s", out)
	}
	if out := lab.Must("report", "last", "--wait", "-o", "markdown"); !strings.HasPrefix(out, "# Recovery from "+r.ID) {
		t.Errorf("the report as Markdown reads\n%s", out)
	}
	var printed recovery.Report
	if err := json.Unmarshal([]byte(lab.Must("report", r.ID, "-o", "json")), &printed); err != nil || !printed.Recovered.Equal(r.Recovered) {
		t.Errorf("the report as JSON says %v (%v), the world %v", printed.Recovered, err, r.Recovered)
	}
	if out := lab.Must("report"); !strings.Contains(out, r.Text) {
		t.Errorf("the list of reports is\n%s", out)
	}
	lab.Refused([]string{"report", "f999"}, "no report", "workbench report")
}

// testRecoveryOfLeader holds that the report of the fault that is on tells the
// election as the members did: who misses the leader, who asks, who wins.
func testRecoveryOfLeader(t *testing.T, lab *harness.Lab, after uint64, old, class string) {
	w := lab.Await("the report to tell the election", func(w *state.World) bool {
		r := w.Recovery.Find("last")
		return r != nil && r.Hop(recovery.Leader) != nil && !r.Hop(recovery.Leader).At.IsZero()
	})
	r := w.Recovery.Find("last")
	if r.Class != class {
		t.Errorf("%s is of class %q, want %q", r.Text, r.Class, class)
	}
	silence, election, leader := r.Hop(recovery.Silence), r.Hop(recovery.Election), r.Hop(recovery.Leader)
	if silence.At.Before(r.Landed) || election.At.Before(silence.At) || leader.At.Before(election.At) || leader.Inferred {
		t.Errorf("landed %v, then %+v, %+v, %+v", r.Landed, *silence, *election, *leader)
	}
	for _, e := range lab.Events(after) {
		if b, ok := e.Body.(event.RaftRole); ok && b.Role == event.RaftLeader && b.Node != old && !e.Time.Before(r.Landed) {
			// A status of the member may tell it before its log does.
			if off := leader.At.Sub(e.Time); off > 0 || off < -late || !strings.Contains(leader.What, b.Node) {
				t.Errorf("%s led from %v on; the report says %+v", b.Node, e.Time, *leader)
			}
			return
		}
	}
	t.Error("the journal has no new leader")
}
