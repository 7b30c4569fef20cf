package components

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// headline is the most telling of a component's figures, in a few words; "" when
// it has said nothing.
func headline(cx *screen.Context, c *state.Component) string {
	m := c.Metrics
	if m == nil {
		return ""
	}
	if name := lease(c.Component); name != "" {
		if m.Figures.Sum("leader_election_master_status", nil) == 0 {
			return "stands by"
		}
	}
	switch c.Component {
	case "kube-apiserver":
		return fmt.Sprintf("%s req/s, %.0f in flight", number(m.Rates.Sum("apiserver_request_total", nil)), m.Figures.Sum("apiserver_current_inflight_requests", nil))
	case "kube-controller-manager", "cloud-controller-manager":
		return fmt.Sprintf("leads, %s adds/s, %.0f queued", number(m.Rates.Sum("workqueue_adds_total", nil)), m.Figures.Sum("workqueue_depth", nil))
	case "kube-scheduler":
		return fmt.Sprintf("leads, %.0f pending", m.Figures.Sum("scheduler_pending_pods", nil))
	case "etcd":
		role := "follows"
		if m.Figures["etcd_server_is_leader"][""] > 0 {
			role = "leads"
		}
		return fmt.Sprintf("%s, %s writes/s, db %s", role, number(m.Rates.Sum("etcd_server_proposals_committed_total", nil)),
			widget.Bytes(int64(m.Figures["etcd_mvcc_db_total_size_in_bytes"][""])))
	case "kubelet":
		return fmt.Sprintf("%s, %s CRI calls/s", widget.Plural(int(m.Figures.Sum("kubelet_running_pods", nil)), "pod"), number(m.Rates.Sum("kubelet_runtime_operations_total", nil)))
	case "kube-proxy":
		return widget.Plural(int(m.Figures.Sum("kubeproxy_sync_proxy_rules_duration_seconds_count", nil)), "rule sync")
	}
	return ""
}

// lease is the name of the Lease that a component's instances compete for; "" for
// one that needs none.
func lease(component string) string {
	switch component {
	case "kube-controller-manager", "cloud-controller-manager", "kube-scheduler":
		return component
	}
	return ""
}

