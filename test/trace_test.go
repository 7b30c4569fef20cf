package test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// testTraces traces a command until its pod is Ready, and holds the waterfall
// against what the API itself says of the pod.
func testTraces(t *testing.T, lab *harness.Lab) {
	for _, e := range lab.Events(0) {
		if _, ok := e.Body.(event.TraceSpans); ok {
			t.Fatalf("spans are told without a trace: %+v", e)
		}
	}
	r := lab.Run("trace", "-o", "json", "--", "kubectl", "create", "deployment", "traced", "--image=workbench.local/demo:1")
	if r.Code != 0 {
		t.Fatalf("trace: %d: %s", r.Code, r.Stderr)
	}
	var trace state.CommandTrace
	if err := json.Unmarshal([]byte(r.Stdout), &trace); err != nil {
		t.Fatalf("trace -o json: %v\n%s", err, r.Stdout)
	}
	if !strings.Contains(r.Stderr, "deployment.apps/traced created") || trace.End.Cause != "settled" {
		t.Errorf("the command said %q, the trace ended as %q", r.Stderr, trace.End.Cause)
	}
	var pods corev1.PodList
	lab.Object(&pods, "pods", "-l", "app=traced")
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods", len(pods.Items))
	}
	pod := pods.Items[0]
	node := pod.Spec.NodeName
	// Who did what for it, in this order.
	at := -1
	for _, want := range []struct {
		who, text string
		source    state.BarSource
	}{
		{"client", "POST /apis/apps/v1/namespaces/default/deployments 201", state.BarClient},
		{"apiserver c", "POST /apis/apps/v1/namespaces/default/deployments 201", state.BarOTLP},
		{"etcd c", "KV/Txn", state.BarOTLP},
		{"user", "deployment/traced created", state.BarEtcd},
		{"deploy", "replicaset/traced-", state.BarAudit},
		{"pod", "default/" + pod.Name, state.BarEtcd},
		{"scheduler c", "scheduled " + node, state.BarScheduler},
		{"scheduler c", "bind to " + node, state.BarScheduler},
		{"kubelet " + node, "syncPod create", state.BarOTLP},
		{"containerd " + node, "RuntimeService/RunPodSandbox", state.BarOTLP},
	} {
		found := -1
		for i := at + 1; i < len(trace.Bars) && found < 0; i++ {
			b := trace.Bars[i]
			if strings.HasPrefix(b.Who, want.who) && strings.Contains(b.Text, want.text) && b.Source == want.source {
				found = i
			}
		}
		if found < 0 {
			t.Fatalf("after line %d there is no %s: %s [%s]:\n%s", at, want.who, want.text, want.source, bars(trace.Bars))
		}
		at = found
	}
	agreesWithPod(t, trace.Bars, pod)
	lab.Kubectl("delete", "deployment", "traced", "--wait=false")

	if r := lab.Run("trace", "--", "sh", "-c", "kubectl get pods >/dev/null && exit 7"); r.Code != 7 || !strings.Contains(r.Stdout, "GET /api/v1/namespaces/default/pods 200") {
		t.Errorf("a command that ends with 7: code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// agreesWithPod compares the pod's bar with the times that the API has: whole
// seconds.
func agreesWithPod(t *testing.T, all []state.Bar, pod corev1.Pod) {
	t.Helper()
	for _, b := range all {
		if b.Who != "pod" || !strings.Contains(b.Text, pod.Name) {
			continue
		}
		ready := time.Time{}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady {
				ready = c.LastTransitionTime.Time
			}
		}
		const close = 10 * time.Second // whole seconds, and a busy kubelet
		if d := b.Start.Sub(pod.CreationTimestamp.Time); d < -close || d > close {
			t.Errorf("the bar begins at %v, the pod was made at %v", b.Start, pod.CreationTimestamp)
		}
		if d := b.End().Sub(ready); b.Took == 0 || d < -close || d > close {
			t.Errorf("the bar ends at %v, the pod was Ready at %v", b.End(), ready)
		}
		return
	}
	t.Errorf("no bar of pod %s:\n%s", pod.Name, bars(all))
}

func bars(all []state.Bar) string {
	var out []string
	for _, b := range all {
		out = append(out, b.Who+": "+b.Text+" ["+string(b.Source)+"]")
	}
	return strings.Join(out, "\n")
}
