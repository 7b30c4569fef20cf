package watch

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
)

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "uid-1"}
}

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: named("default", name), Spec: corev1.PodSpec{NodeName: node}}
}

// start runs the watch until the test ends, and waits for it then.
func start(t *testing.T, cfg *rest.Config) *recorder {
	t.Helper()
	r := newRecorder(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Config{REST: cfg, Emit: r.emit, Log: slog.New(slog.DiscardHandler)}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

func podNamed(name string) func(event.KubePod) bool {
	return func(p event.KubePod) bool { return p.Name == name }
}

func TestEveryKindIsDelivered(t *testing.T) {
	for name, listOnly := range map[string]bool{"streaming list": false, "plain list": true} {
		t.Run(name, func(t *testing.T) {
			api := newAPIServer(t)
			api.listOnly = listOnly
			api.put("nodes", &corev1.Node{ObjectMeta: named("", "w1")})
			api.put("pods", pod("b", "w1"))
			api.put("pods", pod("a", "w1"))
			api.put("leases", &coordinationv1.Lease{ObjectMeta: named("kube-node-lease", "w1")})
			api.put("deployments", &appsv1.Deployment{ObjectMeta: named("default", "web")})
			api.put("services", &corev1.Service{ObjectMeta: named("default", "web")})
			api.put("endpointslices", &discoveryv1.EndpointSlice{ObjectMeta: named("default", "web-x")})
			api.put("networkpolicies", &networkingv1.NetworkPolicy{ObjectMeta: named("default", "deny")})
			api.put("events", &corev1.Event{ObjectMeta: named("default", "e")})
			r := start(t, api.rest())
			r.awaitHealth(0, true)
			want := map[string][]string{
				"Node": {"w1"}, "Pod": {"default/a", "default/b"}, "Lease": {"kube-node-lease/w1"}, "Deployment": {"default/web"},
				"Service": {"default/web"}, "EndpointSlice": {"default/web-x"}, "NetworkPolicy": {"default/deny"}, "Event": {"default/e"},
			}
			types := map[string]int{}
			for _, b := range r.since(0) {
				types[b.Type()]++
				if s, ok := b.(event.KubeSynced); ok && !slices.Equal(s.Keys, want[s.Kind]) {
					t.Errorf("synced %s: %v, want %v", s.Kind, s.Keys, want[s.Kind])
				}
			}
			for kind, n := range map[string]int{
				"kube.node": 1, "kube.pod": 2, "kube.lease": 1, "kube.deployment": 1, "kube.service": 1, "kube.endpointslice": 1,
				"kube.networkpolicy": 1, "kube.event": 1, "kube.synced": 8,
			} {
				if types[kind] != n {
					t.Errorf("%d of %s, want %d", types[kind], kind, n)
				}
			}
			mark := r.mark()
			api.put("pods", pod("a", "w2"))
			await(r, mark, "update", func(p event.KubePod) bool { return p.Name == "a" && p.Node == "w2" })
			api.remove("pods", "default/a")
			gone := await(r, mark, "deletion", func(event.KubeDeleted) bool { return true })
			if gone.Kind != "Pod" || gone.Key() != "default/a" {
				t.Errorf("deleted %+v", gone)
			}
			if extra := len(r.since(mark)); extra != 2 {
				t.Errorf("%d events for two changes: %v", extra, r.since(mark))
			}
		})
	}
}

func TestBrokenStreamIsResumed(t *testing.T) {
	api := newAPIServer(t)
	api.put("pods", pod("kept", "w1"))
	r := start(t, api.rest())
	r.awaitHealth(0, true)
	mark := r.mark()
	api.CloseClientConnections()
	r.awaitHealth(mark, false)
	api.put("pods", pod("new", "w1"))
	await(r, mark, "new pod", podNamed("new"))
	r.awaitHealth(mark, true)
	for _, b := range r.since(mark) {
		if p, ok := b.(event.KubePod); ok && p.Name == "kept" {
			t.Error("an unchanged pod came again")
		}
	}
}

// What vanished while nobody could see it is not in the keys of the next sync.
func TestVanishedWhileDisconnected(t *testing.T) {
	api := newAPIServer(t)
	api.put("pods", pod("kept", "w1"))
	api.put("pods", pod("vanished", "w1"))
	api.put("pods", pod("replaced", "w1"))
	to := newLine(t, api.Listener.Addr().String())
	cfg := api.rest()
	cfg.Host = "https://" + to.Addr().String()
	r := start(t, cfg)
	r.awaitHealth(0, true)
	mark := r.mark()
	to.silence(true)
	r.awaitHealth(mark, false)
	api.remove("pods", "default/vanished")
	api.remove("pods", "default/replaced")
	again := pod("replaced", "w2")
	again.UID = "uid-2"
	api.put("pods", again)
	api.compact()
	to.silence(false)
	synced := await(r, mark, "sync", func(s event.KubeSynced) bool { return s.Kind == "Pod" })
	if want := []string{"default/kept", "default/replaced"}; !slices.Equal(synced.Keys, want) {
		t.Errorf("keys %v, want %v", synced.Keys, want)
	}
	r.awaitHealth(mark, true)
	var pods []string
	for _, b := range r.since(mark) {
		if p, ok := b.(event.KubePod); ok {
			pods = append(pods, p.Name+" on "+p.Node)
		}
	}
	if want := []string{"replaced on w2"}; !slices.Equal(pods, want) {
		t.Errorf("emitted %v, want %v", pods, want)
	}
}

// A frozen API server sends no end of stream: only the unanswered ping tells.
func TestSilentConnectionIsNoticed(t *testing.T) {
	api := newAPIServer(t)
	to := newLine(t, api.Listener.Addr().String())
	cfg := api.rest()
	cfg.Host = "https://" + to.Addr().String()
	r := start(t, cfg)
	r.awaitHealth(0, true)
	for range 2 {
		mark, began := r.mark(), time.Now()
		to.silence(true)
		r.awaitHealth(mark, false)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("noticed after %s", took)
		}
		to.silence(false)
		r.awaitHealth(mark, true)
	}
}

func TestUnreachableFromTheStart(t *testing.T) {
	api := newAPIServer(t)
	cfg := api.rest()
	api.Close()
	r := start(t, cfg)
	if s := r.awaitHealth(0, false); s.Source != "watch" || s.Detail == "" {
		t.Errorf("reported %+v", s)
	}
	if n := r.mark(); n != 1 {
		t.Errorf("%d events for one loss", n)
	}
}

func TestEndIsNoLoss(t *testing.T) {
	api := newAPIServer(t)
	r := newRecorder(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Config{REST: api.rest(), Emit: r.emit, Log: slog.New(slog.DiscardHandler)}) }()
	r.awaitHealth(0, true)
	mark := r.mark()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if after := r.since(mark); len(after) > 0 {
		t.Errorf("emitted %v", after)
	}
}

