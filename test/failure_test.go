package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// slack is what a busy machine may add to a time that Kubernetes promises.
const slack = 20 * time.Second

func testRefusals(t *testing.T, lab *harness.Lab) {
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"node", "kill", "w9", "--yes"}, []string{`no node "w9"`, "w1"}},
		{[]string{"node", "kill", "w1"}, []string{"--yes"}},
		{[]string{"node", "start", "w1"}, []string{"node w1 is running already"}},
		{[]string{"node", "resume", "w1"}, []string{"w1", "not paused"}},
		{[]string{"component", "kill", "w1", "--yes"}, []string{"NODE/COMPONENT"}},
		{[]string{"component", "kill", "w1/etcd", "--yes"}, []string{"no component etcd", "kubelet"}},
		{[]string{"component", "start", "w1/kubelet"}, []string{"running already"}},
		{[]string{"component", "resume", "w1/kubelet"}, []string{"w1", "not paused"}},
		{[]string{"component", "restart", "x1/kubelet", "--yes"}, []string{`no node "x1"`}},
		{[]string{"logs", "w9"}, []string{`no logs of node "w9"`, "w1"}},
		{[]string{"logs", "w1/etcd"}, []string{`no log of component "etcd"`, "kubelet"}},
		{[]string{"status", "-o", "yaml"}, []string{"want json"}},
		{[]string{"up", "--detach", "--workers", "4"}, []string{"another shape", "down --purge"}},
	} {
		lab.Refused(c.args, c.says...)
	}
	for _, n := range lab.World().Nodes {
		if n.State != event.NodeRunning {
			t.Errorf("node %s is %s after refused actions", n.Name, n.State)
		}
	}
	if r := lab.Run("up", "--detach"); r.Code != 0 {
		t.Errorf("a second up does not attach: %s", r.Stderr)
	}
}

func testLeaderLoss(t *testing.T, lab *harness.Lab) {
	before := lab.World()
	old := before.Raft.Leader()
	lab.Must("node", "kill", old, "--yes")
	w := lab.Await("a new leader", func(w *state.World) bool {
		leader := w.Raft.Leader()
		return leader != "" && leader != old && w.Raft.Members[leader].Term > before.Raft.Members[old].Term
	})
	if n := w.Nodes[old]; n.State != event.NodeKilled || !strings.Contains(n.Cause, "by a user") {
		t.Errorf("node %s is %s (%s), want killed by a user", old, n.State, n.Cause)
	}
	if role := w.Raft.Members[old].Role; role != "" {
		t.Errorf("the dead member has role %q", role)
	}
	if need, up, _ := w.Raft.Quorum(); need != 2 || up != 2 {
		t.Errorf("quorum needs %d of %d up, want 2 of 2", need, up)
	}
	lab.Eventually("the API takes writes", "kubectl", "create", "configmap", "written-without-"+old)
	candidates := 0
	for _, e := range lab.Events(before.Seq) {
		if r, ok := e.Body.(event.RaftRole); ok && r.Node != old && (r.Role == event.RaftCandidate || r.Role == event.RaftPreCandidate) {
			candidates++
		}
	}
	if candidates == 0 {
		t.Error("the journal has no candidate: the election was not seen")
	}
	testRecoveryOfLeader(t, lab, before.Seq, old, "kill Raft leader's node")
	testRejoin(t, lab, old)
}

// testRejoin starts a dead control plane and follows it until it has caught up.
func testRejoin(t *testing.T, lab *harness.Lab, name string) {
	t.Helper()
	lab.Must("node", "start", name)
	w := lab.World()
	committed := w.Raft.Members[w.Raft.Leader()].Commit
	w = lab.Await(name+" to have caught up as a follower", func(w *state.World) bool {
		leader := w.Raft.Leader()
		if leader == "" || leader == name || w.Raft.Members[name].Role != event.RaftFollower {
			return false
		}
		p := w.Raft.Members[leader].Progress[name]
		return p.State == "StateReplicate" && p.Match >= committed && w.Raft.Members[name].Applied >= committed
	})
	if w.Raft.Members[name].Lead != w.Raft.Leader() {
		t.Errorf("%s follows %q, the leader is %q", name, w.Raft.Members[name].Lead, w.Raft.Leader())
	}
	whole(lab)
	if out := lab.Kubectl("get", "configmap", "written-without-"+name, "-o", "name"); !strings.Contains(out, name) {
		t.Errorf("what was written without %s is gone: %q", name, out)
	}
}

