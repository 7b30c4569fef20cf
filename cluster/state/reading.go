package state

import "strings"

// Unit is what a reading counts.
type Unit int

// The units of readings.
const (
	PerSecond Unit = iota
	Number
	Millis
	Bytes
)

// Reading is a figure of a component worth a chart. Where there was nothing to
// measure, Of is negative.
type Reading struct {
	Name string
	Unit Unit
	Of   func(*Metrics) float64
}

// Readings are those of a component, the most telling first.
func Readings(component string) []Reading {
	rate := func(title, name string) Reading {
		return Reading{title, PerSecond, func(m *Metrics) float64 { return m.Rates.Sum(name, nil) }}
	}
	value := func(title string, unit Unit, name string) Reading {
		return Reading{title, unit, func(m *Metrics) float64 { return m.Figures.Sum(name, nil) }}
	}
	mean := func(title, name string) Reading {
		return Reading{title, Millis, func(m *Metrics) float64 {
			if v, counted := m.Mean(name, nil); counted {
				return v * 1000
			}
			return -1
		}}
	}
	switch component {
	case "kube-apiserver":
		return []Reading{
			rate("requests", "apiserver_request_total"),
			value("in flight", Number, "apiserver_current_inflight_requests"),
			{"errors", PerSecond, func(m *Metrics) float64 { return m.Rates.Sum("apiserver_request_total", Failed) }},
			value("queued", Number, "apiserver_flowcontrol_current_inqueue_requests"),
			mean("execution", "apiserver_flowcontrol_request_execution_seconds"),
		}
	case "kube-controller-manager", "cloud-controller-manager":
		return []Reading{
			rate("adds", "workqueue_adds_total"), value("depth", Number, "workqueue_depth"),
			mean("wait", "workqueue_queue_duration_seconds"), mean("work", "workqueue_work_duration_seconds"),
			rate("API requests", "rest_client_requests_total"),
		}
	case "kube-scheduler":
		return []Reading{
			rate("attempts", "scheduler_schedule_attempts_total"), value("pending", Number, "scheduler_pending_pods"),
			mean("attempt", "scheduler_scheduling_attempt_duration_seconds"), rate("API requests", "rest_client_requests_total"),
		}
	case "etcd":
		return []Reading{
			rate("proposals", "etcd_server_proposals_committed_total"), mean("fsync", "etcd_disk_wal_fsync_duration_seconds"),
			mean("commit", "etcd_disk_backend_commit_duration_seconds"), rate("gRPC calls", "grpc_server_handled_total"),
			value("database", Bytes, "etcd_mvcc_db_total_size_in_bytes"),
		}
	case "kubelet":
		return []Reading{
			rate("runtime calls", "kubelet_runtime_operations_total"), mean("PLEG relist", "kubelet_pleg_relist_duration_seconds"),
			value("pods", Number, "kubelet_running_pods"), rate("API requests", "rest_client_requests_total"),
		}
	case "kube-proxy":
		return []Reading{
			rate("syncs", "kubeproxy_sync_proxy_rules_duration_seconds_count"), mean("sync", "kubeproxy_sync_proxy_rules_duration_seconds"),
			rate("API requests", "rest_client_requests_total"),
		}
	}
	return nil
}

// Failed matches the label "VERB CODE" of requests that were refused for want of
// room or failed within the server.
func Failed(label string) bool {
	_, code, _ := strings.Cut(label, " ")
	return code == "429" || strings.HasPrefix(code, "5")
}

// VerbOf is the verb of a label "VERB CODE".
func VerbOf(label string) string {
	verb, _, _ := strings.Cut(label, " ")
	return verb
}
