package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

const (
	replicas = 6
	nodePort = 30080
	hostPort = 8099
)

// workload is a Deployment behind a Service, a toolbox on every worker, and a
// pod with a host port.
var workload = fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: demo}
spec:
  replicas: %d
  selector: {matchLabels: {app: demo}}
  template:
    metadata: {labels: {app: demo}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: demo
        image: workbench.local/demo:1
        env: [{name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: demo, annotations: {workbench.local/pulse: /readyz}}
spec:
  type: NodePort
  selector: {app: demo}
  ports: [{port: 80, targetPort: 8080, nodePort: %d}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: toolbox}
spec:
  selector: {matchLabels: {app: toolbox}}
  template:
    metadata: {labels: {app: toolbox}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: toolbox, image: "workbench.local/toolbox:1", command: [sleep, "1000000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: hostport, labels: {app: hostport}}
spec:
  terminationGracePeriodSeconds: 0
  nodeName: w1
  tolerations: [{operator: Exists}]
  containers:
  - {name: demo, image: "workbench.local/demo:2", ports: [{containerPort: 8080, hostPort: %d}]}
`, replicas, nodePort, hostPort)

// podsOf are the pods with a label app, by name, that are not being deleted.
func podsOf(w *state.World, app string) map[string]*event.KubePod {
	pods := map[string]*event.KubePod{}
	for _, p := range w.Kube.Pods {
		if p.Labels["app"] == app && p.Deleting.IsZero() {
			pods[p.Name] = p
		}
	}
	return pods
}

// allReady says whether that many pods of the app are there, all Ready.
func allReady(w *state.World, app string, count int) bool {
	pods := podsOf(w, app)
	for _, p := range pods {
		if !p.Ready {
			return false
		}
	}
	return len(pods) == count
}

func deployed(w *state.World) bool {
	d := w.Kube.Deployments["default/demo"]
	return d != nil && d.Ready == replicas && allReady(w, "demo", replicas) && allReady(w, "toolbox", 3) && allReady(w, "hostport", 1)
}

// toolbox is the toolbox pod of a node.
func toolbox(t *testing.T, w *state.World, node string) string {
	t.Helper()
	for name, p := range podsOf(w, "toolbox") {
		if p.Node == node {
			return name
		}
	}
	t.Fatalf("no toolbox on %s", node)
	return ""
}

// fetch gets URLs from inside the toolbox of a node, waiting for rules that
// kube-proxy is still writing.
func fetch(t *testing.T, lab *harness.Lab, node string, urls ...string) string {
	t.Helper()
	pod := toolbox(t, lab.World(), node)
	args := append([]string{"kubectl", "exec", pod, "--", "wget", "-q", "-T", "5", "-O", "-"}, urls...)
	return lab.Eventually(fmt.Sprintf("%s fetches %v", pod, urls), args...)
}

func testRunsPods(t *testing.T, lab *harness.Lab) {
	lab.Apply(workload)
	w := lab.Await("the workload to be ready", deployed)
	used := map[string]bool{}
	var pods []string
	for _, p := range podsOf(w, "demo") {
		used[p.Node] = true
		pods = append(pods, "http://"+p.IP+":8080/")
	}
	if len(used) != 3 {
		t.Errorf("%d replicas are on %d workers, want all 3", replicas, len(used))
	}
	cluster := w.Kube.Services["default/demo"].ClusterIP
	var ports []string
	for _, n := range w.Topology.Nodes {
		if n.Role == event.Worker {
			ports = append(ports, fmt.Sprintf("http://%s:%d/", n.IP, nodePort))
		}
	}
	urls := slices.Concat(pods, ports, []string{fmt.Sprintf("http://%s:%d/", w.Nodes["w1"].IP, hostPort)}, slices.Repeat([]string{"http://" + cluster + "/"}, 20))
	for _, node := range workers(w) {
		answers := strings.Split(strings.TrimSpace(fetch(t, lab, node, urls...)), "\n")
		if len(answers) != len(urls) {
			t.Fatalf("from %s: %d answers to %d requests:\n%s", node, len(answers), len(urls), strings.Join(answers, "\n"))
		}
		direct, answers := strings.Join(answers[:len(pods)], "\n"), answers[len(pods):]
		for name, p := range podsOf(w, "demo") {
			if want := fmt.Sprintf("pod=%s node=%s version=1", name, p.Node); !strings.Contains(direct, want) {
				t.Errorf("from %s: no answer of %q among\n%s", node, want, direct)
			}
		}
		for i, url := range ports {
			if !strings.HasPrefix(answers[i], "pod=demo-") {
				t.Errorf("from %s: node port %s answered %q", node, url, answers[i])
			}
		}
		answers = answers[len(ports):]
		if !strings.HasPrefix(answers[0], "pod=hostport") {
			t.Errorf("from %s: the host port answered %q", node, answers[0])
		}
		if got := countDistinct(answers[1:]); got < 3 {
			t.Errorf("from %s: 20 requests to the Service reached %d pods, want them spread over more", node, got)
		}
	}
	testKubectl(t, lab, w)
}

// countDistinct counts the pods that answered.
func countDistinct(answers []string) int {
	seen := map[string]bool{}
	for _, answer := range answers {
		if pod, _, ok := strings.Cut(answer, " "); ok && strings.HasPrefix(pod, "pod=") {
			seen[pod] = true
		}
	}
	return len(seen)
}

// testKubectl uses what needs the way from API server to kubelet.
func testKubectl(t *testing.T, lab *harness.Lab, w *state.World) {
	for name, p := range podsOf(w, "demo") {
		if out := lab.Kubectl("logs", name); !strings.Contains(out, "demo serves") || !strings.Contains(out, "node="+p.Node) {
			t.Errorf("kubectl logs %s prints %q", name, out)
		}
		break
	}
	box := toolbox(t, w, "w2")
	if out := lab.Kubectl("exec", box, "--", "hostname"); strings.TrimSpace(out) != box {
		t.Errorf("kubectl exec hostname prints %q, want %s", out, box)
	}
	if r := lab.Run("kubectl", "exec", box, "--", "false"); r.Code == 0 {
		t.Error("kubectl exec false: exit code 0, want that of the command")
	}
	if r := lab.Input("through standard input", "kubectl", "exec", "-i", box, "--", "cat"); r.Stdout != "through standard input" {
		t.Errorf("kubectl exec -i cat prints %q (%s)", r.Stdout, r.Stderr)
	}
}
