package test

import (
	"bufio"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// autoscaled is a Deployment of one that may become two when it burns.
const autoscaled = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: burner}
spec:
  replicas: 1
  selector: {matchLabels: {app: burner}}
  template:
    metadata: {labels: {app: burner}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: demo, image: "workbench.local/demo:1"}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: burner}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: burner}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: 50m}}}]
`

// testMetrics holds what the metrics API, the app and the components themselves
// say of use against each other, and that an autoscaler acts on it.
func testMetrics(t *testing.T, lab *harness.Lab) {
	lab.Apply(autoscaled)
	w := lab.Await("the burner to be ready", func(w *state.World) bool { return allReady(w, "burner", 1) })
	var burner *event.KubePod
	for _, p := range podsOf(w, "burner") {
		burner = p
	}
	lab.Kubectl("get", "--raw", "/api/v1/namespaces/default/pods/"+burner.Name+":8080/proxy/burn?seconds=300&cores=1")

	readsComponents(t, lab)
	for _, node := range workers(w) {
		until(lab, "kubectl top nodes to have figures of "+node, func() bool {
			fields := strings.Fields(lab.Run("kubectl", "top", "node", node, "--no-headers").Stdout)
			return len(fields) == 5 && fields[0] == node && strings.HasSuffix(fields[1], "m") && fields[1] != "0m" && strings.HasSuffix(fields[3], "Mi")
		})
	}
	agreeOnPod(t, lab, burner)
	lab.Await("the autoscaler to make it two", func(w *state.World) bool {
		d := w.Kube.Deployments["default/burner"]
		return d != nil && d.Replicas == 2 && allReady(w, "burner", 2)
	})
	lab.Kubectl("delete", "deployment,hpa", "burner", "--wait=false")
	lab.Await("the burner to be gone", func(w *state.World) bool {
		_, known := w.Nodes[burner.Node].PodUsage[burner.UID]
		return len(podsOf(w, "burner")) == 0 && !known
	})
}

// until tries again with every sample of use.
func until(lab *harness.Lab, what string, ok func() bool) {
	if ok() {
		return
	}
	lab.Await(what, func() func(w *state.World) bool {
		tried := lab.World().Nodes["w1"].Usage.At
		return func(w *state.World) bool {
			at := w.Nodes["w1"].Usage.At
			if !at.After(tried) {
				return false
			}
			tried = at
			return ok()
		}
	}())
}

// agreeOnPod holds the app's reading of a pod's control group against the
// kubelet's, as the metrics API has it.
func agreeOnPod(t *testing.T, lab *harness.Lab, pod *event.KubePod) {
	t.Helper()
	var said []string
	until(lab, "kubectl top pods to have figures of "+pod.Name, func() bool {
		said = strings.Fields(lab.Run("kubectl", "top", "pod", pod.Name, "--no-headers").Stdout)
		return len(said) == 3 && said[1] != "0m"
	})
	w := lab.Await("the app to see the pod burn", func(w *state.World) bool {
		u := w.PodUsage(pod)
		return u != nil && u.Last().Cores > 0.01 && len(u.Received) > 0
	})
	cpu, memory := resource.MustParse(said[1]), resource.MustParse(said[2])
	have := w.PodUsage(pod).Last()
	if cpu.MilliValue() < 10 {
		t.Errorf("kubectl top says %s of a pod that burns, the app %.3f cores", said[1], have.Cores)
	}
	if a, b := have.MemoryBytes, memory.Value(); max(a, b) > 3*min(a, b) {
		t.Errorf("kubectl top says %s of memory, the app %d bytes", said[2], a)
	}
}

// readsComponents holds what the app knows of components against what they say
// when asked by another way, and against the leases.
func readsComponents(t *testing.T, lab *harness.Lab) {
	t.Helper()
	const path, calls = "/api/v1/nodes/w1/proxy/metrics", "kubelet_runtime_operations_total"
	before := sumOf(t, lab.Kubectl("get", "--raw", path), calls)
	seq := lab.World().Now
	w := lab.Await("new figures of w1's kubelet", func(w *state.World) bool {
		m := w.Nodes["w1"].Components["kubelet"].Metrics
		return m != nil && m.At.After(seq)
	})
	after := sumOf(t, lab.Kubectl("get", "--raw", path), calls)
	if have := w.Nodes["w1"].Components["kubelet"].Metrics.Figures.Sum(calls, nil); have < before || have > after || before == 0 {
		t.Errorf("the kubelet has counted %v, then %v calls of the runtime, the app in between %v", before, after, have)
	}
	w = lab.Await("every component to have said something", func(w *state.World) bool {
		for _, n := range w.Nodes {
			for name, c := range n.Components {
				if len(state.Readings(name)) > 0 && (c.Metrics == nil || len(c.Metrics.Steps) == 0) {
					return false
				}
			}
		}
		return true
	})
	for name, n := range w.Nodes {
		if etcd := n.Components["etcd"]; etcd != nil {
			if leads := etcd.Metrics.Figures["etcd_server_is_leader"][""] == 1; leads != (w.Raft.Leader() == name) {
				t.Errorf("etcd of %s says that it leads: %v; the leader is %s", name, leads, w.Raft.Leader())
			}
		}
		for _, component := range []string{"kube-controller-manager", "kube-scheduler"} {
			c := n.Components[component]
			if c == nil {
				continue
			}
			holder, _, _ := strings.Cut(w.Kube.Leases["kube-system/"+component].Holder, "_")
			if leads := c.Metrics.Figures.Sum("leader_election_master_status", nil) > 0; leads != (holder == name) {
				t.Errorf("%s of %s says that it leads: %v; %s holds the lease", component, name, leads, holder)
			}
		}
		if api := n.Components["kube-apiserver"]; api != nil && len(api.Metrics.Figures["apiserver_flowcontrol_nominal_limit_seats"]) == 0 {
			t.Errorf("kube-apiserver of %s has no priority levels", name)
		}
	}
}

// sumOf is the sum of a counter over its labels, in the text format.
func sumOf(t *testing.T, text, name string) float64 {
	t.Helper()
	sum := 0.0
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), name+"{") {
			continue
		}
		fields := strings.Fields(lines.Text())
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Fatalf("read %q: %v", lines.Text(), err)
		}
		sum += v
	}
	return sum
}
