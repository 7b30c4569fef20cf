package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// leaky is a pod without a limit of its own.
const leaky = `
apiVersion: v1
kind: Pod
metadata: {name: leaky, labels: {app: leaky}}
spec:
  nodeName: w1
  terminationGracePeriodSeconds: 0
  containers: [{name: demo, image: "workbench.local/demo:1", readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}}]
`

// testMemoryPressure lets a pod take so much memory that less than evictionHard asks
// for is left of the pods' share, and more than nothing: the kubelet evicts it, and
// the kernel kills nobody. The node is under pressure for minutes after that.
func testMemoryPressure(t *testing.T, lab *harness.Lab) {
	lab.Apply(leaky)
	w := lab.Await("the leaky pod to be ready", func(w *state.World) bool { return allReady(w, "leaky", 1) })
	began := w.Now
	share := func(names ...string) int64 {
		t.Helper()
		text := groupFile(lab, "w1", names...)
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("the pods' control group on w1 has %q for %v", text, names)
		}
		return n
	}
	limit := share("kubepods/memory.limit_in_bytes", "kubepods/memory.max")
	leak := func(bytes int64) harness.Result {
		url := fmt.Sprintf("http://%s:8080/leak?bytes=%d", w.Kube.Pods["default/leaky"].IP, bytes)
		return lab.Run("kubectl", "exec", "tolerant", "--", "wget", "-q", "-T", "5", "-O", "-", url)
	}
	const first = 300 << 20
	if r := leak(first); r.Code != 0 {
		t.Fatalf("leak %d bytes: %s", first, r.Stderr)
	}
	// Who is evicted is chosen by what the kubelet last measured of each pod.
	lab.Await("the kubelet to know of the leak", func(*state.World) bool { return measured(lab, "w1", "leaky") >= first })
	beside := w.Kube.Pods["default/server"]
	const left = 50 << 20
	_ = leak(limit - left - share("kubepods/memory.usage_in_bytes", "kubepods/memory.current")) // it may be gone before it answers
	w = lab.Await("the leaky pod to be evicted, and w1 to be tainted", func(w *state.World) bool {
		p := w.Kube.Pods["default/leaky"]
		return p != nil && (p.Phase == "Failed" || p.Phase == "Succeeded") && slices.ContainsFunc(w.Kube.Nodes["w1"].Taints, func(t event.Taint) bool { return t.Key == corev1.TaintNodeMemoryPressure })
	})
	// It exits with 0, so the kubelet has it Succeeded and drops the reason Evicted.
	var pod corev1.Pod
	lab.Object(&pod, "pod", "leaky")
	if !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Reason == corev1.PodReasonTerminationByKubelet && strings.Contains(c.Message, "low on resource: memory")
	}) {
		t.Errorf("the leaky pod ended as %+v", pod.Status)
	}
	for _, e := range w.Nodes["w1"].Containers {
		if e.What == event.ContainerOOM && e.At.After(began) {
			t.Errorf("the kernel killed in %s/%s", e.Namespace, e.Pod)
		}
	}
	if p := w.Kube.Pods["default/server"]; !p.Ready || p.Containers[0].Restarts != beside.Containers[0].Restarts {
		t.Errorf("a pod beside it: %+v, was %+v", p, beside)
	}
	lab.Await("MemoryPressure of w1 to be told", func(w *state.World) bool {
		p := w.Kube.Nodes["w1"].Pressures
		return len(p) == 1 && p[0].Type == string(corev1.NodeMemoryPressure) && p[0].Message != "" && !p[0].Since.IsZero()
	})
	var node corev1.Node
	lab.Object(&node, "node", "w1")
	if !slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeMemoryPressure && c.Status == corev1.ConditionTrue
	}) {
		t.Errorf("w1 has the conditions %+v", node.Status.Conditions)
	}
}

// measured is the working set of a pod in bytes, as the kubelet of its node last
// measured it.
func measured(lab *harness.Lab, node, pod string) int64 {
	var summary struct {
		Pods []struct {
			PodRef struct{ Name string }
			Memory struct{ WorkingSetBytes int64 }
		}
	}
	raw := lab.Kubectl("get", "--raw", "/api/v1/nodes/"+node+"/proxy/stats/summary")
	if json.Unmarshal([]byte(raw), &summary) != nil {
		return 0
	}
	for _, p := range summary.Pods {
		if p.PodRef.Name == pod {
			return p.Memory.WorkingSetBytes
		}
	}
	return 0
}
