package recovery_test

import (
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/recovery"
	"workbench/cluster/state"
)

// TestKindsOfTheGrammar holds that the reports know what the kinds of faults, as
// the grammar has them, take from a lab.
func TestKindsOfTheGrammar(t *testing.T) {
	silent := map[string]string{
		fault.Kill: "kill w1", fault.Freeze: "freeze w1/kubelet", fault.Stop: "stop w1", fault.CrashLoop: "crashloop w1/kubelet",
		fault.Cut: "cut w1 c1", fault.Partition: "partition w1/c1", fault.Loss: "loss w1 c1 100%",
		fault.CertExpire: "cert-expire w1/kubelet",
	}
	other := map[string]string{
		fault.Delay: "delay w1 c1 80ms", fault.Rate: "rate w1 c1 10mbit", fault.CutOff: "outside w1", fault.Squeeze: "squeeze w1 cpu 0.2",
		fault.Cordon: "cordon w1", fault.Drain: "drain w1", fault.PodKill: "pod-kill default/web", fault.PodOOM: "pod-oom default/web",
		fault.ImageGone:    "image-gone web:1 w1",
		fault.EtcdLoseDisk: "etcd-lose-disk c1", fault.EtcdCorrupt: "etcd-corrupt c1",
		fault.DiskFull: "disk-full w1",
	}
	if known := len(silent) + len(other); known != len(fault.Kinds()) {
		t.Errorf("%d kinds are known here, the grammar has %d", known, len(fault.Kinds()))
	}
	for i, set := range []map[string]string{silent, other} {
		for kind, text := range set {
			r := after(t, text)
			if awaited := r.Hop(recovery.NotReady) != nil; awaited != (i == 0) {
				t.Errorf("%s: NotReady awaited is %v", text, awaited)
			}
			evicted, again := r.Hop(recovery.Evicted) != nil, kind == fault.PodKill || kind == fault.PodOOM
			if want := i == 0 || kind == fault.Drain; evicted != want || (r.Hop(recovery.Ready) != nil) != (want || again) {
				t.Errorf("%s: eviction awaited is %v: %+v", text, evicted, r.Hops)
			}
		}
	}
}

// TestGracefulShutdown holds that a stop lands when the node is told of it, and that
// a pod which its kubelet ends counts as one that is gone.
func TestGracefulShutdown(t *testing.T) {
	w := struck(t, "stop w1")
	r := w.Recovery.Find("last")
	end := event.KubePod{Meta: event.Meta{Namespace: "default", Name: "web", UID: "1", Owner: "ReplicaSet/web-7c"}, Node: "w1", Phase: "Failed", Reason: "Terminated"}
	for i, body := range []event.Body{
		event.NodeShutdown{Node: "w1", Phase: event.ShutdownAnnounced, Waits: []string{"kubelet"}},
		event.KubeNode{Meta: event.Meta{Name: "w1"}, Ready: "False"},
		end,
		event.NodeShutdown{Node: "w1", Phase: event.ShutdownReleased},
		event.NodeState{Node: "w1", State: event.NodeStopped},
	} {
		w.Apply(event.Event{Time: at.Add(time.Duration(i+1) * time.Second), Body: body})
	}
	for hop, want := range map[string]time.Duration{recovery.Landed: 1, recovery.NotReady: 2, recovery.Evicted: 3} {
		if h := r.Hop(hop); h == nil || !h.At.Equal(at.Add(want*time.Second)) {
			t.Errorf("%s is %+v, want it after %d s", hop, h, want)
		}
	}
	if !r.Undone.IsZero() {
		t.Error("the end of the node undoes its stop")
	}
}

var at = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// after is the report of a fault.
func after(t *testing.T, text string) *recovery.Report {
	t.Helper()
	return struck(t, text).Recovery.Find("last")
}

// struck is a lab of one control plane and one worker, with a pod, and a fault.
func struck(t *testing.T, text string) *state.World {
	t.Helper()
	nodes := []event.TopologyNode{
		{Name: "c1", Role: event.ControlPlane, Components: []string{"etcd", "kube-apiserver"}},
		{Name: "w1", Role: event.Worker, Components: []string{"containerd", "kubelet", "kube-proxy"}},
	}
	w := state.New()
	for _, body := range []event.Body{
		event.LabTopology{Name: "lab", Nodes: nodes, GracePeriod: time.Second},
		event.KubeNode{Meta: event.Meta{Name: "w1"}, Ready: "True"},
		event.KubePod{Meta: event.Meta{Namespace: "default", Name: "web", UID: "1", Owner: "ReplicaSet/web-7c"}, Node: "w1", Ready: true},
		event.KubePod{Meta: event.Meta{Namespace: "default", Name: "log", UID: "2", Owner: "DaemonSet/log"}, Node: "w1", Ready: true},
		event.KubePod{Meta: event.Meta{Namespace: "default", Name: "own", UID: "3"}, Node: "w1", Ready: true, Stays: true},
	} {
		w.Apply(event.Event{Time: at, Body: body})
	}
	request, err := fault.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fault.Resolve(request, fault.Lab{Nodes: nodes, Pods: []string{"default/web"}})
	if err != nil {
		t.Fatal(err)
	}
	w.Apply(event.Event{Time: at, Body: f})
	return w
}
