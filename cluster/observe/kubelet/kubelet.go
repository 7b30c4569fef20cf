// Package kubelet tells what a kubelet does, from inside it: its sync loop and its
// probes from its own metrics, and the volumes it has set up.
//
//	every second: metrics -> probes that changed; every 2 s: volumes that changed;
//	every 10 s: the sync loop, and the counts of the probes
package kubelet

import (
	"context"
	"time"

	dto "github.com/prometheus/client_model/go"

	"workbench/cluster/event"
)

// How often what is read.
const (
	every        = time.Second
	volumesEvery = 2  // ticks
	countsEvery  = 10 // ticks
)

// Tap reads one kubelet.
type Tap struct {
	Node string
	// Gather reads the metrics named in read.go.
	Gather func() ([]*dto.MetricFamily, error)
	// Pods is the directory of the pods, Mounts the file of the mount table.
	Pods, Mounts string
	Emit         func(at time.Time, body event.Body)

	sync    event.KubeletSync
	seen    map[probeID]event.KubeletProbe // at the last reading
	told    map[probeID]event.KubeletProbe
	volumes map[string][]event.KubeletVolume // as told, by the pod's UID
}

// Run reads until ctx ends.
func (t *Tap) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			t.read(at, n%volumesEvery == 0, n%countsEvery == 0)
		}
	}
}

// read tells what changed. A kubelet that cannot be read tells nothing.
func (t *Tap) read(at time.Time, volumes, counts bool) {
	families, err := t.Gather()
	if err != nil {
		return
	}
	fresh := t.told == nil
	if fresh {
		t.told, t.volumes = map[probeID]event.KubeletProbe{}, map[string][]event.KubeletVolume{}
	}
	if told := t.changedProbes(families, counts); fresh || len(told) > 0 {
		t.Emit(at, event.KubeletProbes{Node: t.Node, Fresh: fresh, Probes: told})
	}
	if counts {
		if now := syncOf(t.Node, families); !sameWork(now, t.sync) {
			t.sync = now
			t.Emit(at, now)
		}
	}
	if !volumes {
		return
	}
	if told := t.changedVolumes(); fresh || len(told) > 0 {
		t.Emit(at, event.KubeletVolumes{Node: t.Node, Fresh: fresh, Pods: told})
	}
}
