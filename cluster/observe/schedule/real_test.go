package schedule

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	schedulerprofile "k8s.io/kubernetes/pkg/scheduler/profile"

	"workbench/cluster/event"
)

// patience bounds every wait.
const patience = 2 * time.Minute

// journal collects what a recorder emits.
type journal struct {
	mu     sync.Mutex
	bodies []event.Body
	news   chan struct{}
}

func (j *journal) emit(_ time.Time, body event.Body) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bodies = append(j.bodies, body)
	select {
	case j.news <- struct{}{}:
	default:
	}
}

// await is the first event that is wanted.
func await[B event.Body](t testing.TB, j *journal, what string, wanted func(B) bool) B {
	t.Helper()
	late := time.After(patience)
	for {
		j.mu.Lock()
		for _, body := range j.bodies {
			if b, ok := body.(B); ok && wanted(b) {
				j.mu.Unlock()
				return b
			}
		}
		seen := len(j.bodies)
		j.mu.Unlock()
		select {
		case <-j.news:
		case <-late:
			t.Fatalf("%s did not come among %d events", what, seen)
		}
	}
}

// run starts a real scheduler; stop waits for its end. Emit nil leaves the
// recorder out.
func run(t testing.TB, rest *rest.Config, profiles []config.KubeSchedulerProfile, emit Emit, more ...scheduler.Option) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(background(t))
	client := clientFor(t, rest)
	informers := scheduler.NewInformerFactory(client, 0, nil)
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	broadcaster.StartRecordingToSink(ctx.Done())
	sched, err := scheduler.New(ctx, client, informers, nil, schedulerprofile.NewRecorderFactory(broadcaster),
		append(more, scheduler.WithKubeConfig(rest), scheduler.WithProfiles(profiles...))...)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	if emit != nil {
		r := Attach("c1", sched, emit)
		all.Go(func() { r.Run(ctx) })
		t.Cleanup(func() {
			if n := r.Lost(); n > 0 {
				t.Errorf("%d records are lost", n)
			}
		})
	}
	informers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	if err := sched.WaitForHandlersSync(ctx); err != nil {
		t.Fatal(err)
	}
	all.Go(func() { sched.Run(ctx) })
	return func() {
		cancel()
		all.Wait()
		broadcaster.Shutdown()
		informers.Shutdown()
	}
}

// profiles are the default one and "packed", which has one Score plugin.
func profiles(t testing.TB) []config.KubeSchedulerProfile {
	t.Helper()
	cfg, err := latest.Default()
	if err != nil {
		t.Fatal(err)
	}
	packed := cfg.Profiles[0].DeepCopy()
	packed.SchedulerName = "packed"
	packed.Plugins.Score = config.PluginSet{Disabled: []config.Plugin{{Name: "*"}}, Enabled: []config.Plugin{{Name: "NodeResourcesFit", Weight: 7}}}
	return append(cfg.Profiles, *packed)
}

