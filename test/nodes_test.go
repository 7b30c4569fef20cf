package test

import (
	"strings"
	"testing"

	"workbench/cluster/state"
	"workbench/test/harness"
)

// nodesByKubectl are the names of the Node objects.
func nodesByKubectl(lab *harness.Lab) string {
	return strings.ReplaceAll(strings.TrimSpace(lab.Kubectl("get", "nodes", "-o", "name")), "node/", "")
}

// testNodesComeAndGo adds a worker and a control plane to a lab that runs, and
// takes them out again.
func testNodesComeAndGo(t *testing.T, lab *harness.Lab) {
	lab.Refused([]string{"node", "add", "worker", "--node", "w1"}, "of that name")
	lab.Refused([]string{"node", "add", "sidecar"}, "worker or control-plane")
	lab.Must("node", "add", "worker")
	w := lab.Await("pods on the new worker", func(w *state.World) bool { return allReady(w, "target", 3) && allReady(w, "toolbox", 3) })
	if got := strings.Fields(nodesByKubectl(lab)); len(got) != 3 || got[2] != "w3" {
		t.Errorf("kubectl has the nodes %v", got)
	}
	// Its pods are reached from other nodes, and reach them: it has routes and they do.
	for _, p := range podsOf(w, "target") {
		if p.Node == "w3" {
			lab.Eventually("a pod of w1 reaches one of w3", "kubectl", "exec", toolbox(t, w, "w1"), "--", "wget", "-q", "-T", "2", "-O", "-", "http://"+p.IP+":8080/")
		}
	}
	lab.Must("node", "remove", "w3", "--yes")
	if got := nodesByKubectl(lab); strings.Contains(got, "w3") {
		t.Errorf("kubectl has the nodes %q", got)
	}
	if w := lab.World(); w.Nodes["w3"] != nil || len(w.Topology.Nodes) != 5 {
		t.Errorf("the lab has %d nodes", len(w.Topology.Nodes))
	}
	lab.Must("node", "add", "control-plane")
	if m := memberList(t, lab); len(m) != 4 || m["c4"].ID == 0 || m["c4"].Learner {
		t.Errorf("members %+v", m)
	}
	out := lab.Must("node", "exec", "w1", "--", "ps", "ax")
	if ip := ipOf(lab.World(), "c4"); !strings.Contains(out, ip+":6443") {
		t.Errorf("no balancer knows the API server at %s", ip)
	}
	lab.Refused([]string{"node", "remove", "c4"}, "--yes", "2 needed for a write")
	lab.Must("node", "remove", "c4", "--yes")
	if m := memberList(t, lab); len(m) != 3 || m["c4"].ID != 0 {
		t.Errorf("members %+v", m)
	}
	whole(lab)
}
