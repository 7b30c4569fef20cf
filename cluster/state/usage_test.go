package state

import (
	"testing"
	"time"

	"workbench/cluster/event"
)

// TestPodUsageOfAMirror holds that a static pod is found by the UID it has on its
// node: its mirror in the API has another.
func TestPodUsageOfAMirror(t *testing.T) {
	w := New()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w.Apply(event.Event{Seq: 1, Time: at, Body: event.LabTopology{Nodes: []event.TopologyNode{{Name: "w1"}}}})
	w.Apply(event.Event{Seq: 2, Time: at, Body: event.ComponentUsage{Node: "w1", ByPod: map[string]event.PodUsage{
		"plain": {Usage: event.Usage{MemoryBytes: 1 << 20}}, "hash": {Usage: event.Usage{MemoryBytes: 2 << 20}},
	}}})
	for _, c := range []struct {
		pod  event.KubePod
		want int64
	}{
		{event.KubePod{Meta: event.Meta{UID: "plain"}, Node: "w1"}, 1 << 20},
		{event.KubePod{Meta: event.Meta{UID: "mirror"}, Node: "w1", ConfigHash: "hash"}, 2 << 20},
	} {
		if u := w.PodUsage(&c.pod); u == nil || u.Last().MemoryBytes != c.want {
			t.Errorf("pod %s uses %+v, want %d bytes", c.pod.UID, u, c.want)
		}
	}
	for _, pod := range []event.KubePod{{Meta: event.Meta{UID: "plain"}}, {Meta: event.Meta{UID: "other"}, Node: "w1"}} {
		if u := w.PodUsage(&pod); u != nil {
			t.Errorf("pod %s on %q uses %+v", pod.UID, pod.Node, u)
		}
	}
}
