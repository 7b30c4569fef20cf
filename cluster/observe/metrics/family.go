// Package metrics reads what components say of themselves at their /metrics, from
// inside their node and with the supervisor's own credentials.
//
//	component --HTTP, only the families asked for--> Parse --what changed--> component.metrics
//
// A component gathers all of its metrics whenever it is asked, but writes only
// those that are named in the request (promhttp's name[]), so that reading them
// costs little more than gathering.
package metrics

import (
	"maps"
	"slices"
)

// families are the metrics that are read, by name, with the labels to keep.
type families map[string][]string

// process are the families that every component has.
func process() families {
	return families{
		"process_start_time_seconds": nil, "process_cpu_seconds_total": nil, "process_resident_memory_bytes": nil,
		"process_open_fds": nil, "go_goroutines": nil,
	}
}

// controllers are the families of whatever runs controllers.
func controllers() families {
	return families{
		"workqueue_depth": {"name"}, "workqueue_adds_total": {"name"}, "workqueue_retries_total": {"name"},
		"workqueue_queue_duration_seconds": {"name"}, "workqueue_work_duration_seconds": {"name"},
		"leader_election_master_status": {"name"}, "rest_client_requests_total": {"code"},
	}
}

// read are the families of a component; nil for one that has no metrics.
func read(component string) families {
	var own families
	switch component {
	case "kube-apiserver":
		const level = "priority_level"
		own = families{
			"apiserver_request_total": {"verb", "code"}, "apiserver_current_inflight_requests": {"request_kind"},
			"apiserver_longrunning_requests":                      {"verb"},
			"apiserver_flowcontrol_current_executing_requests":    {level},
			"apiserver_flowcontrol_current_executing_seats":       {level},
			"apiserver_flowcontrol_current_inqueue_requests":      {level},
			"apiserver_flowcontrol_nominal_limit_seats":           {level},
			"apiserver_flowcontrol_dispatched_requests_total":     {level},
			"apiserver_flowcontrol_rejected_requests_total":       {level},
			"apiserver_flowcontrol_request_wait_duration_seconds": {level},
			"apiserver_flowcontrol_request_execution_seconds":     {level},
		}
	case "kube-controller-manager", "cloud-controller-manager":
		own = controllers()
	case "kube-scheduler":
		own = families{
			"scheduler_pending_pods": {"queue"}, "scheduler_schedule_attempts_total": {"result"},
			"scheduler_scheduling_attempt_duration_seconds": {"result"}, "scheduler_cache_size": {"type"},
			"scheduler_preemption_attempts_total": nil, "scheduler_queue_incoming_pods_total": {"event"},
			"leader_election_master_status": {"name"}, "rest_client_requests_total": {"code"},
		}
	case "etcd":
		own = families{
			"etcd_server_is_leader": nil, "etcd_server_has_leader": nil, "etcd_server_leader_changes_seen_total": nil,
			"etcd_server_proposals_committed_total": nil, "etcd_server_proposals_applied_total": nil,
			"etcd_server_proposals_pending": nil, "etcd_server_proposals_failed_total": nil, "etcd_server_slow_apply_total": nil,
			"etcd_mvcc_db_total_size_in_bytes": nil, "etcd_mvcc_db_total_size_in_use_in_bytes": nil,
			"etcd_debugging_mvcc_keys_total": nil, "etcd_debugging_mvcc_watcher_total": nil,
			"etcd_disk_wal_fsync_duration_seconds": nil, "etcd_disk_backend_commit_duration_seconds": nil,
			"etcd_network_client_grpc_received_bytes_total": nil, "etcd_network_client_grpc_sent_bytes_total": nil,
			"grpc_server_handled_total": {"grpc_method"},
		}
	case "kubelet":
		own = families{
			"kubelet_running_pods": nil, "kubelet_running_containers": {"container_state"},
			"kubelet_pleg_relist_duration_seconds": nil, "kubelet_pod_start_duration_seconds": nil,
			"kubelet_runtime_operations_total": {"operation_type"}, "kubelet_runtime_operations_errors_total": {"operation_type"},
			"kubelet_runtime_operations_duration_seconds": {"operation_type"}, "rest_client_requests_total": {"code"},
		}
	case "kube-proxy":
		own = families{
			"kubeproxy_sync_proxy_rules_duration_seconds": nil, "kubeproxy_network_programming_duration_seconds": nil,
			"kubeproxy_sync_proxy_rules_endpoint_changes_total": nil, "kubeproxy_sync_proxy_rules_service_changes_total": nil,
			"kubeproxy_sync_proxy_rules_iptables_total": {"table"}, "rest_client_requests_total": {"code"},
		}
	default:
		return nil
	}
	maps.Copy(own, process())
	return own
}

// names are the families in order.
func (f families) names() []string { return slices.Sorted(maps.Keys(f)) }

// address is where a component has its metrics, in its node; "" for one that has
// none.
func address(component string) string {
	switch component {
	case "etcd":
		return "http://127.0.0.1:2381/metrics"
	case "kube-apiserver":
		return "https://127.0.0.1:6443/metrics"
	case "kube-controller-manager":
		return "https://127.0.0.1:10257/metrics"
	case "cloud-controller-manager":
		return "https://127.0.0.1:10258/metrics"
	case "kube-scheduler":
		return "https://127.0.0.1:10259/metrics"
	case "kubelet":
		return "https://127.0.0.1:10250/metrics"
	case "kube-proxy":
		return "http://127.0.0.1:10249/metrics"
	}
	return ""
}
