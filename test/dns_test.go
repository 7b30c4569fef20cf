package test

import (
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
	for _, node := range workers(w) {
		pod := toolbox(t, w, node)
		// kube-proxy writes its rules a moment after the pods are ready.
		lab.Eventually("a lookup from "+node, "kubectl", "exec", pod, "--", "nslookup", "kubernetes.default")
		for name, want := range names {
			r := lab.Run("kubectl", "exec", pod, "--", "nslookup", name)
			if want == "" {
				if r.Code == 0 {
					t.Errorf("from %s: %s resolves: %s", node, name, r.Stdout)
				}
				continue
			}
			if r.Code != 0 || !strings.Contains(r.Stdout, want) {
				t.Errorf("from %s: %s resolves to %q (%s), want %q", node, name, r.Stdout, r.Stderr, want)
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
