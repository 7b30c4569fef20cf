package test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

func testBoots(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	if len(w.Topology.Nodes) != 6 || len(workers(w)) != 3 {
		t.Fatalf("the lab has %d nodes, %d of them workers; want 6 and 3", len(w.Topology.Nodes), len(workers(w)))
	}
	for _, s := range w.Steps {
		if !s.Done || s.Error != "" {
			t.Errorf("step %s: done %v, error %q", s.ID, s.Done, s.Error)
		}
	}
	for name, n := range w.Nodes {
		for _, c := range n.Components {
			if c.Restarts > 0 {
				t.Errorf("%s/%s was restarted %d times while the lab booted: %s", name, c.Component, c.Restarts, c.Cause)
			}
		}
	}
	if out := lab.Kubectl("get", "--raw", "/readyz"); out != "ok" {
		t.Errorf("/readyz says %q", out)
	}
	testVersions(t, lab, w)
	if info, err := os.Stat(lab.Socket()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the API's socket: %v %v, want mode 0600", info, err)
	}
}

// testVersions holds what clients parse against what the lab says of itself.
func testVersions(t *testing.T, lab *harness.Lab, w *state.World) {
	var v struct {
		ClientVersion, ServerVersion struct{ GitVersion, Major, Minor string }
	}
	if err := json.Unmarshal([]byte(lab.Kubectl("version", "-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	if v.ServerVersion.GitVersion != w.Topology.KubernetesVersion || v.ClientVersion.GitVersion != w.Topology.KubernetesVersion {
		t.Errorf("server %s, client %s; the lab says %s", v.ServerVersion.GitVersion, v.ClientVersion.GitVersion, w.Topology.KubernetesVersion)
	}
	if want := "v" + v.ServerVersion.Major + "." + v.ServerVersion.Minor + "."; !strings.HasPrefix(v.ServerVersion.GitVersion, want) {
		t.Errorf("server version %+v does not parse", v.ServerVersion)
	}
	var nodes nodeList
	lab.Object(&nodes, "nodes")
	for _, n := range nodes.Items {
		if got := n.Status.NodeInfo.ContainerRuntimeVersion; got != "containerd://"+strings.TrimPrefix(w.Topology.ContainerdVersion, "v") {
			t.Errorf("node %s runs %s, the lab says containerd %s", n.Metadata.Name, got, w.Topology.ContainerdVersion)
		}
		if got := n.Status.NodeInfo.KubeletVersion; got != w.Topology.KubernetesVersion {
			t.Errorf("node %s runs kubelet %s, the lab says %s", n.Metadata.Name, got, w.Topology.KubernetesVersion)
		}
	}
}

// nodeList is what tests read of `kubectl get nodes -o json`.
type nodeList struct {
	Items []struct {
		Metadata struct{ Name, UID string }
		Status   struct {
			Conditions []struct{ Type, Status string }
			NodeInfo   struct{ KubeletVersion, ContainerRuntimeVersion string }
		}
	}
}

// memberStatus is one line of `etcdctl endpoint status -w json`.
type memberStatus struct {
	Endpoint string
	Status   struct {
		Header struct {
			MemberID uint64 `json:"member_id"`
			RaftTerm uint64 `json:"raft_term"`
		}
		Leader  uint64 `json:"leader"`
		Version string `json:"version"`
	}
}

// testTellsTheTruth compares the lab's own state with what kubectl and etcdctl
// learn by other ways.
func testTellsTheTruth(t *testing.T, lab *harness.Lab) {
	together(t, lab, part{"Raft", testRaftFacts}, part{"Nodes", testNodeFacts}, part{"Pods", testPodFacts})
}

func testRaftFacts(t *testing.T, lab *harness.Lab) {
	var members []memberStatus
	if err := json.Unmarshal([]byte(lab.Must("etcdctl", "endpoint", "status", "-w", "json")), &members); err != nil {
		t.Fatal(err)
	}
	if len(members) != 3 {
		t.Fatalf("etcdctl shows %d members, want 3", len(members))
	}
	lab.Await("the lab's state to agree with etcdctl", func(w *state.World) bool {
		for _, n := range w.Topology.Nodes {
			if n.Role != event.ControlPlane {
				continue
			}
			i := slices.IndexFunc(members, func(m memberStatus) bool { return strings.Contains(m.Endpoint, n.IP+":") })
			if i < 0 {
				return false
			}
			s, m := members[i].Status, w.Raft.Members[n.Name]
			leads := s.Leader == s.Header.MemberID
			if m.MemberID != fmt.Sprintf("%x", s.Header.MemberID) || m.Term != s.Header.RaftTerm || leads != (m.Role == event.RaftLeader) {
				return false
			}
			if want := w.Topology.EtcdVersion; "v"+s.Version != want {
				t.Errorf("etcdctl says version %s, the lab %s", s.Version, want)
			}
		}
		return true
	})
}

func testNodeFacts(t *testing.T, lab *harness.Lab) {
	var nodes nodeList
	lab.Object(&nodes, "nodes")
	if len(nodes.Items) == 0 {
		t.Fatal("kubectl shows no nodes")
	}
	lab.Await("the lab's nodes to be those of kubectl", func(w *state.World) bool {
		if len(w.Kube.Nodes) != len(nodes.Items) {
			return false
		}
		for _, n := range nodes.Items {
			known := w.Kube.Nodes[n.Metadata.Name]
			if known == nil || known.UID != n.Metadata.UID {
				return false
			}
			for _, c := range n.Status.Conditions {
				if c.Type == "Ready" && c.Status != known.Ready {
					return false
				}
			}
		}
		return true
	})
}

func testPodFacts(t *testing.T, lab *harness.Lab) {
	type row struct{ status, ip, node string }
	pods := map[string]row{}
	table := lab.Kubectl("get", "pods", "-A", "--no-headers", "-o",
		"custom-columns=NS:.metadata.namespace,NAME:.metadata.name,IP:.status.podIP,NODE:.spec.nodeName")
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) == 4 {
			pods[f[0]+"/"+f[1]] = row{ip: f[2], node: f[3]}
		}
	}
	for line := range strings.Lines(lab.Kubectl("get", "pods", "-A", "--no-headers")) {
		if f := strings.Fields(line); len(f) >= 4 { // namespace, name, ready, status
			r := pods[f[0]+"/"+f[1]]
			r.status = f[3]
			pods[f[0]+"/"+f[1]] = r
		}
	}
	if len(pods) == 0 {
		t.Fatal("kubectl shows no pods")
	}
	lab.Await("the lab's pods to be those of kubectl", func(w *state.World) bool {
		if len(w.Kube.Pods) != len(pods) {
			return false
		}
		for key, want := range pods {
			if p := w.Kube.Pods[key]; p == nil || (row{p.Status, p.IP, p.Node}) != want {
				return false
			}
		}
		return true
	})
}