// number is a rate or a count with three digits.
func number(v float64) string {
	switch {
	case v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}

// show writes a value of a unit.
func show(unit state.Unit) func(float64) string {
	switch unit {
	case state.Millis:
		return func(v float64) string { return widget.Short(time.Duration(v * float64(time.Millisecond))) }
	case state.Bytes:
		return func(v float64) string { return widget.Bytes(int64(v)) }
	default:
		return number
	}
}

// charts are the histories of a component: of what it says, then of what it uses.
func charts(cx *screen.Context, c *state.Component) []pane.Chart {
	var out []pane.Chart
	if m := c.Metrics; m != nil {
		for _, r := range state.Readings(c.Component) {
			title := r.Name
			if r.Unit == state.PerSecond {
				title += "/s"
			}
			out = append(out, pane.Chart{Title: title, Values: m.History[r.Name], Span: m.Span(), Style: cx.Styles.Accent, Show: show(r.Unit)})
		}
	}
	use := pane.UsageCharts(cx, &c.Usage)
	return append(out[:min(len(out), 3)], append(use, out[min(len(out), 3):]...)...)
}

// table is one table of figures.
type table struct {
	title   string
	columns []string
	rows    [][]string
}

// tables are a component's figures.
func tables(c *state.Component) []table {
	m := c.Metrics
	switch c.Component {
	case "kube-apiserver":
		return []table{levels(m), verbs(m)}
	case "kube-controller-manager", "cloud-controller-manager":
		return []table{queues(m), requests(m)}
	case "kube-scheduler":
		return []table{pending(m), attempts(m), requests(m)}
	case "etcd":
		return []table{member(m), calls(m)}
	case "kubelet":
		return []table{runtimeCalls(m), requests(m)}
	case "kube-proxy":
		return []table{syncs(m), requests(m)}
	}
	return nil
}

// levels are the priority levels of API Priority and Fairness.
func levels(m *state.Metrics) table {
	const flow = "apiserver_flowcontrol_"
	t := table{title: "Priority levels", columns: []string{"LEVEL", "RUN", "SEATS", "OF", "QUEUED", "REQ/S", "REJECTED", "WAIT", "TAKES"}}
	for _, level := range m.Figures.Labels(flow + "nominal_limit_seats") {
		at := func(name string) string { return number(m.Figures[flow+name][level]) }
		t.rows = append(t.rows, []string{
			level, at("current_executing_requests"), at("current_executing_seats"), at("nominal_limit_seats"), at("current_inqueue_requests"),
			number(m.Rates[flow+"dispatched_requests_total"][level]), at("rejected_requests_total"),
			mean(m, flow+"request_wait_duration_seconds", level), mean(m, flow+"request_execution_seconds", level),
		})
	}
	t.busiest(func(level string) float64 { return m.Figures[flow+"dispatched_requests_total"][level] })
	return t
}

// verbs are the requests by verb.
func verbs(m *state.Metrics) table {
	const name = "apiserver_request_total"
	t := table{title: "Requests", columns: []string{"VERB", "REQ/S", "TOTAL", "FAILED"}}
	var seen []string
	for _, label := range m.Figures.Labels(name) {
		if verb := state.VerbOf(label); !slices.Contains(seen, verb) {
			seen = append(seen, verb)
		}
	}
	of := func(verb string) func(string) bool {
		return func(label string) bool { return state.VerbOf(label) == verb }
	}
	for _, verb := range seen {
		failed := m.Figures.Sum(name, func(label string) bool { return of(verb)(label) && state.Failed(label) })
		t.rows = append(t.rows, []string{verb, number(m.Rates.Sum(name, of(verb))), number(m.Figures.Sum(name, of(verb))), number(failed)})
	}
	t.busiest(func(verb string) float64 { return m.Figures.Sum(name, of(verb)) })
	return t
}

// queues are the work queues of controllers.
func queues(m *state.Metrics) table {
	t := table{title: "Work queues", columns: []string{"QUEUE", "DEPTH", "ADDS/S", "ADDED", "RETRIES", "WAIT", "WORK"}}
	for _, queue := range m.Figures.Labels("workqueue_adds_total") {
		t.rows = append(t.rows, []string{
			queue, number(m.Figures["workqueue_depth"][queue]), number(m.Rates["workqueue_adds_total"][queue]),
			number(m.Figures["workqueue_adds_total"][queue]), number(m.Figures["workqueue_retries_total"][queue]),
			mean(m, "workqueue_queue_duration_seconds", queue), mean(m, "workqueue_work_duration_seconds", queue),
		})
	}
	t.busiest(func(queue string) float64 {
		return m.Figures["workqueue_depth"][queue]*1e9 + m.Rates["workqueue_adds_total"][queue]*1e6 + m.Figures["workqueue_adds_total"][queue]
	})
	return t
}

// requests are those to the API, by the code of the answer.
func requests(m *state.Metrics) table {
	return counter(m, "Requests to the API", "CODE", "rest_client_requests_total")
}

func pending(m *state.Metrics) table {
	t := table{title: "Queues", columns: []string{"QUEUE", "PODS"}}
	for _, queue := range m.Figures.Labels("scheduler_pending_pods") {
		t.rows = append(t.rows, []string{queue, number(m.Figures["scheduler_pending_pods"][queue])})
	}
	for _, kind := range m.Figures.Labels("scheduler_cache_size") {
		t.rows = append(t.rows, []string{"cache: " + strings.ReplaceAll(kind, "_", " "), number(m.Figures["scheduler_cache_size"][kind])})
	}
	return t
}

func attempts(m *state.Metrics) table {
	t := table{title: "Attempts", columns: []string{"RESULT", "PER S", "TOTAL", "TAKES"}}
	for _, result := range m.Figures.Labels("scheduler_schedule_attempts_total") {
		t.rows = append(t.rows, []string{result, number(m.Rates["scheduler_schedule_attempts_total"][result]),
			number(m.Figures["scheduler_schedule_attempts_total"][result]), mean(m, "scheduler_scheduling_attempt_duration_seconds", result)})
	}
	return t
}

// member is an etcd member's state in figures.
func member(m *state.Metrics) table {
	f := func(name string) string { return number(m.Figures["etcd_"+name][""]) }
	size := func(name string) string { return widget.Bytes(int64(m.Figures["etcd_"+name][""])) }
	return table{title: "Member", columns: []string{"FIGURE", "VALUE"}, rows: [][]string{
		{"leader changes seen", f("server_leader_changes_seen_total")},
		{"proposals committed", f("server_proposals_committed_total")},
		{"proposals applied", f("server_proposals_applied_total")},
		{"proposals pending", f("server_proposals_pending")},
		{"proposals failed", f("server_proposals_failed_total")},
		{"slow applies", f("server_slow_apply_total")},
		{"database", size("mvcc_db_total_size_in_bytes")},
		{"database in use", size("mvcc_db_total_size_in_use_in_bytes")},
		{"keys", f("debugging_mvcc_keys_total")},
		{"watchers", f("debugging_mvcc_watcher_total")},
		{"log fsync", mean(m, "etcd_disk_wal_fsync_duration_seconds", "")},
		{"backend commit", mean(m, "etcd_disk_backend_commit_duration_seconds", "")},
	}}
}

func calls(m *state.Metrics) table {
	return counter(m, "Calls", "METHOD", "grpc_server_handled_total")
}

// runtimeCalls are the kubelet's calls to containerd.
func runtimeCalls(m *state.Metrics) table {
	const calls = "kubelet_runtime_operations"
	t := table{title: "Calls to the runtime", columns: []string{"CALL", "PER S", "TOTAL", "ERRORS", "TAKES"}}
	for _, call := range m.Figures.Labels(calls + "_total") {
		t.rows = append(t.rows, []string{call, number(m.Rates[calls+"_total"][call]), number(m.Figures[calls+"_total"][call]),
			number(m.Figures[calls+"_errors_total"][call]), mean(m, calls+"_duration_seconds", call)})
	}
	t.busiest(func(call string) float64 { return m.Figures[calls+"_total"][call] })
	return t
}

func syncs(m *state.Metrics) table {
	const prefix = "kubeproxy_sync_proxy_rules_"
	t := table{title: "Rules", columns: []string{"FIGURE", "VALUE"}, rows: [][]string{
		{"syncs", number(m.Figures[prefix+"duration_seconds_count"][""])},
		{"a sync takes", mean(m, prefix+"duration_seconds", "")},
		{"from change to rule", mean(m, "kubeproxy_network_programming_duration_seconds", "")},
		{"endpoint changes", number(m.Figures[prefix+"endpoint_changes_total"][""])},
		{"service changes", number(m.Figures[prefix+"service_changes_total"][""])},
	}}
	for _, name := range m.Figures.Labels(prefix + "iptables_total") {
		t.rows = append(t.rows, []string{"rules in " + name, number(m.Figures[prefix+"iptables_total"][name])})
	}
	return t
}

// counter is a table of one counter by its label.
func counter(m *state.Metrics, title, label, name string) table {
	t := table{title: title, columns: []string{label, "PER S", "TOTAL"}}
	for _, one := range m.Figures.Labels(name) {
		if m.Figures[name][one] == 0 {
			continue // gRPC counts every method there is
		}
		t.rows = append(t.rows, []string{one, number(m.Rates[name][one]), number(m.Figures[name][one])})
	}
	t.busiest(func(one string) float64 { return m.Figures[name][one] })
	return t
}

// busiest sorts the rows by what their first cell stands for, the largest first.
func (t *table) busiest(weight func(label string) float64) {
	slices.SortStableFunc(t.rows, func(a, b []string) int {
		return cmp.Or(cmp.Compare(weight(b[0]), weight(a[0])), cmp.Compare(a[0], b[0]))
	})
}

// mean is the mean of a histogram of seconds since the reading before; "-" when
// nothing was measured.
func mean(m *state.Metrics, name, label string) string {
	v, counted := m.Mean(name, state.Is(label))
	if !counted {
		return "-"
	}
	return widget.Short(time.Duration(v * float64(time.Second)))
}
