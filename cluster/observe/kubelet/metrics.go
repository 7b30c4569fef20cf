package kubelet

import (
	"cmp"
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"workbench/cluster/event"
)

// Names of the metrics, which kubelet and its prober give them.
const (
	metricProbes   = "prober_probe_total"
	metricSyncs    = "kubelet_pod_worker_duration_seconds"
	metricRelist   = "kubelet_pleg_relist_duration_seconds"
	metricInterval = "kubelet_pleg_relist_interval_seconds"
)

type probeID struct{ uid, container, kind string }

// changedProbes are the probes that came to another result than was told, those
// that are gone, and with counts also those that were made again.
func (t *Tap) changedProbes(families []*dto.MetricFamily, counts bool) []event.KubeletProbe {
	now := probesOf(families)
	var changed []event.KubeletProbe
	for id, p := range now {
		p.Result = result(t.seen[id], p)
		now[id] = p
		if told, known := t.told[id]; !known || p.Result != told.Result || counts && p != told {
			changed = append(changed, p)
			t.told[id] = p
		}
	}
	for id, p := range t.told {
		if _, there := now[id]; !there {
			p.Gone = true
			changed = append(changed, p)
			delete(t.told, id)
		}
	}
	t.seen = now
	slices.SortFunc(changed, func(a, b event.KubeletProbe) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.UID, b.UID),
			cmp.Compare(a.Container, b.Container), cmp.Compare(a.Kind, b.Kind))
	})
	return changed
}

// result is the worst of what a probe came to since it was seen before.
func result(before, now event.KubeletProbe) string {
	switch {
	case now.Failed > before.Failed:
		return event.ProbeFailed
	case now.Unknown > before.Unknown:
		return event.ProbeUnknown
	case now.Successful > before.Successful:
		return event.ProbeSuccessful
	}
	return before.Result
}

func probesOf(families []*dto.MetricFamily) map[probeID]event.KubeletProbe {
	probes := map[probeID]event.KubeletProbe{}
	for _, m := range named(families, metricProbes) {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		id := probeID{labels["pod_uid"], labels["container"], labels["probe_type"]}
		p := probes[id]
		p.UID, p.Namespace, p.Pod, p.Container, p.Kind = id.uid, labels["namespace"], labels["pod"], id.container, id.kind
		count := uint64(m.GetCounter().GetValue())
		switch labels["result"] {
		case event.ProbeSuccessful:
			p.Successful = count
		case event.ProbeFailed:
			p.Failed = count
		case event.ProbeUnknown:
			p.Unknown = count
		}
		probes[id] = p
	}
	return probes
}

// syncOf is how the sync loop does.
func syncOf(node string, families []*dto.MetricFamily) event.KubeletSync {
	s := event.KubeletSync{Node: node}
	for _, m := range named(families, metricSyncs) {
		for _, l := range m.GetLabel() {
			if l.GetName() == "operation_type" && m.GetHistogram().GetSampleCount() > 0 {
				if s.Syncs == nil {
					s.Syncs = map[string]event.KubeletWork{}
				}
				s.Syncs[l.GetValue()] = work(m.GetHistogram())
			}
		}
	}
	for _, m := range named(families, metricRelist) {
		s.Relist = work(m.GetHistogram())
	}
	for _, m := range named(families, metricInterval) {
		s.Interval = work(m.GetHistogram()).Mean
	}
	return s
}

func work(h *dto.Histogram) event.KubeletWork {
	w := event.KubeletWork{Count: h.GetSampleCount()}
	if w.Count > 0 {
		w.Mean = time.Duration(h.GetSampleSum() / float64(w.Count) * float64(time.Second)).Round(time.Microsecond)
	}
	return w
}

// sameWork says that nothing was done but listing, which goes on all the time.
func sameWork(a, b event.KubeletSync) bool { return maps.Equal(a.Syncs, b.Syncs) }

func named(families []*dto.MetricFamily, name string) []*dto.Metric {
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	return nil
}
