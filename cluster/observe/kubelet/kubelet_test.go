package kubelet

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"workbench/cluster/event"
)

// kubelet is a registry with a kubelet's metrics, and a tap that reads it.
type kubelet struct {
	probes *prometheus.CounterVec
	syncs  *prometheus.HistogramVec
	relist prometheus.Histogram
	tap    *Tap
	told   []event.Body
}

func newKubelet(t *testing.T) *kubelet {
	k := &kubelet{
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricProbes}, []string{"probe_type", "result", "container", "pod", "namespace", "pod_uid"}),
		syncs:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: metricSyncs}, []string{"operation_type"}),
		relist: prometheus.NewHistogram(prometheus.HistogramOpts{Name: metricRelist}),
	}
	r := prometheus.NewRegistry()
	r.MustRegister(k.probes, k.syncs, k.relist)
	dir := t.TempDir()
	k.tap = &Tap{
		Node: "w1", Gather: func() ([]*dto.MetricFamily, error) { return r.Gather() },
		Pods: filepath.Join(dir, "pods"), Mounts: filepath.Join(dir, "mountinfo"),
		Emit: func(_ time.Time, b event.Body) { k.told = append(k.told, b) },
	}
	return k
}

// reads reads once and compares what was told.
func (k *kubelet) reads(t *testing.T, volumes, counts bool, want ...event.Body) {
	t.Helper()
	k.told = nil
	k.tap.read(time.Unix(1, 0), volumes, counts)
	if diff := cmp.Diff(want, k.told); diff != "" {
		t.Error(diff)
	}
}

func TestProbesAreToldWhenTheyChange(t *testing.T) {
	k := newKubelet(t)
	probe := func(result string) { k.probes.WithLabelValues("Liveness", result, "app", "web", "shop", "u1").Inc() }
	says := func(fresh bool, change func(*event.KubeletProbe)) event.Body {
		p := event.KubeletProbe{UID: "u1", Namespace: "shop", Pod: "web", Container: "app", Kind: "Liveness"}
		change(&p)
		return event.KubeletProbes{Node: "w1", Fresh: fresh, Probes: []event.KubeletProbe{p}}
	}
	k.reads(t, false, false, event.KubeletProbes{Node: "w1", Fresh: true})
	probe(event.ProbeSuccessful)
	k.reads(t, false, false, says(false, func(p *event.KubeletProbe) { p.Result, p.Successful = event.ProbeSuccessful, 1 }))
	probe(event.ProbeSuccessful)
	k.reads(t, false, false)
	probe(event.ProbeFailed)
	probe(event.ProbeSuccessful) // within the same second: the worst counts
	k.reads(t, false, false, says(false, func(p *event.KubeletProbe) { p.Result, p.Successful, p.Failed = event.ProbeFailed, 3, 1 }))
	probe(event.ProbeFailed)
	k.reads(t, false, false)
	k.reads(t, false, true, says(false, func(p *event.KubeletProbe) { p.Result, p.Successful, p.Failed = event.ProbeFailed, 3, 2 }))
	k.reads(t, false, true)
	k.probes.Reset()
	k.reads(t, false, false, says(false, func(p *event.KubeletProbe) { p.Result, p.Successful, p.Failed, p.Gone = event.ProbeFailed, 3, 2, true }))
}

func TestTheSyncLoopIsToldWhenItWorked(t *testing.T) {
	k := newKubelet(t)
	k.reads(t, false, false, event.KubeletProbes{Node: "w1", Fresh: true})
	k.syncs.WithLabelValues("create").Observe(0.2)
	k.syncs.WithLabelValues("create").Observe(0.4)
	k.relist.Observe(0.001)
	k.reads(t, false, true, event.KubeletSync{
		Node: "w1", Syncs: map[string]event.KubeletWork{"create": {Count: 2, Mean: 300 * time.Millisecond}},
		Relist: event.KubeletWork{Count: 1, Mean: time.Millisecond},
	})
	k.relist.Observe(0.001) // it lists all the time
	k.reads(t, false, true)
}

func TestVolumesAreToldWhenTheyChange(t *testing.T) {
	k := newKubelet(t)
	volumes := filepath.Join(k.tap.Pods, "u1", "volumes")
	secret := filepath.Join(volumes, "kubernetes.io~secret", "key")
	for _, dir := range []string{secret, filepath.Join(volumes, "kubernetes.io~empty-dir", "scratch")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	table := "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n90 22 0:50 / " + secret + " rw,relatime shared:3 - tmpfs tmpfs rw\n"
	if err := os.WriteFile(k.tap.Mounts, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	k.reads(t, true, false, event.KubeletProbes{Node: "w1", Fresh: true}, event.KubeletVolumes{Node: "w1", Fresh: true, Pods: []event.KubeletPodVolumes{
		{UID: "u1", Volumes: []event.KubeletVolume{
			{Plugin: "kubernetes.io~empty-dir", Name: "scratch"}, {Plugin: "kubernetes.io~secret", Name: "key", FS: "tmpfs", Source: "tmpfs"},
		}},
	}})
	k.reads(t, true, false)
	if err := os.RemoveAll(filepath.Join(k.tap.Pods, "u1")); err != nil {
		t.Fatal(err)
	}
	k.reads(t, true, false, event.KubeletVolumes{Node: "w1", Pods: []event.KubeletPodVolumes{{UID: "u1"}}})
}
