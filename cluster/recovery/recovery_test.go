package recovery

import (
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// lab is one of three control planes and two workers in which c1 leads.
func lab() *Lab {
	t := &event.LabTopology{GracePeriod: 8 * time.Second, EvictionDelay: 2 * time.Second}
	for _, name := range []string{"c1", "c2", "c3"} {
		t.Nodes = append(t.Nodes, event.TopologyNode{Name: name, Role: event.ControlPlane, Components: []string{"etcd", "kube-apiserver", "kube-scheduler"}})
	}
	for _, name := range []string{"w1", "w2"} {
		t.Nodes = append(t.Nodes, event.TopologyNode{Name: name, Role: event.Worker, Components: []string{"containerd", "kubelet", "kube-proxy"}})
	}
	return &Lab{
		Topology: t, Leader: "c1", Term: 2,
		Node: func(name string) *event.KubeNode {
			return &event.KubeNode{Meta: event.Meta{Name: name}, Ready: "True"}
		},
		Lease: func(string) *event.KubeLease { return nil },
		Leaders: func() []*event.KubeLease {
			return []*event.KubeLease{{Meta: event.Meta{Namespace: "kube-system", Name: "kube-scheduler"}, Holder: "c2_x", Renewed: start, Seconds: 15}}
		},
		Rules: func(string) []Rules { return nil },
	}
}

func both(pairs ...string) []event.FaultLink {
	var out []event.FaultLink
	for _, p := range pairs {
		a, b, _ := strings.Cut(p, " ")
		out = append(out, event.FaultLink{From: a, To: b}, event.FaultLink{From: b, To: a})
	}
	return out
}

// TestWhatToExpect holds which hops are awaited after which fault.
func TestWhatToExpect(t *testing.T) {
	const raft, node = "silence election leader", "not-ready tainted"
	for _, c := range []struct {
		fault       event.FaultInjected
		hops, class string
	}{
		{event.FaultInjected{Kind: "kill", Nodes: []string{"c1"}}, raft, "kill Raft leader's node"},
		{event.FaultInjected{Kind: "kill", Nodes: []string{"c2"}}, "lease/kube-scheduler", "kill control plane"},
		{event.FaultInjected{Kind: "freeze", Components: []string{"c1/etcd"}}, raft, "freeze etcd (leader)"},
		{event.FaultInjected{Kind: "kill", Components: []string{"c3/etcd"}}, "", "kill etcd"},
		{event.FaultInjected{Kind: "kill", Components: []string{"c2/kube-scheduler"}}, "lease/kube-scheduler", "kill kube-scheduler (leader)"},
		{event.FaultInjected{Kind: "kill", Components: []string{"c1/kube-scheduler"}}, "", "kill kube-scheduler"},
		{event.FaultInjected{Kind: "kill", Components: []string{"c2/kube-apiserver"}}, "lease/kube-scheduler", "kill kube-apiserver"},
		{event.FaultInjected{Kind: "freeze", Components: []string{"w1/kubelet"}}, node, "freeze kubelet"},
		{event.FaultInjected{Kind: "stop", Nodes: []string{"w1", "w2"}}, node, "stop 2 × worker"},
		{event.FaultInjected{Kind: "cut", Links: both("w1 w2")}, "", "cut worker~worker"},
		{event.FaultInjected{Kind: "cut", Links: both("w1 c1", "w1 c2")}, "", "cut worker~2 × control plane"},
		{event.FaultInjected{Kind: "cut", Links: both("w1 c1", "w1 c2", "w1 c3")}, node, "cut worker~3 × control plane"},
		{event.FaultInjected{Kind: "partition", Links: both("c1 c2", "c1 c3")}, raft, "partition Raft leader's node~2 × control plane"},
		{event.FaultInjected{Kind: "partition", Links: both("c2 c1", "c2 c3")}, "lease/kube-scheduler", "partition control plane~2 × control plane"},
		{event.FaultInjected{Kind: "cut", Links: []event.FaultLink{{From: "c1", To: "c2"}}}, "", "cut Raft leader's node>control plane"},
		{event.FaultInjected{Kind: "delay", Links: both("c1 c2"), Delay: time.Second}, "", "delay Raft leader's node~control plane"},
		{event.FaultInjected{Kind: "squeeze", Nodes: []string{"w1"}}, "", "squeeze worker"},
	} {
		var all Reports
		all.Apply(event.Event{Seq: 1, Time: start, Body: c.fault}, lab())
		r := all.Find("last")
		var hops []string
		for _, h := range r.Hops {
			hops = append(hops, h.Name)
		}
		if want := strings.TrimSpace("landed " + c.hops); strings.Join(hops, " ") != strings.Join(strings.Fields(want+" green"), " ") || r.Class != c.class {
			t.Errorf("%s %v%v: %s expects %v", c.fault.Kind, c.fault.Nodes, c.fault.Components, r.Class, hops)
		}
	}
}

// TestUndoneBefore holds that what the fault had no time to cause is not awaited,
// and that what it did cause is.
func TestUndoneBefore(t *testing.T) {
	var all Reports
	l, seq := lab(), uint64(0)
	at := func(after time.Duration, body event.Body) {
		seq++
		all.Apply(event.Event{Seq: seq, Time: start.Add(after), Body: body}, l)
	}
	at(0, event.FaultInjected{ID: "f1", Kind: "kill", Text: "kill w1", Nodes: []string{"w1"}})
	at(5*time.Millisecond, event.Probe{Target: "api-read", Latency: time.Second, Error: "it failed before"})
	at(10*time.Millisecond, event.NodeState{Node: "w1", State: event.NodeKilled})
	at(200*time.Millisecond, event.Probe{Target: "service/w1", Error: "no answer"}) // sent before it was dead
	at(1500*time.Millisecond, event.ComponentState{Node: "c1", Component: "kube-apiserver", State: event.ComponentUnready})
	at(2*time.Second, event.Probe{Target: "service/w2", Latency: time.Second, Error: "no answer"})
	at(2100*time.Millisecond, event.Probe{Target: "service/w2", OK: true})
	at(4*time.Second, event.NodeState{Node: "w1", State: event.NodeRunning})
	at(5*time.Second, event.ComponentState{Node: "w1", Component: "kubelet", State: event.ComponentReady})
	r := all.Find("f1")
	if h := r.Hop(Symptom); h == nil || h.At != start.Add(time.Second) || !strings.Contains(h.What, "service/w2 fails") {
		t.Errorf("the first symptom is %+v", h)
	}
	if r.Closed || r.Hop(NotReady).Moot == "" || r.Hop(Tainted).Moot == "" {
		t.Fatalf("%+v", r)
	}
	at(6*time.Second, event.ComponentState{Node: "w1", Component: "containerd", State: event.ComponentReady})
	at(7*time.Second, event.ComponentState{Node: "w1", Component: "kube-proxy", State: event.ComponentReady})
	at(11*time.Second, event.Probe{Target: "service/w2", OK: true})
	total, ok := r.Total()
	if !r.Closed || !ok || total != 2090*time.Millisecond || r.Status() != "whole" {
		t.Errorf("closed %v, %s, after %v: %+v", r.Closed, r.Status(), total, r.Hops)
	}
	if got := r.Felt; len(got) != 1 || got[0].Failed != 1 || got[0].Outage != 1100*time.Millisecond {
		t.Errorf("felt %+v", got)
	}
	if all.Wants(event.Probe{}) {
		t.Error("events are taken while nothing is followed")
	}
	at(time.Minute, event.FaultInjected{ID: "f2", Kind: "kill", Text: "kill w2", Nodes: []string{"w2"}})
	if b := all.Find("f2").Before; b == nil || b.ID != "f1" || b.Total != total {
		t.Errorf("compared with %+v", b)
	}
}

// TestDeletedMeanwhile holds that nobody waits for the replacements of a workload, or
// the endpoints of a Service, that is deleted while the fault is on, and that what is
// left is waited for.
func TestDeletedMeanwhile(t *testing.T) {
	pod := func(name, uid, node string) *event.KubePod {
		return &event.KubePod{Meta: event.Meta{
			Namespace: "default", Name: name + "-7c-" + uid, UID: uid, Owner: "ReplicaSet/" + name + "-7c",
			Labels: map[string]string{"pod-template-hash": "7c"},
		}, Node: node, Ready: true}
	}
	slice := func(name string, pods ...*event.KubePod) *event.KubeEndpointSlice {
		s := &event.KubeEndpointSlice{Meta: event.Meta{Namespace: "default", Name: name}, Service: name}
		for _, p := range pods {
			s.Endpoints = append(s.Endpoints, event.KubeEndpoint{Address: "10.0.0." + p.UID, Ready: true, Node: p.Node, Pod: p.Name})
		}
		return s
	}
	web1, web2, api, late := pod("web", "1", "w1"), pod("web", "2", "w1"), pod("api", "3", "w1"), pod("api", "4", "w2")
	late.Created, late.Containers = start.Add(5*time.Second), []event.KubeContainer{{State: "running"}}
	for name, c := range map[string]struct {
		service string // what is deleted besides Deployment web
		moot    string
	}{
		"a workload":               {"", ""},
		"a workload and a Service": {"web", ""},
		"all Services":             {"api", "Service default/api was deleted"},
	} {
		var all Reports
		l, seq := lab(), uint64(0)
		l.Pods = map[string]*event.KubePod{"default/" + web1.Name: web1, "default/" + web2.Name: web2, "default/" + api.Name: api}
		l.Slices = map[string]*event.KubeEndpointSlice{"default/web": slice("web", web1, web2), "default/api": slice("api", api)}
		at := func(after time.Duration, body event.Body) {
			seq++
			all.Apply(event.Event{Seq: seq, Time: start.Add(after), Body: body}, l)
		}
		at(0, event.FaultInjected{ID: "f1", Kind: "kill", Text: "kill w1", Nodes: []string{"w1"}})
		at(10*time.Millisecond, event.NodeState{Node: "w1", State: event.NodeKilled})
		at(time.Second, event.KubeNode{Meta: event.Meta{Name: "w1"}, Ready: "Unknown", Taints: []event.Taint{{Key: unreachable, Effect: "NoExecute"}}})
		for _, p := range []*event.KubePod{web1, web2, api} {
			gone := *p
			gone.Deleting, gone.Ready = start.Add(2*time.Second), false
			at(2*time.Second, gone)
		}
		at(3*time.Second, event.KubeDeleted{Kind: "Deployment", Meta: event.Meta{Namespace: "default", Name: "web"}})
		r := all.Find("f1")
		if h := r.Hop(Created); h.Of != 1 || h.What != "1 replacement created" || !h.Pending() {
			t.Errorf("%s: after a workload is deleted the others' are %+v", name, h)
		}
		l.Slices["default/web"], l.Slices["default/api"] = slice("web"), slice("api")
		at(4*time.Second, *l.Slices["default/web"])
		at(4*time.Second, *l.Slices["default/api"])
		if c.service != "" {
			delete(l.Slices, "default/"+c.service)
			at(4500*time.Millisecond, event.KubeDeleted{Kind: "Service", Meta: event.Meta{Namespace: "default", Name: c.service}})
		}
		at(5*time.Second, *late)
		at(9*time.Second, event.Probe{Target: "api-read", OK: true})
		if h := r.Hop(Endpoints); h.Pending() != (c.moot == "") || h.Moot != c.moot || r.Recovered.IsZero() != (c.moot == "") {
			t.Errorf("%s: endpoints are %+v, recovered %v", name, h, r.Recovered)
		}
		if c.moot == "" {
			l.Slices["default/api"] = slice("api", late)
			at(11*time.Second, *l.Slices["default/api"])
			at(20*time.Second, event.Probe{Target: "api-read", OK: true})
			if r.Recovered != start.Add(11*time.Second) {
				t.Errorf("%s: recovered %v: %+v", name, r.Recovered, r.Hops)
			}
		}
	}
}

// TestFailedFault holds that a fault that could not be made is not followed, and
// that one without consequences is told so.
func TestFailedFault(t *testing.T) {
	var all Reports
	l := lab()
	all.Apply(event.Event{Seq: 1, Time: start, Body: event.FaultInjected{ID: "f1", Kind: "squeeze", Text: "squeeze w1 cpu 0.1", Nodes: []string{"w1"}}}, l)
	all.Apply(event.Event{Seq: 2, Time: start.Add(time.Second), Body: event.FaultEnded{ID: "f1", Cause: "failed", Error: "no"}}, l)
	if r := all.Find("f1"); !r.Closed || r.Status() != "failed" || r.Outcome() != "The fault could not be made." {
		t.Errorf("%s %q %+v", r.Status(), r.Outcome(), r)
	}
	all.Apply(event.Event{Seq: 3, Time: start, Body: event.FaultInjected{ID: "f2", Kind: "squeeze", Text: "squeeze w1 cpu 1", Nodes: []string{"w1"}}}, l)
	all.Apply(event.Event{Seq: 4, Time: start.Add(time.Second), Body: event.FaultVerified{ID: "f2", Verdict: event.FaultLanded}}, l)
	all.Apply(event.Event{Seq: 5, Time: start.Add(9 * time.Second), Body: event.Probe{Target: "api-read", OK: true}}, l)
	r := all.Find("f2")
	if r.Closed || r.Outcome() != "Nothing had to recover." || r.Hop(Green).Moot != "no probe failed" {
		t.Errorf("%q %+v", r.Outcome(), r)
	}
	// An election nobody expected may belong to it.
	all.Apply(event.Event{Seq: 6, Time: start.Add(20 * time.Second), Body: event.RaftRole{Node: "c2", Role: event.RaftLeader, Term: 3}}, l)
	if h := r.Hop(Leader); h == nil || !h.Inferred || !r.Recovered.IsZero() {
		t.Errorf("%+v", r)
	}
}