func TestPlannedEndIsNoLoss(t *testing.T) {
	for name, c := range map[string]struct {
		seconds int64
		lost    bool
	}{"lasted as asked": {1, false}, "broke": {300, true}} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			k := kinds()[:1]
			s := &source{kind: k[0], health: newHealth(k, r.emit, slog.New(slog.DiscardHandler)), seen: map[string]revision{}}
			s.streaming = true
			w := s.stream(t.Context(), apiwatch.NewEmptyWatch(), metav1.ListOptions{TimeoutSeconds: &c.seconds})
			w.Stop()
			w.Stop() // as the reflector does
			if lost := r.mark() == 1; lost != c.lost || s.streaming {
				t.Errorf("lost %t, streaming %t", lost, s.streaming)
			}
		})
	}
}

func TestConfigIsRefused(t *testing.T) {
	if err := Run(t.Context(), Config{}); err == nil {
		t.Error("ran without a config")
	}
	bad := &rest.Config{Host: "https://127.0.0.1:1", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("x")}}
	if err := Run(t.Context(), Config{REST: bad, Emit: func(event.Body) {}, Log: slog.Default()}); err == nil {
		t.Error("ran with a broken authority")
	}
}

// A Node that is written only to say that it lives is no news.
func TestHeartbeatsOfNodesAreNoNews(t *testing.T) {
	api := newAPIServer(t)
	node := func(beat int64, cordoned bool) *corev1.Node {
		n := &corev1.Node{ObjectMeta: named("", "w1"), Spec: corev1.NodeSpec{Unschedulable: cordoned}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Unix(beat, 0)}}
		return n
	}
	api.put("nodes", node(1, false))
	r := start(t, api.rest())
	r.awaitHealth(0, true)
	mark := r.mark()
	api.put("nodes", node(2, false))
	api.put("nodes", node(3, true))
	await(r, mark, "cordoned node", func(n event.KubeNode) bool { return n.Unschedulable })
	if got := r.since(mark); len(got) != 1 {
		t.Errorf("%d events for a heartbeat and a cordon: %v", len(got), got)
	}
	api.remove("nodes", "w1")
	mark = r.mark()
	api.put("nodes", node(4, true))
	await(r, mark, "node that is back", func(n event.KubeNode) bool { return n.Unschedulable })
}
