package metrics

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"workbench/cluster/event"
)

const text = `# HELP workqueue_depth Current depth
# TYPE workqueue_depth gauge
workqueue_depth{name="deployment"} 2
workqueue_depth{name="job"} 0
# TYPE workqueue_queue_duration_seconds histogram
workqueue_queue_duration_seconds_bucket{name="job",le="0.1"} 3
workqueue_queue_duration_seconds_bucket{name="job",le="+Inf"} 4
workqueue_queue_duration_seconds_sum{name="job"} 1.5
workqueue_queue_duration_seconds_count{name="job"} 4
# TYPE rest_client_requests_total counter
rest_client_requests_total{code="200",host="a",method="GET"} 5
rest_client_requests_total{code="200",host="b",method="PUT"} 7
rest_client_requests_total{code="404",host="b",method="PUT"} 1
# TYPE unwanted counter
unwanted 9
# TYPE go_goroutines gauge
go_goroutines 12
# TYPE process_open_fds gauge
process_open_fds NaN
`

func TestParse(t *testing.T) {
	got, err := parse(strings.NewReader(text), read("kube-controller-manager"))
	if err != nil {
		t.Fatal(err)
	}
	want := figures{
		"workqueue_depth":                        {"deployment": 2, "job": 0},
		"workqueue_queue_duration_seconds_sum":   {"job": 1.5},
		"workqueue_queue_duration_seconds_count": {"job": 4},
		"rest_client_requests_total":             {"200": 12, "404": 1}, // summed over hosts and methods
		"go_goroutines":                          {"": 12},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parse(strings.NewReader("# TYPE workqueue_depth gauge\nworkqueue_depth{ 2\n"), read("kube-controller-manager")); err == nil {
		t.Error("a broken line is read")
	}
}

func TestSinceTellsWhatChanged(t *testing.T) {
	old := figures{"a": {"x": 1, "y": 2}, "b": {"": 3}}
	now := figures{"a": {"x": 1, "y": 5, "z": 0}, "b": {"": 3}}
	if diff := cmp.Diff(figures{"a": {"y": 5, "z": 0}}, now.since(old)); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFamilyHasAnAddress(t *testing.T) {
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "cloud-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"} {
		if read(name) == nil || address(name) == "" {
			t.Errorf("%s has no metrics to read, or no address", name)
		}
	}
	if read("containerd") != nil {
		t.Error("containerd has no metrics in a lab, yet some are read")
	}
}

// rig is a component with a registry of its own, and where its node's connections
// lead.
type rig struct {
	started, depth prometheus.Gauge
	asked          chan []string
	server         *httptest.Server
}

func newRig(t *testing.T) *rig {
	registry := prometheus.NewRegistry()
	r := &rig{
		started: prometheus.NewGauge(prometheus.GaugeOpts{Name: "process_start_time_seconds"}),
		depth:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "etcd_server_proposals_pending"}),
		asked:   make(chan []string, 100),
	}
	other := prometheus.NewGauge(prometheus.GaugeOpts{Name: "something_else"})
	registry.MustRegister(r.started, r.depth, other)
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.asked <- q.URL.Query()["name[]"]
		handler.ServeHTTP(w, q)
	}))
	t.Cleanup(r.server.Close)
	return r
}

func TestRun(t *testing.T) {
	r := newRig(t)
	r.started.Set(100)
	r.depth.Set(4)
	var up atomic.Bool
	up.Store(true)
	events := make(chan event.ComponentMetrics, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{
			Node: "c1", Components: []string{"etcd", "containerd"}, Every: 5 * time.Millisecond,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, r.server.Listener.Addr().String())
			},
			Running: func(string) bool { return up.Load() },
			Emit:    func(b event.Body) { events <- b.(event.ComponentMetrics) },
			Log:     slog.New(slog.DiscardHandler),
		})
	}()
	first := <-events
	want := event.ComponentMetrics{Node: "c1", Components: map[string]event.MetricsReading{"etcd": {All: true, Figures: map[string]map[string]float64{
		"process_start_time_seconds": {"": 100}, "etcd_server_proposals_pending": {"": 4},
	}}}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if names := <-r.asked; !slices.Contains(names, "etcd_server_proposals_pending") || slices.Contains(names, "something_else") {
		t.Errorf("the request names %v", names)
	}
	await := func(what string, ok func(event.MetricsReading) bool) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if ok(e.Components["etcd"]) {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("no event %s", what)
			}
		}
	}
	await("without a change", func(m event.MetricsReading) bool { return !m.All && len(m.Figures) == 0 })
	r.depth.Set(5)
	await("of the change alone", func(m event.MetricsReading) bool {
		return !m.All && len(m.Figures) == 1 && m.Figures["etcd_server_proposals_pending"][""] == 5
	})
	r.started.Set(200)
	await("of all after a restart", func(m event.MetricsReading) bool { return m.All && len(m.Figures) == 2 })
	up.Store(false)
	r.depth.Set(6)
	up.Store(true)
	await("of the change alone after a pause", func(m event.MetricsReading) bool {
		return !m.All && m.Figures["etcd_server_proposals_pending"][""] == 6
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Run(t.Context(), Config{}); err == nil {
		t.Error("an empty configuration runs")
	}
}
