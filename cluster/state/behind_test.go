package state

import (
	"testing"
	"time"

	"workbench/cluster/event"
)

// TestBehind holds which watches lag, since when, by how much, and whether that
// was measured.
func TestBehind(t *testing.T) {
	at := func(sec int) time.Time { return start.Add(time.Duration(sec) * time.Second) }
	events := []event.Event{
		{Time: at(0), Body: event.LabTopology{Nodes: []event.TopologyNode{
			{Name: "c1", IP: "10.0.0.1", Components: []string{"kube-apiserver"}}, {Name: "w1", IP: "10.0.0.2", Components: []string{"kube-proxy", "kubelet"}}}}},
		{Time: at(1), Body: event.ComponentState{Node: "w1", Component: "kube-proxy", State: event.ComponentReady, PID: 5}},
		{Time: at(2), Body: event.KubeChange{Revision: 5, Verb: event.ChangeCreate, Resource: "services", Name: "before"}},
		{Time: at(3), Body: event.ComponentState{Node: "w1", Component: "kube-proxy", State: event.ComponentPaused, PID: 5}},
		{Time: at(4), Body: event.KubeChange{Revision: 6, Verb: event.ChangeCreate, Resource: "services", Name: "a"}},
		{Time: at(5), Body: event.KubeChange{Revision: 7, Verb: event.ChangeCreate, Resource: "services", Name: "b"}},
		{Time: at(5), Body: event.KubeChange{Revision: 8, Verb: event.ChangeCreate, Resource: "pods", Name: "c"}},
	}
	w := fold(events)
	watch := func(agent, source string) Watch {
		return Watch{KubeWatch: event.KubeWatch{Agent: agent, Source: source, Resource: "services"}, Node: "c1"}
	}
	proxy, kubelet, outside := watch("kube-proxy/v1.37.2 (linux)", "10.0.0.2"), watch("kubelet/v1.37.2", "10.0.0.2"), watch("kubectl/v1.37.2", "10.0.0.254")
	check := func(name string, one Watch, want Behind) {
		t.Helper()
		if got := w.Behind(one, at(10)); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	check("a frozen kube-proxy", proxy, Behind{Revisions: 2, For: 7 * time.Second, Why: "it is frozen", Guessed: true})
	check("a kubelet beside it", kubelet, Behind{})
	check("a client from outside", outside, Behind{})

	w.Apply(event.Event{Time: at(6), Body: event.FaultInjected{ID: "f1", Kind: "cut", Links: []event.FaultLink{{From: "c1", To: "w1"}}}})
	w.Apply(event.Event{Time: at(6), Body: event.LinkState{Links: []event.LinkCondition{{FaultLink: event.FaultLink{From: "c1", To: "w1"}, Cut: true}}}})
	check("a kubelet that no packet reaches", kubelet, Behind{For: 4 * time.Second, Why: "no packet from c1 arrives", Guessed: true})

	w.Apply(event.Event{Time: at(8), Body: event.KubeLag{Node: "c1", Behind: 3, Waiting: time.Second}})
	check("whoever watches through an API server that is behind", outside, Behind{Revisions: 3, For: 3 * time.Second, Why: "its API server is behind"})
}
