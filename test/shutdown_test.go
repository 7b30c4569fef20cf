package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
	"workbench/cluster/recovery"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// slowToEnd is a pod with a preStop hook, which tells its node that it ran. Its
// object stays when the node is tainted.
const slowToEnd = `
apiVersion: v1
kind: Pod
metadata: {name: patient, labels: {app: patient}}
spec:
  nodeName: NODE
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 5
  volumes: [{name: node, hostPath: {path: /var/tmp}}]
  containers:
  - name: toolbox
    image: workbench.local/toolbox:1
    command: [sleep, "1000000"]
    volumeMounts: [{name: node, mountPath: /node}]
    lifecycle: {preStop: {exec: {command: [sh, -c, "sleep 2; echo preStop ran >/node/said"]}}}
`

// beginGracefully puts a pod with a preStop hook on a node whose kubelet holds an
// inhibitor, and returns the last event before its shutdown.
func beginGracefully(t *testing.T, lab *harness.Lab, node string) uint64 {
	t.Helper()
	lab.Apply(strings.ReplaceAll(slowToEnd, "NODE", node))
	w := lab.Await("a pod with a preStop hook", func(w *state.World) bool { return allReady(w, "patient", 1) })
	s := w.Nodes[node].Shutdown
	if len(s.Inhibitors) != 1 || s.Inhibitors[0].Who != "kubelet" || s.Inhibitors[0].PID != component(w, node, "kubelet").PID || s.Limit != 15*time.Second {
		t.Errorf("a shutdown of %s may be delayed by %+v", node, s)
	}
	return w.Seq
}

// checkGraceful holds what came of a shutdown against the node's files, the API's
// objects and the order of the events.
func checkGraceful(t *testing.T, lab *harness.Lab, node string, after uint64) {
	t.Helper()
	file := filepath.Join(lab.Dir(), "nodes", node, "root/var/tmp/said")
	if raw, err := os.ReadFile(file); string(raw) != "preStop ran\n" {
		t.Errorf("the pod with a preStop hook said %q, %v", raw, err)
	}
	var pod corev1.Pod
	lab.Object(&pod, "pod", "patient")
	if s := pod.Status; s.Phase != corev1.PodFailed || s.Reason != "Terminated" || !strings.Contains(s.Message, "imminent node shutdown") {
		t.Errorf("its pod is %s, %s: %s", s.Phase, s.Reason, s.Message)
	}
	var announced, notReady, failed, released, stopped time.Time
	for _, e := range lab.Events(after) {
		switch b := e.Body.(type) {
		case event.NodeShutdown:
			if b.Phase == event.ShutdownAnnounced && b.Node == node {
				announced = e.Time
			} else if b.Phase == event.ShutdownReleased && b.Took >= 2*time.Second {
				released = e.Time
			}
		case event.KubeNode:
			if b.Name == node && b.Ready == "False" && strings.Contains(b.Message, "node is shutting down") && notReady.IsZero() {
				notReady = e.Time
			}
		case event.KubePod:
			if b.Name == "patient" && b.Reason == "Terminated" && failed.IsZero() {
				failed = e.Time
			}
		case event.NodeState:
			if b.Node == node && b.State == event.NodeStopped {
				stopped = e.Time
			}
		}
	}
	if announced.IsZero() || !notReady.After(announced) || !failed.After(announced) || !released.After(announced) || !stopped.After(released) {
		t.Errorf("announced %v, NotReady %v, pod ended %v, released %v, stopped %v", announced, notReady, failed, released, stopped)
	}
	if r := lab.World().Recovery.Find("last"); r == nil || r.Kind != "stop" || !r.Landed.Equal(announced) || r.Hop(recovery.NotReady) == nil || r.Hop(recovery.NotReady).At.After(stopped) {
		t.Errorf("the report has it land %+v, announced %v", r, announced)
	}
	lab.Kubectl("delete", "pod", "patient", "--force", "--grace-period=0")
}
