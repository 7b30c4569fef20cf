package test

import (
	"slices"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// everything is a lab file that uses all that a lab file has.
const everything = `apiVersion: workbench/v1alpha1
kind: Lab
spec:
  controlPlanes: {count: 1, memory: 2Gi}
  workers: {count: 2, cpus: 1, memory: 1Gi}
  nodes:
    w1:
      labels: {disk: ssd}
    w2:
      taints: [{key: dedicated, value: batch, effect: NoSchedule}]
  network: {fabricCIDR: 10.20.0.0/24, podCIDR: 10.100.0.0/16, serviceCIDR: 10.101.0.0/20, proxyMode: nftables}
  failureDetection: kubernetes
  featureGates: {ContextualLogging: true}
  dns: {upstream: "UPSTREAM"}
  images:
    registries:
      registry.lab:5000: {url: "http://10.20.0.101:5001"}
      down.lab: {url: "http://10.20.0.101:5009"}
      private.lab: {url: "https://10.20.0.101:5002", ca: AUTHORITY}
      untrusted.lab: {url: "https://10.20.0.101:5002"}
      proxied.invalid: {ca: AUTHORITY}
  components:
    kubelet: {extraArgs: {max-pods: "20", housekeeping-interval: 2s}}
    kube-scheduler:
      config: |
        apiVersion: kubescheduler.config.k8s.io/v1
        kind: KubeSchedulerConfiguration
        profiles:
        - schedulerName: default-scheduler
        - schedulerName: packed
          plugins: {score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit, weight: 7}]}}
          pluginConfig:
          - name: NodeResourcesFit
            args: {scoringStrategy: {type: MostAllocated}}
`

// reachable is a Service whose only pod may run on w1 alone.
const reachable = `
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  nodeSelector: {disk: ssd}
  terminationGracePeriodSeconds: 0
  containers: [{name: demo, image: "workbench.local/demo:2", readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tolerant, labels: {app: tolerant}}
spec:
  nodeName: w2
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 0
  containers: [{name: toolbox, image: "workbench.local/toolbox:1", command: [sleep, "1000000"]}]
`

// TestLabFile boots a lab from a file and finds in the cluster what it asks for.
func TestLabFile(t *testing.T) {
	t.Parallel()
	pulls := newRegistries(t)
	lab := harness.New(t, harness.Opts{ControlPlanes: 1, Workers: 2, Env: pulls.env})
	lab.Must("up", "--detach", "-f", labFile(t, strings.NewReplacer("UPSTREAM", outside(t), "AUTHORITY", pulls.inFile()).Replace(everything)))
	w := whole(lab)
	if w.Topology.Profile != "kubernetes" || w.Topology.ServiceCIDR != "10.101.0.0/20" || w.Nodes["c1"].IP != "10.20.0.11" {
		t.Errorf("topology %+v", w.Topology)
	}
	// A quarter is for components, 100 MiB are never to be taken.
	const limit, reserve = 1<<30 - 256<<20 - 100<<20, 1 << 20
	for _, name := range workers(w) {
		n := w.Kube.Nodes[name]
		if n.AllocatableCPU != 1000 || n.AllocatableMemory > limit || n.AllocatableMemory < limit-reserve || n.AllocatablePods != 20 {
			t.Errorf("%s offers %d m of processor, %d bytes and %d pods; want 1000, about %d and 20", name, n.AllocatableCPU, n.AllocatableMemory, n.AllocatablePods, limit)
		}
		if !strings.HasPrefix(n.PodCIDR, "10.100.") {
			t.Errorf("pods of %s are in %s", name, n.PodCIDR)
		}
	}
	if got := w.Kube.Nodes["w1"].Labels["disk"]; got != "ssd" {
		t.Errorf("w1 has the label disk=%s", got)
	}
	if !slices.ContainsFunc(w.Kube.Nodes["w2"].Taints, func(taint event.Taint) bool {
		return taint.Key == "dedicated" && taint.Value == "batch" && taint.Effect == "NoSchedule"
	}) {
		t.Errorf("w2 has the taints %+v", w.Kube.Nodes["w2"].Taints)
	}
	lab.Apply(reachable)
	w = lab.Await("the pods to be ready", func(w *state.World) bool {
		return allReady(w, "server", 1) && allReady(w, "tolerant", 1)
	})
	if node := podsOf(w, "server")["server"].Node; node != "w1" {
		t.Errorf("the pod that wants an SSD is on %s", node)
	}
	ip := w.Kube.Services["default/server"].ClusterIP
	out := lab.Eventually("the Service answers", "kubectl", "exec", "tolerant", "--", "wget", "-q", "-T", "5", "-O", "-", "http://"+ip+"/")
	if !strings.HasPrefix(ip, "10.101.") || !strings.Contains(out, "pod=server") {
		t.Errorf("Service %s answers %q", ip, out)
	}
	testSecondProfile(t, lab)
	testProxy(t, lab)
	testScenes(t, lab)
	for _, parts := range [][]part{
		{{"LoadsAndPullsImages", func(t *testing.T, lab *harness.Lab) { testImages(t, lab, pulls) }}},
		{{"ResolvesNamesOutside", testOutsideNames}, {"DoesWhatAKubeletDoes", testKubelet}, {"RunsStaticPods", testStaticPods}},
		{{"KeepsVolumes", testStorage}},
		{{"KeepsConnectionsToASlowAPI", testSlowAPI}},
		{{"EvictsForMemory", testMemoryPressure}},
		{{"LeavesNothingOfImages", testNoImageIsLeft}},
	} {
		together(t, lab, parts...)
	}
}

// testSecondProfile schedules a pod by the lab file's second profile, and holds
// what was told of it against the Pod and the profile's plugins.
func testSecondProfile(t *testing.T, lab *harness.Lab) {
	t.Helper()
	lab.Apply(sleeper("packed", "10m", "schedulerName: packed\n  tolerations: [{operator: Exists}]"))
	c := decided(lab, "packed", event.SchedScheduled)
	checkChosen(t, lab, c)
	if c.Profile != "packed" || len(c.Scorers) != 1 || c.Plugins[c.Scorers[0].Plugin] != "NodeResourcesFit" || c.Scorers[0].Weight != 7 {
		t.Errorf("packed was scheduled by %s, scored by %+v of %v", c.Profile, c.Scorers, c.Plugins)
	}
	lab.Kubectl("delete", "pod", "packed")
}
