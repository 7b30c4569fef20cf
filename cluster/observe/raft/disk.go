package raft

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/storage"

	"workbench/cluster/event"
)

// diskEvery is the interval of reports about the disk.
const diskEvery = 2 * time.Second

// disk reports how long a member's disk takes and how large its database is.
type disk struct {
	tap           *Tap
	fsync, commit prometheus.Histogram // nil where etcd has none such
	fsyncs        dto.Histogram        // as last reported
	commits       dto.Histogram
	at            time.Time
	last          event.RaftDisk
}

// newDisk finds etcd's histograms; see server/storage/wal/metrics.go and
// server/storage/backend/metrics.go.
func newDisk(tap *Tap) *disk {
	like := func(name, help string) prometheus.Histogram {
		return registered(prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "etcd", Subsystem: "disk", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}))
	}
	return &disk{
		tap:    tap,
		fsync:  like("wal_fsync_duration_seconds", "The latency distributions of fsync called by WAL."),
		commit: like("backend_commit_duration_seconds", "The latency distributions of commit called by backend."),
	}
}

// report emits the last interval, if it is time and anything changed.
func (d *disk) report(now time.Time, server *etcdserver.EtcdServer) {
	if now.Sub(d.at) < diskEvery {
		return
	}
	e := event.RaftDisk{Node: d.tap.node, QuotaBytes: server.Cfg.QuotaBackendBytes, Took: now.Sub(d.at).Round(time.Millisecond)}
	if e.QuotaBytes == 0 {
		e.QuotaBytes = storage.DefaultQuotaBytes
	}
	if d.at.IsZero() {
		e.Took = 0
	}
	if be := server.Backend(); be != nil {
		e.DBBytes, e.DBInUse = be.Size(), be.SizeInUse()
	}
	e.Fsync, e.Commit = interval(d.fsync, &d.fsyncs), interval(d.commit, &d.commits)
	d.at = now
	same := e
	same.Took = d.last.Took
	if same == d.last && e.Fsync.Count == 0 {
		return
	}
	d.last = e
	d.tap.out.Emit(now, e)
}

// interval is what a histogram counted since before, which it updates.
func interval(h prometheus.Histogram, before *dto.Histogram) event.RaftLatency {
	var m dto.Metric
	if h == nil || h.Write(&m) != nil || m.GetHistogram() == nil {
		return event.RaftLatency{}
	}
	now := m.GetHistogram()
	out := event.RaftLatency{Count: int(now.GetSampleCount() - before.GetSampleCount())}
	if out.Count > 0 {
		out.Mean = seconds((now.GetSampleSum() - before.GetSampleSum()) / float64(out.Count))
		out.P50, out.P99 = quantile(now, before, 0.5), quantile(now, before, 0.99)
	}
	before.SampleCount, before.SampleSum, before.Bucket = now.SampleCount, now.SampleSum, now.Bucket
	return out
}

// quantile is the upper bound of the bucket in which a quantile lies; -1 where
// that is the last one, which has none.
func quantile(now, before *dto.Histogram, q float64) time.Duration {
	old := func(i int) uint64 {
		if i < len(before.GetBucket()) {
			return before.GetBucket()[i].GetCumulativeCount()
		}
		return 0
	}
	want := uint64(math.Ceil(q * float64(now.GetSampleCount()-before.GetSampleCount())))
	for i, b := range now.GetBucket() {
		if b.GetCumulativeCount()-old(i) >= want {
			return seconds(b.GetUpperBound())
		}
	}
	return -1
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