func testWorkerLoss(t *testing.T, lab *harness.Lab) {
	const victim = "w2"
	before := lab.Await("the workload to be ready", deployed)
	var uids []string
	for _, p := range podsOf(before, "demo") {
		if p.Node == victim {
			uids = append(uids, p.UID)
		}
	}
	if len(uids) == 0 {
		t.Fatalf("no replica runs on %s", victim)
	}
	killDuringTrace(t, lab, victim)
	w := lab.Await(victim+" to be NotReady", func(w *state.World) bool { return w.Kube.Nodes[victim].Ready == "Unknown" })
	took := w.Kube.Nodes[victim].At.Sub(w.Nodes[victim].Since)
	// A heartbeat may be as old as its interval at the time of death.
	if most := w.Topology.GracePeriod + slack; took > most {
		t.Errorf("%s was NotReady after %v, want at most %v", victim, took, most)
	}
	w = lab.Await("all replicas elsewhere", func(w *state.World) bool {
		for _, p := range podsOf(w, "demo") {
			if p.Node == victim {
				return false
			}
		}
		return allReady(w, "demo", replicas) && w.Kube.Deployments["default/demo"].Available == replicas
	})
	moved := w.Now.Sub(w.Nodes[victim].Since)
	if most := w.Topology.GracePeriod + w.Topology.EvictionDelay + 2*slack; moved > most {
		t.Errorf("the replicas were elsewhere after %v, want at most %v", moved, most)
	}
	t.Logf("%s: NotReady after %.1f s, replicas elsewhere after %.1f s", victim, took.Seconds(), moved.Seconds())
	if out := fetch(t, lab, "w1", "http://"+w.Kube.Services["default/demo"].ClusterIP+"/"); strings.Contains(out, "node="+victim) {
		t.Errorf("the dead worker answered: %s", out)
	}
	testRecoveryOfWorker(t, lab, victim)
	lab.Must("node", "start", victim)
	w = whole(lab)
	testReturnOfWorker(t, lab)
	lab.Await("the dead pods to be gone and the toolbox to run", func(w *state.World) bool {
		for _, uid := range uids {
			for _, p := range w.Kube.Pods {
				if p.UID == uid {
					return false
				}
			}
		}
		return deployed(w)
	})
	if before.Kube.Nodes[victim].UID != w.Kube.Nodes[victim].UID {
		t.Errorf("%s came back as another Node object", victim)
	}
}

func testPause(t *testing.T, lab *harness.Lab) {
	before := lab.World()
	leader := before.Raft.Leader()
	lab.Must("node", "pause", leader, "--yes")
	lab.Must("node", "pause", "w3", "--yes")
	w := lab.Await("a leader that is not frozen", func(w *state.World) bool {
		l := w.Raft.Leader()
		return l != "" && w.Raft.Members[l].Term > before.Raft.Members[leader].Term
	})
	if w.Nodes[leader].State != event.NodePaused {
		t.Errorf("node %s is %s, want paused", leader, w.Nodes[leader].State)
	}
	if s := processState(t, w.Nodes[leader].PID); s != "T" {
		t.Errorf("the init of %s is in state %s, want T (stopped)", leader, s)
	}
	lab.Refused([]string{"component", "kill", leader + "/etcd", "--yes"}, "paused", "node resume "+leader)
	lab.Refused([]string{"node", "stop", leader, "--yes"}, "paused", "node resume "+leader)
	lab.Await("w3 to be NotReady", func(w *state.World) bool { return w.Kube.Nodes["w3"].Ready == "Unknown" })
	lab.Must("node", "resume", "w3")
	lab.Must("node", "resume", leader)
	w = whole(lab)
	if w.Nodes["w3"].PID != before.Nodes["w3"].PID {
		t.Error("w3 has another init after the pause: it was restarted, not resumed")
	}
	lab.Await("the frozen leader to follow", func(w *state.World) bool {
		return w.Raft.Members[leader].Role == event.RaftFollower && w.Raft.Members[leader].Term == w.Raft.Members[w.Raft.Leader()].Term
	})
	lab.Await("the workload to be ready", deployed)
}

