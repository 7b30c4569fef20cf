package screen

import (
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

func world(bodies ...event.Body) (*state.World, time.Time) {
	at := time.Date(2026, 1, 2, 10, 42, 0, 0, time.UTC)
	w := state.New()
	apply := func(b event.Body) {
		w.Apply(event.Event{Seq: w.Seq + 1, Time: at, Body: b})
	}
	apply(event.LabTopology{Name: "demo", GracePeriod: 8 * time.Second, EvictionDelay: 2 * time.Second, Nodes: []event.TopologyNode{
		{Name: "c1", Role: event.ControlPlane, Components: []string{"etcd"}}, {Name: "w2", Role: event.Worker, Components: []string{"kubelet"}}}})
	apply(event.LabPhase{Phase: event.Running})
	for _, b := range bodies {
		apply(b)
	}
	return w, at
}

func lease(at time.Time) event.KubeLease {
	return event.KubeLease{Meta: event.Meta{Namespace: "kube-node-lease", Name: "w2"}, Holder: "w2", Renewed: at}
}

func TestOutlook(t *testing.T) {
	_, at := world()
	ready := event.KubeNode{Meta: event.Meta{Name: "w2"}, Ready: "True"}
	running := event.NodeState{Node: "w2", State: event.NodeRunning, PID: 9}
	killed := event.NodeState{Node: "w2", State: event.NodeKilled}
	pod := event.KubePod{Meta: event.Meta{Namespace: "demo", Name: "web", Owner: "ReplicaSet/web-1"}, Node: "w2"}
	daemon := event.KubePod{Meta: event.Meta{Namespace: "demo", Name: "agent", Owner: "DaemonSet/agent"}, Node: "w2"}

	w, _ := world(running, ready, lease(at))
	if o := NodeOutlook(w, at.Add(3*time.Second), "w2"); o.Silent || o.LeaseAge != 3*time.Second || Moving(w, at.Add(3*time.Second)) {
		t.Errorf("a node that renews its lease: %+v", o)
	}
	if o := NodeOutlook(w, at.Add(5*time.Second), "w2"); !o.Silent || !o.Overdue || o.NotReadyIn != 3*time.Second {
		t.Errorf("a lease that grows old: %+v", o)
	}
	w, _ = world(running, ready, lease(at), killed)
	if o := NodeOutlook(w, at.Add(time.Second), "w2"); !o.Silent || o.NotReadyIn != 7*time.Second || !Moving(w, at) {
		t.Errorf("a killed node: %+v", o)
	}
	unknown := event.KubeNode{Meta: event.Meta{Name: "w2"}, Ready: "Unknown", Since: at,
		Taints: []event.Taint{{Key: "node.kubernetes.io/unreachable", Effect: "NoExecute", Added: at}}}
	w, _ = world(running, lease(at), killed, unknown, pod, daemon)
	if o := NodeOutlook(w, at.Add(500*time.Millisecond), "w2"); !o.NotReady || !o.Evicting || o.EvictIn != 1500*time.Millisecond || o.Waiting != 1 {
		t.Errorf("before the eviction: %+v", o)
	}
	pod.Deleting = at
	w, _ = world(running, lease(at), killed, unknown, pod, daemon)
	if o := NodeOutlook(w, at.Add(3*time.Second), "w2"); o.Evicting || o.Leaving != 1 || o.Waiting != 0 || Moving(w, at) {
		t.Errorf("after the eviction: %+v", o)
	}
}

func TestFaultOn(t *testing.T) {
	up := event.NodeState{Node: "w2", State: event.NodeRunning, PID: 9}
	kubelet := func(phase event.ComponentPhase, pid int) event.ComponentState {
		return event.ComponentState{Node: "w2", Component: "kubelet", State: phase, PID: pid}
	}
	for _, test := range []struct {
		name   string
		bodies []event.Body
		verb   string
		target string
		want   Intent
	}{
		{"kill a node", []event.Body{up}, "kill", "w2", Fault{"node.kill", "w2"}},
		{"stop a node", []event.Body{up}, "stop", "w2", Fault{"node.stop", "w2"}},
		{"start a killed node", []event.Body{event.NodeState{Node: "w2", State: event.NodeKilled}}, "start", "w2", Act{"node.start", "w2"}},
		{"start a running node", []event.Body{up}, "start", "w2", nil},
		{"kill a killed node", []event.Body{event.NodeState{Node: "w2", State: event.NodeKilled}}, "kill", "w2", nil},
		{"resume a node", []event.Body{event.NodeState{Node: "w2", State: event.NodePaused, PID: 9}}, "pause", "w2", Act{"node.resume", "w2"}},
		{"kill a component", []event.Body{up, kubelet(event.ComponentReady, 4)}, "kill", "w2/kubelet", Fault{"component.kill", "w2/kubelet"}},
		{"restart a component", []event.Body{up, kubelet(event.ComponentReady, 4)}, "restart", "w2/kubelet", Fault{"component.restart", "w2/kubelet"}},
		{"start a held component", []event.Body{up, kubelet(event.ComponentStopped, 0)}, "start", "w2/kubelet", Act{"component.start", "w2/kubelet"}},
		{"resume a component", []event.Body{up, kubelet(event.ComponentPaused, 4)}, "pause", "w2/kubelet", Act{"component.resume", "w2/kubelet"}},
		{"stop a component", []event.Body{up, kubelet(event.ComponentReady, 4)}, "stop", "w2/kubelet", nil},
		{"start on a dead node", []event.Body{up, event.NodeState{Node: "w2", State: event.NodeKilled}}, "start", "w2/kubelet", nil},
		{"nothing", nil, "kill", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, _ := world(test.bodies...)
			got := FaultOn(w, test.verb, test.target)
			if _, note := got.(Note); note && test.want == nil {
				return
			}
			if got != test.want {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestEquivalent(t *testing.T) {
	w, _ := world(event.NodeState{Node: "w2", State: event.NodeRunning, PID: 4711},
		event.ComponentState{Node: "w2", Component: "kubelet", State: event.ComponentReady, PID: 12})
	for _, test := range []struct{ verb, target, command, meaning string }{
		{"node.kill", "w2", "workbench node kill w2", "kill -9 4711"},
		{"node.pause", "w2", "workbench node pause w2", "nsenter -t 4711 -p kill -STOP -1"},
		{"node.start", "w2", "workbench node start w2", ""},
		{"component.kill", "w2/kubelet", "workbench component kill w2/kubelet", "nsenter -t 4711 -p kill -KILL 12"},
		{"component.resume", "w2/kubelet", "workbench component resume w2/kubelet", "nsenter -t 4711 -p kill -CONT 12"},
		{"node.kill", "c1", "workbench node kill c1", ""},
	} {
		if command, meaning := Equivalent(w, test.verb, test.target); command != test.command || meaning != test.meaning {
			t.Errorf("%s %s: got %q and %q", test.verb, test.target, command, meaning)
		}
	}
}

func TestUndo(t *testing.T) {
	act := func(verb, target string) event.Action { return event.Action{Verb: verb, Target: target} }
	for _, test := range []struct {
		name string
		did  []event.Body
		want Intent
	}{
		{"nothing", nil, nil},
		{"the last", []event.Body{act("node.kill", "w2"), act("component.pause", "c1/etcd")}, Act{"component.resume", "c1/etcd"}},
		{"what is mended is not undone again", []event.Body{act("node.kill", "w2"), act("component.pause", "c1/etcd"), act("component.resume", "c1/etcd")}, Act{"node.start", "w2"}},
		{"what was refused did nothing", []event.Body{event.Action{Verb: "node.kill", Target: "w2", Error: "no"}}, nil},
		{"killed again", []event.Body{act("node.kill", "w2"), act("node.start", "w2"), act("node.kill", "w2")}, Act{"node.start", "w2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, _ := world(test.did...)
			if got := Undo(w); got != test.want {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	w, _ := world()
	cx := &Context{World: w, Selection: &Selection{}}
	if got := cx.Target(); got != "c1" {
		t.Errorf("without a choice the first node is meant, not %q", got)
	}
	cx.Selection.Node = "w2"
	if got := cx.Target(); got != "w2" {
		t.Errorf("got %q", got)
	}
	cx.Selection.InComponents = true
	if got := cx.Target(); got != "w2/kubelet" {
		t.Errorf("got %q", got)
	}
	if got := (&Context{World: state.New(), Selection: &Selection{}}).Target(); got != "" {
		t.Errorf("an empty world has no target, not %q", got)
	}
}

func TestListMoves(t *testing.T) {
	keys := NewListKeys()
	for _, test := range []struct {
		msg      tea.Msg
		from, to int
		moves    bool
	}{
		{tea.KeyPressMsg{Code: 'j', Text: "j"}, 3, 4, true}, {tea.KeyPressMsg{Code: tea.KeyUp}, 0, 0, true},
		{tea.KeyPressMsg{Code: 'G', Text: "G"}, 3, 9, true}, {tea.KeyPressMsg{Code: tea.KeyPgDown}, 3, 9, true},
		{tea.MouseWheelMsg{Button: tea.MouseWheelUp}, 3, 2, true}, {tea.KeyPressMsg{Code: 'x', Text: "x"}, 3, 3, false},
	} {
		if to, ok := keys.Move(test.msg, test.from, 10); to != test.to || ok != test.moves {
			t.Errorf("%v: got %d, %v", test.msg, to, ok)
		}
	}
}
