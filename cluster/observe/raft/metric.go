package raft

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// registered is the collector that etcd registered under the description of a
// like one: Prometheus hands it over when a second is registered. A read of it
// costs microseconds, where gathering all of etcd's metrics costs milliseconds.
// The descriptions below are etcd's, help text included; nil where etcd has no
// such metric.
func registered[C prometheus.Collector](like C) (found C) {
	err := prometheus.Register(like)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		found, _ = already.ExistingCollector.(C)
		return found
	}
	if err == nil {
		prometheus.Unregister(like)
	}
	return found
}

// sendFailures is how many messages to each member, by ID, rafthttp gave up on
// since the process began: no stream, full buffer, failed request.
// Source: server/etcdserver/api/rafthttp/metrics.go.
func sendFailures() map[string]float64 {
	vec := registered(prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "etcd", Subsystem: "network", Name: "peer_sent_failures_total",
		Help: "The total number of send failures from peers.",
	}, []string{"To"}))
	if vec == nil {
		return nil
	}
	out := map[string]float64{}
	metrics := make(chan prometheus.Metric, 64)
	go func() { defer close(metrics); vec.Collect(metrics) }()
	for metric := range metrics {
		var m dto.Metric
		if metric.Write(&m) != nil {
			continue
		}
		for _, label := range m.GetLabel() {
			if label.GetName() == "To" {
				out[label.GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}
