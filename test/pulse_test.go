package test

import (
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// testPulse holds that the pulse is one of real requests: it stops for the
// Service when the Service has no endpoints, for nothing else, and comes back.
func testPulse(t *testing.T, lab *harness.Lab) {
	others := []string{"api-read", "api-write", "etcd-write"}
	var services []string
	for _, name := range workers(lab.World()) {
		services = append(services, "service/"+name)
	}
	if len(services) < 3 {
		t.Fatalf("only %v", services)
	}
	beat := func(w *state.World, targets []string) bool {
		for _, target := range targets {
			p := w.Probes[target]
			if p == nil || len(p.Samples) < 8 || !p.Failing.IsZero() {
				return false
			}
		}
		return true
	}
	lab.Await("the pulse of everything", func(w *state.World) bool { return beat(w, append(services, others...)) })
	if out := lab.Must("etcdctl", "get", "--print-value-only", "/workbench/pulse"); !strings.Contains(out, "T") {
		t.Errorf("etcd holds the beat %q", out)
	}
	began := lab.World().Seq
	lab.Kubectl("patch", "service", "demo", "-p", `{"spec":{"selector":{"app":"nobody"}}}`)
	lab.Await("requests to the Service to fail on every node", func(w *state.World) bool {
		for _, target := range services {
			if w.Probes[target].Failing.IsZero() {
				return false
			}
		}
		return true
	})
	lab.Kubectl("patch", "service", "demo", "-p", `{"spec":{"selector":{"app":"demo"}}}`)
	lab.Await("the Service to answer again", func(w *state.World) bool { return beat(w, services) })
	reasons := map[string]int{}
	for _, e := range lab.Events(began) {
		if p, ok := e.Body.(event.Probe); ok && !p.OK {
			if !strings.HasPrefix(p.Target, "service/") {
				t.Errorf("%s failed: %s", p.Target, p.Error)
			}
			reasons[p.Error]++
		}
	}
	if reasons["connection refused"] == 0 {
		t.Errorf("without endpoints kube-proxy rejects, but requests failed with %v", reasons)
	}
}
