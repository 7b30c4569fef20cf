package test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// stateful is a StatefulSet whose only pod has a claim, and a claim nobody uses.
const stateful = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ledger}
spec:
  serviceName: ledger
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: toolbox
        image: workbench.local/toolbox:1
        command: [sleep, "1000000"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: unused}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

// elsewhere is a pod that wants the data of the StatefulSet on w2, where it is not.
const elsewhere = `
apiVersion: v1
kind: Pod
metadata: {name: elsewhere}
spec:
  nodeSelector: {kubernetes.io/hostname: w2}
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 0
  containers: [{name: toolbox, image: "workbench.local/toolbox:1", command: [sleep, "1000000"], volumeMounts: [{name: data, mountPath: /data}]}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data-ledger-0}}]
`

func ledgerReady(w *state.World) bool { return allReady(w, "ledger", 1) }

// testStorage gives a StatefulSet a volume and finds its data after all that can
// happen to its node.
func testStorage(t *testing.T, lab *harness.Lab) {
	var class storagev1.StorageClass
	lab.Object(&class, "storageclass", "local")
	if class.Annotations["storageclass.kubernetes.io/is-default-class"] != "true" || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
		t.Errorf("the default StorageClass is %+v", class)
	}
	lab.Apply(stateful)
	w := lab.Await("the StatefulSet to have its volume", ledgerReady)
	node := podsOf(w, "ledger")["ledger-0"].Node
	var claim corev1.PersistentVolumeClaim
	lab.Object(&claim, "pvc", "data-ledger-0")
	var volume corev1.PersistentVolume
	lab.Object(&volume, "pv", claim.Spec.VolumeName)
	terms := volume.Spec.NodeAffinity.Required.NodeSelectorTerms
	if size := volume.Spec.Capacity[corev1.ResourceStorage]; terms[0].MatchExpressions[0].Values[0] != node || size.String() != "1Gi" {
		t.Errorf("the pod is on %s; its volume is %+v", node, volume.Spec)
	}
	if phase := strings.TrimSpace(lab.Kubectl("get", "pvc", "unused", "-o", "jsonpath={.status.phase}")); phase != "Pending" {
		t.Errorf("a claim without a pod is %s, want Pending", phase)
	}
	lab.Eventually("the pod writes", "kubectl", "exec", "ledger-0", "--", "sh", "-c", "echo kept > /data/entry")
	file := filepath.Join(lab.Root(node), volume.Spec.Local.Path, "entry")
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "kept\n" {
		t.Errorf("on the host the data is %q, %v", raw, err)
	}
	testLocality(t, lab, node)

	lab.Must("node", "kill", "-y", node)
	lab.Must("node", "start", node)
	if out := lab.Eventually("the data is there", "kubectl", "exec", "ledger-0", "--", "cat", "/data/entry"); out != "kept\n" {
		t.Errorf("after power loss the data is %q", out)
	}

	lab.Kubectl("delete", "statefulset", "ledger")
	lab.Kubectl("delete", "pvc", "data-ledger-0", "unused")
	lab.Kubectl("wait", "--for=delete", "pv/"+volume.Name, "--timeout=120s")
	if _, err := os.Stat(filepath.Dir(file)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the claim is deleted, the directory of its volume is there: %v", err)
	}
}

// testLocality finds in the scheduler's own account why a pod cannot go to another
// node than that of its data.
func testLocality(t *testing.T, lab *harness.Lab, node string) {
	lab.Apply(elsewhere)
	c := decided(lab, "elsewhere", event.SchedUnschedulable)
	told := slices.Contains(c.Allowing, "VolumeBinding") || says(c, "VolumeBinding", "w2")
	if !told || node != "w1" {
		t.Errorf("the data is on %s; of w2 the scheduler told %q: allowed %d by %v, %+v", node, c.Message, c.Allowed, c.Allowing, c.Rows)
	}
	lab.Kubectl("delete", "pod", "elsewhere", "--wait=false")
}

// testStaticPods gives a kubelet a pod that the API was not asked for.
func testStaticPods(t *testing.T, lab *harness.Lab) {
	file := filepath.Join(t.TempDir(), "beacon.yaml")
	if err := os.WriteFile(file, []byte(sleeper("beacon", "1m", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Must("node", "manifests", "w1", "--add", file)
	lab.Await("the mirror pod", func(w *state.World) bool {
		p := w.Kube.Pods["default/beacon-w1"]
		return p != nil && p.Owner == "Node/w1" && p.Ready
	})
	out := lab.Must("node", "manifests", "w1")
	dir, _, _ := strings.Cut(out, "\n")
	if _, err := os.Stat(filepath.Join(dir, "beacon.yaml")); err != nil || !strings.Contains(out, "default/beacon-w1  Running") {
		t.Errorf("workbench node manifests prints %q (%v)", out, err)
	}
	lab.Must("node", "manifests", "w1", "--rm", "beacon.yaml")
	lab.Await("the pod to end with its file", func(w *state.World) bool { return w.Kube.Pods["default/beacon-w1"] == nil })
	lab.Refused([]string{"node", "manifests", "c1"}, "no kubelet")
}
