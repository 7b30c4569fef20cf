package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// testDNS resolves names as pods do, on every worker.
func testDNS(t *testing.T, lab *harness.Lab) {
	w := lab.Await("the name service to be ready on two workers", func(w *state.World) bool {
		on := map[string]bool{}
		for _, p := range w.Kube.Pods {
			if p.Labels["k8s-app"] == "kube-dns" && p.Ready {
				on[p.Node] = true
			}
		}
		return len(on) == 2
	})
	pod := anyPod(w)
	names := map[string]string{
		"kubernetes.default":   "kubernetes.default.svc.cluster.local\nAddress: " + w.Kube.Services["default/kubernetes"].ClusterIP,
		"demo":                 "demo.default.svc.cluster.local\nAddress: " + w.Kube.Services["default/demo"].ClusterIP,
		"kube-dns.kube-system": "kube-dns.kube-system.svc.cluster.local\nAddress: " + w.Kube.Services["kube-system/kube-dns"].ClusterIP,
		strings.ReplaceAll(pod.IP, ".", "-") + ".default.pod": "Address: " + pod.IP,
		"nobody.default.svc.cluster.local":                    "",
	}
	lookups := fmt.Sprintf(`for name in %s; do echo "== $name"; nslookup $name 2>&1 || echo failed; done`, strings.Join(slices.Sorted(maps.Keys(names)), " "))
	for _, node := range workers(w) {
		pod := toolbox(t, w, node)
		// kube-proxy writes its rules a moment after the pods are ready.
		lab.Eventually("a lookup from "+node, "kubectl", "exec", pod, "--", "nslookup", "kubernetes.default")
		out := lab.Kubectl("exec", pod, "--", "sh", "-c", lookups)
		for name, want := range names {
			_, said, asked := strings.Cut(out, "== "+name+"\n")
			said, _, _ = strings.Cut(said, "== ")
			failed := !asked || strings.HasSuffix(said, "failed\n")
			if want == "" && (!asked || !failed) {
				t.Errorf("from %s: %s resolves: %s", node, name, said)
			}
			if want != "" && (failed || !strings.Contains(said, want)) {
				t.Errorf("from %s: %s resolves to %q, want %q", node, name, said, want)
			}
		}
	}
	lab.Await("the pulse of DNS on every worker", func(w *state.World) bool {
		for _, node := range workers(w) {
			if p := w.Probes["dns/"+node]; p == nil || !p.Failing.IsZero() {
				return false
			}
		}
		return true
	})
}

func anyPod(w *state.World) *event.KubePod {
	for _, p := range podsOf(w, "demo") {
		return p
	}
	return &event.KubePod{}
}