// addNodes makes plain Node objects: nothing runs on them.
func addNodes(t testing.TB, client kubernetes.Interface, n int) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("node-%03d", i)
		node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name, "half": fmt.Sprint(i % 2)}}}
		node.Status.Allocatable = v1.ResourceList{"cpu": resource.MustParse(fmt.Sprint(4 + i%5)), "memory": resource.MustParse("32Gi"), "pods": resource.MustParse("110")}
		node.Status.Capacity = node.Status.Allocatable
		if i%10 == 3 {
			node.Spec.Taints = []v1.Taint{{Key: "disk", Value: "bad", Effect: v1.TaintEffectNoSchedule}}
		}
		if _, err := client.CoreV1().Nodes().Create(context.Background(), node, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func addPod(t testing.TB, client kubernetes.Interface, name, cpu string, change func(*v1.Pod)) {
	t.Helper()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	pod.Spec.Containers = []v1.Container{{Name: "main", Image: "none", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{"cpu": resource.MustParse(cpu)}}}}
	if change != nil {
		change(pod)
	}
	if _, err := client.CoreV1().Pods("default").Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func cycleOf(name string, attempt int) func(event.SchedCycle) bool {
	return func(c event.SchedCycle) bool { return c.Pod.Name == name && c.Attempt == attempt }
}

// TestRealScheduler runs upstream's scheduler with two profiles against a real
// API server, and compares what was recorded with what the API has.
func TestRealScheduler(t *testing.T) {
	rest := serve(t)
	client := clientFor(t, rest)
	addNodes(t, client, 30)
	j := &journal{news: make(chan struct{}, 1)}
	stop := run(t, rest, profiles(t), j.emit)
	defer stop()

	t.Run("Profiles", func(t *testing.T) {
		addPod(t, client, "plain", "1", nil)
		addPod(t, client, "packed", "1", func(p *v1.Pod) { p.Spec.SchedulerName = "packed" })
		plain := await(t, j, "the cycle of plain", cycleOf("plain", 1))
		packed := await(t, j, "the cycle of packed", cycleOf("packed", 1))
		if plain.Profile != "default-scheduler" || packed.Profile != "packed" {
			t.Errorf("profiles %q and %q", plain.Profile, packed.Profile)
		}
		if len(packed.Scorers) != 1 || packed.Plugins[packed.Scorers[0].Plugin] != "NodeResourcesFit" || packed.Scorers[0].Weight != 7 {
			t.Errorf("packed is scored by %+v of %v", packed.Scorers, packed.Plugins)
		}
		if len(plain.Scorers) < 5 {
			t.Errorf("plain is scored by %d plugins", len(plain.Scorers))
		}
		for _, c := range []event.SchedCycle{plain, packed} {
			checkCycle(t, client, j, c, 30, 27)
		}
	})
	t.Run("Rejections", func(t *testing.T) { testRejections(t, client, j) })
	t.Run("Woken", func(t *testing.T) { testWoken(t, client, j) })
	t.Run("Gated", func(t *testing.T) { testGated(t, client, j) })
	t.Run("Preemption", func(t *testing.T) { testPreemption(t, client, j) })
	t.Run("ManyNodes", func(t *testing.T) { testManyNodes(t, client, j) })
}

// checkCycle holds a successful cycle against the API and its own arithmetic.
func checkCycle(t *testing.T, client kubernetes.Interface, j *journal, c event.SchedCycle, all, fit int) {
	t.Helper()
	await(t, j, "the binding of "+c.Pod.Name, func(b event.SchedBind) bool { return b.Pod.UID == c.Pod.UID && b.Outcome == event.SchedBound })
	pod, err := client.CoreV1().Pods("default").Get(context.Background(), c.Pod.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pod.Spec.NodeName != c.Node || string(pod.UID) != c.Pod.UID {
		t.Errorf("%s: recorded %s, the API has it on %s", c.Pod.Name, c.Node, pod.Spec.NodeName)
	}
	if c.AllNodes != all || c.Feasible != fit || len(c.Rows)+c.Unlisted != all {
		t.Errorf("%s: %d nodes, %d feasible, %d rows; want %d and %d", c.Pod.Name, c.AllNodes, c.Feasible, len(c.Rows), all, fit)
	}
	best := int64(-1)
	totals := map[string]int64{}
	for _, row := range c.Rows {
		if row.Code != event.SchedOK {
			continue
		}
		sum := int64(0)
		for i, scorer := range c.Scorers {
			sum += row.Score[i] * scorer.Weight
		}
		if sum != row.Total {
			t.Errorf("%s on %s: the scores sum to %d, the scheduler says %d", c.Pod.Name, c.Nodes[row.Node], sum, row.Total)
		}
		totals[c.Nodes[row.Node]] = row.Total
		best = max(best, row.Total)
	}
	if totals[c.Node] != best {
		t.Errorf("%s went to %s with %d points, the best has %d", c.Pod.Name, c.Node, totals[c.Node], best)
	}
	if data, err := json.Marshal(event.Event{Time: time.Now(), Body: c}); err != nil || len(data) > 60_000 {
		t.Errorf("the event of %d nodes has %d bytes, %v", all, len(data), err)
	}
}

func testRejections(t *testing.T, client kubernetes.Interface, j *journal) {
	addPod(t, client, "huge", "100", nil)
	c := await(t, j, "the cycle of huge", cycleOf("huge", 1))
	if c.Outcome != event.SchedUnschedulable || c.Node != "" || len(c.Rows) != 30 {
		t.Fatalf("huge: %s on %q, %d rows", c.Outcome, c.Node, len(c.Rows))
	}
	rejected := map[string]int{}
	for _, tally := range c.Tallies {
		rejected[c.Plugins[tally.Plugin]+": "+c.Reasons[tally.Reason]] += tally.Nodes
	}
	if rejected["NodeResourcesFit: Insufficient cpu"] != 27 || rejected["TaintToleration: node(s) had untolerated taint(s)"] != 3 {
		t.Errorf("rejections are %v", rejected)
	}
	// The FailedScheduling Event is made of the same status.
	deadline := time.Now().Add(patience)
	for {
		list, err := client.EventsV1().Events("default").List(context.Background(), metav1.ListOptions{FieldSelector: "reason=FailedScheduling"})
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(list.Items, func(e eventsEvent) bool { return e.Regarding.Name == "huge" && e.Note == c.Message }) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no Event says %q", c.Message)
		}
		time.Sleep(20 * time.Millisecond) // between polls of the API
	}
	q := await(t, j, "huge in the queue", func(q event.SchedQueue) bool {
		return slices.ContainsFunc(q.Pods, func(p event.SchedQueued) bool { return p.Pod.Name == "huge" && p.Place == event.SchedParked })
	})
	for _, p := range q.Pods {
		if p.Pod.Name == "huge" && !slices.Equal(p.Plugins, []string{"NodeResourcesFit", "TaintToleration"}) {
			t.Errorf("huge was rejected by %v", p.Plugins)
		}
	}
	if len(q.Waits) != 2 || !slices.Contains(q.Waits[0].Events, "AssignedPodDelete") {
		t.Errorf("it waits for %+v", q.Waits)
	}
}

func testWoken(t *testing.T, client kubernetes.Interface, j *journal) {
	addPod(t, client, "picky", "1", func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })
	await(t, j, "the first cycle of picky", cycleOf("picky", 1))
	await(t, j, "picky parked", func(q event.SchedQueue) bool {
		return slices.ContainsFunc(q.Pods, func(p event.SchedQueued) bool { return p.Pod.Name == "picky" && p.Place == event.SchedParked })
	})
	node, err := client.CoreV1().Nodes().Get(context.Background(), "node-007", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node.Labels["disk"] = "ssd"
	if _, err := client.CoreV1().Nodes().Update(context.Background(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c := await(t, j, "the second cycle of picky", cycleOf("picky", 2))
	if c.Node != "node-007" || c.Scored || c.Woken.Object != "Node node-007" || !strings.HasPrefix(c.Woken.Event, "Node") {
		t.Errorf("picky went to %q, woken by %+v", c.Node, c.Woken)
	}
}

func testGated(t *testing.T, client kubernetes.Interface, j *journal) {
	addPod(t, client, "gated", "1", func(p *v1.Pod) { p.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "example.com/quota"}} })
	await(t, j, "gated in the queue", func(q event.SchedQueue) bool {
		return slices.ContainsFunc(q.Pods, func(p event.SchedQueued) bool {
			return p.Pod.Name == "gated" && p.Place == event.SchedGated && slices.Equal(p.Plugins, []string{"SchedulingGates"})
		})
	})
	pod, err := client.CoreV1().Pods("default").Get(context.Background(), "gated", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Spec.SchedulingGates = nil
	if _, err := client.CoreV1().Pods("default").Update(context.Background(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c := await(t, j, "the cycle of gated", cycleOf("gated", 1))
	if c.Woken.Object != "the pod itself" || !strings.Contains(c.Woken.Event, "SchedulingGates") {
		t.Errorf("gated was woken by %+v", c.Woken)
	}
}

func testPreemption(t *testing.T, client kubernetes.Interface, j *journal) {
	low, high := int32(1), int32(1000)
	only := func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"kubernetes.io/hostname": "node-009"} }
	addPriority(t, client, "low", low)
	addPriority(t, client, "high", high)
	addPod(t, client, "victim", "6", func(p *v1.Pod) {
		only(p)
		p.Spec.PriorityClassName = "low"
		zero := int64(0)
		p.Spec.TerminationGracePeriodSeconds = &zero
	})
	await(t, j, "victim bound", func(b event.SchedBind) bool { return b.Pod.Name == "victim" })
	addPod(t, client, "vip", "6", func(p *v1.Pod) { only(p); p.Spec.PriorityClassName = "high" })
	c := await(t, j, "the first cycle of vip", cycleOf("vip", 1))
	if !c.Preemption.Ran || c.Preemption.Nominated != "node-009" || len(c.Preemption.Candidates) != 1 ||
		!slices.Equal(c.Preemption.Candidates[0].Victims, []string{"default/victim"}) {
		t.Errorf("preemption is %+v", c.Preemption)
	}
	p := await(t, j, "the eviction", func(p event.SchedPreempted) bool { return p.Preemptor.UID == c.Pod.UID })
	if p.Victim.Name != "victim" || p.Node != "node-009" || p.Error != "" || p.Preemptor.Priority != high {
		t.Errorf("evicted: %+v", p)
	}
	b := await(t, j, "vip bound", func(b event.SchedBind) bool { return b.Pod.Name == "vip" })
	if second := await(t, j, "the last cycle of vip", cycleOf("vip", b.Attempt)); second.Node != "node-009" || second.Nominated != "node-009" {
		t.Errorf("vip went to %q, nominated was %q", second.Node, second.Nominated)
	}
}

// testManyNodes holds the event of a large cluster to its bound.
func testManyNodes(t *testing.T, client kubernetes.Interface, j *journal) {
	for i := 30; i < 260; i++ {
		node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%03d", i)}}
		node.Status.Allocatable = v1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("32Gi"), "pods": resource.MustParse("110")}
		if _, err := client.CoreV1().Nodes().Create(context.Background(), node, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	addPod(t, client, "one-of-many", "50", nil)
	c := await(t, j, "the cycle among 260 nodes", func(c event.SchedCycle) bool { return c.Pod.Name == "one-of-many" && c.AllNodes == 260 })
	data, err := json.Marshal(event.Event{Time: time.Now(), Body: c})
	if err != nil || len(data) > 60_000 {
		t.Errorf("the event has %d bytes, %v", len(data), err)
	}
	nodes := 0
	for _, tally := range c.Tallies {
		nodes += tally.Nodes
	}
	if len(c.Rows) > chosenOf || len(c.Rows)+c.Unlisted != 260 || nodes != 260 {
		t.Errorf("%d rows, %d unlisted, %d counted; want 260", len(c.Rows), c.Unlisted, nodes)
	}
}
