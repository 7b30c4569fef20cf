package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// TestKubeletIsWhatItLastTold folds reports of a kubelet through its restart.
func TestKubeletIsWhatItLastTold(t *testing.T) {
	w := state.New()
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	apply := func(b event.Body) {
		at = at.Add(time.Second)
		w.Apply(event.Event{Time: at, Body: b})
	}
	probe := func(kind, result string, ok uint64) event.KubeletProbe {
		return event.KubeletProbe{UID: "u1", Namespace: "shop", Pod: "web", Container: "app", Kind: kind, Result: result, Successful: ok}
	}
	tmpfs := []event.KubeletVolume{{Plugin: "kubernetes.io~secret", Name: "key", FS: "tmpfs", Source: "tmpfs"}}
	apply(event.LabTopology{Nodes: []event.TopologyNode{{Name: "w1", Role: event.Worker, Components: []string{"kubelet"}}}})
	apply(event.KubeletProbes{Node: "w9", Fresh: true}) // no such node
	apply(event.KubeletProbes{Node: "w1", Fresh: true, Probes: []event.KubeletProbe{probe("Readiness", event.ProbeSuccessful, 1), probe("Liveness", event.ProbeFailed, 0)}})
	since := at
	apply(event.KubeletProbes{Node: "w1", Probes: []event.KubeletProbe{probe("Readiness", event.ProbeSuccessful, 9), probe("Liveness", event.ProbeSuccessful, 1)}})
	apply(event.KubeletVolumes{Node: "w1", Fresh: true, Pods: []event.KubeletPodVolumes{{UID: "u1", Volumes: tmpfs}, {UID: "u2", Volumes: tmpfs}}})
	apply(event.KubeletVolumes{Node: "w1", Pods: []event.KubeletPodVolumes{{UID: "u2"}}})
	want := &state.Kubelet{
		Probes: []state.KubeletProbe{
			{KubeletProbe: probe("Liveness", event.ProbeSuccessful, 1), Since: since.Add(time.Second)},
			{KubeletProbe: probe("Readiness", event.ProbeSuccessful, 9), Since: since},
		},
		Volumes: map[string][]event.KubeletVolume{"u1": tmpfs},
	}
	if diff := cmp.Diff(want, w.Nodes["w1"].Kubelet); diff != "" {
		t.Error(diff)
	}
	gone := probe("Liveness", event.ProbeSuccessful, 1)
	gone.Gone = true
	apply(event.KubeletProbes{Node: "w1", Probes: []event.KubeletProbe{gone}})
	if got := w.Nodes["w1"].Kubelet.Probes; len(got) != 1 || got[0].Kind != "Readiness" {
		t.Errorf("with the liveness probe gone there are %+v", got)
	}
	for range 10 * state.MaxContainerEvents {
		apply(event.ContainerEvent{Node: "w1", What: event.ContainerStarted, ID: "a"})
	}
	if n := len(w.Nodes["w1"].Containers); n < state.MaxContainerEvents || n > 2*state.MaxContainerEvents {
		t.Errorf("%d container events are kept", n)
	}
	apply(event.ComponentState{Node: "w1", Component: "kubelet", State: event.ComponentExited})
	if w.Nodes["w1"].Kubelet != nil {
		t.Errorf("of a kubelet that ended is known %+v", w.Nodes["w1"].Kubelet)
	}
	if len(w.Nodes["w1"].Containers) == 0 {
		t.Error("what containerd told is gone with the kubelet")
	}
}