// processState is the state letter of proc(5).
func processState(t *testing.T, pid int) string {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw[strings.LastIndexByte(string(raw), ')')+2])
}

// component is the state of one component.
func component(w *state.World, node, name string) *state.Component {
	return w.Nodes[node].Components[name]
}

func testComponents(t *testing.T, lab *harness.Lab) {
	const node, scheduler, manager = "c2", "kube-scheduler", "kube-controller-manager"
	before := lab.World()
	lab.Must("component", "kill", node+"/"+scheduler, "--yes")
	c := component(lab.World(), node, scheduler)
	if c.State != event.ComponentStopped || c.PID != 0 || c.Signal != "killed" || !strings.Contains(c.Cause, "by a user") {
		t.Errorf("%s is %s, pid %d, signal %q, cause %q; want it stopped, killed by a user", scheduler, c.State, c.PID, c.Signal, c.Cause)
	}
	lab.Refused([]string{"component", "restart", node + "/" + scheduler, "--yes"}, "not running")
	lab.Must("component", "restart", node+"/"+manager, "--yes")
	w := lab.Await(manager+" to be back", func(w *state.World) bool {
		c := component(w, node, manager)
		return c.State == event.ComponentReady && c.PID != component(before, node, manager).PID
	})
	if c := component(w, node, manager); c.Restarts != component(before, node, manager).Restarts+1 {
		t.Errorf("%s has %d restarts", manager, c.Restarts)
	}
	// The other one took its time; a restart by the init would have come.
	if c := component(w, node, scheduler); c.State != event.ComponentStopped {
		t.Errorf("%s is %s, want it held down until it is started", scheduler, c.State)
	}
	lab.Must("component", "start", node+"/"+scheduler)
	lab.Await(scheduler+" to be ready", func(w *state.World) bool {
		return component(w, node, scheduler).State == event.ComponentReady
	})
	lab.Must("component", "pause", node+"/etcd", "--yes")
	w = lab.World()
	if c := component(w, node, "etcd"); c.State != event.ComponentPaused {
		t.Errorf("etcd is %s, want paused", c.State)
	}
	lab.Must("component", "resume", node+"/etcd")
	w = whole(lab)
	if got, want := component(w, node, "etcd").PID, component(before, node, "etcd").PID; got != want {
		t.Errorf("etcd has PID %d after the pause, had %d", got, want)
	}
}

// testOrderlyStop shuts a node down in order and boots it again.
func testOrderlyStop(t *testing.T, lab *harness.Lab) {
	const node = "w3"
	seq := beginGracefully(t, lab, node)
	lab.Must("node", "stop", node, "--yes")
	checkGraceful(t, lab, node, seq)
	w := lab.World()
	if n := w.Nodes[node]; n.State != event.NodeStopped || n.PID != 0 || !strings.Contains(n.Cause, "by a user") {
		t.Errorf("node %s is %s, pid %d (%s); want stopped by a user", node, n.State, n.PID, n.Cause)
	}
	lab.Refused([]string{"node", "stop", node, "--yes"}, "not running", "node start "+node)
	lab.Refused([]string{"node", "pause", node, "--yes"}, "not running")
	lab.Refused([]string{"component", "kill", node + "/kubelet", "--yes"}, "not running")
	lab.Must("node", "start", node)
	whole(lab)
	lab.Await("the workload to be ready", deployed)
}

func testKubeletLoss(t *testing.T, lab *harness.Lab) {
	w := lab.Await("the workload to be ready", deployed)
	var pod *event.KubePod
	for _, p := range podsOf(w, "demo") {
		if p.Node != "w1" {
			pod = p
		}
	}
	if pod == nil {
		t.Fatal("all replicas are on w1")
	}
	lab.Must("component", "kill", pod.Node+"/kubelet", "--yes")
	lab.Await(pod.Node+" to be NotReady", func(w *state.World) bool { return w.Kube.Nodes[pod.Node].Ready == "Unknown" })
	// Its pods run on: nobody there stops them.
	if out := fetch(t, lab, "w1", "http://"+pod.IP+":8080/"); !strings.Contains(out, "pod="+pod.Name) {
		t.Errorf("pod %s does not run on without its kubelet: %q", pod.Name, out)
	}
	lab.Must("component", "start", pod.Node+"/kubelet")
	whole(lab)
	lab.Await("the workload to be ready", deployed)
}
