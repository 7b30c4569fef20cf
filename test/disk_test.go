package test

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// testComesBack stops the lab in both ways and boots it again from its disk.
func testComesBack(t *testing.T, lab *harness.Lab) {
	lab.Kubectl("create", "configmap", "kept", "--from-literal=key=value")
	for _, c := range []struct {
		name string
		stop func(*testing.T, *harness.Lab)
		back func(t *testing.T, lab *harness.Lab, before *state.World, w1 map[string]string)
	}{
		{"AfterDown", func(_ *testing.T, lab *harness.Lab) { lab.Down() }, testSameCredentials},
		{"AfterTheSupervisorWasKilledInFaults", killInFaults, testUnbroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := lab.With(t)
			before := sub.Await("the workload to be ready", deployed)
			kubeconfig, w1 := sub.Must("kubeconfig"), credentials(t, before, "w1")
			c.stop(t, sub)
			sub.Refused([]string{"status"}, "not running", "workbench up")
			sub.Refused([]string{"kubectl", "get", "nodes"})
			sub.Must("up", "--detach") // without flags: the shape is the saved one
			testCameBack(t, sub, before, kubeconfig)
			c.back(t, sub, before, w1)
		})
	}
}

// killInFaults kills the supervisor of a lab that is broken in all ways that last.
func killInFaults(t *testing.T, lab *harness.Lab) {
	broken(t, lab, "partition", "c1/c2,c3")
	broken(t, lab, "delay", "w1", "50ms")
	broken(t, lab, "squeeze", "w1", "cpu", "0.5")
	broken(t, lab, "freeze", "c1/kube-scheduler")
	broken(t, lab, "cert-expire", "w1/kube-proxy")
	broken(t, lab, "cordon", "w2")
	lab.KillSupervisor()
}

func testSameCredentials(t *testing.T, lab *harness.Lab, _ *state.World, w1 map[string]string) {
	same(t, "w1", w1, credentials(t, lab.World(), "w1"))
}

// testUnbroken holds that nothing is broken after the next up.
func testUnbroken(t *testing.T, lab *harness.Lab, before *state.World, w1 map[string]string) {
	w := lab.Await("w2 to be uncordoned", func(w *state.World) bool {
		n := w.Kube.Nodes["w2"]
		return n != nil && !n.Unschedulable && ready(w, "w2")
	})
	same(t, "w1", w1, credentials(t, w, "w1"))
	if len(w.Faults.Active)+len(w.Faults.Links) > 0 || w.Topology.Name != before.Topology.Name {
		t.Errorf("faults outlived the supervisor: %+v, %+v", w.Faults.Active, w.Faults.Links)
	}
	tablesOf(t, w) // of none of which a fault may be
	if out := lab.Kubectl("get", "node", "w2", "-o", "jsonpath={.metadata.annotations}"); strings.Contains(out, "cordoned-by-fault") {
		t.Errorf("the mark of the cordon is left: %s", out)
	}
}

func testCameBack(t *testing.T, lab *harness.Lab, before *state.World, kubeconfig string) {
	w := whole(lab)
	for _, p := range before.Recovery.Remember() {
		if !slices.ContainsFunc(w.Recovery.Past, func(was event.RecoveryPast) bool { return was.Class == p.Class && was.Total == p.Total }) {
			t.Errorf("a %s cannot be compared with the run before: %+v", p.Class, w.Recovery.Past)
		}
	}
	if w.Topology.APIAddress != before.Topology.APIAddress {
		t.Errorf("the API is at %s, was at %s", w.Topology.APIAddress, before.Topology.APIAddress)
	}
	if got := lab.Must("kubeconfig"); got != kubeconfig {
		t.Error("the kubeconfig is another one")
	}
	w = lab.Await("the workload to be ready", func(w *state.World) bool {
		return deployed(w) && renewed(w, before)
	})
	if got := lab.Kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.key}"); got != "value" {
		t.Errorf("the ConfigMap holds %q", got)
	}
	for name, n := range before.Kube.Nodes {
		if got := w.Kube.Nodes[name]; got == nil || got.UID != n.UID {
			t.Errorf("node %s is another object after the restart", name)
		}
	}
	ids := func(w *state.World) map[string]string {
		m := map[string]string{}
		for name, member := range w.Raft.Members {
			m[name] = member.MemberID
		}
		return m
	}
	if !maps.Equal(ids(w), ids(before)) {
		t.Errorf("etcd members %v, were %v", ids(w), ids(before))
	}
	if out := fetch(t, lab, "w1", "http://"+w.Kube.Services["default/demo"].ClusterIP+"/"); !strings.Contains(out, "version=1") {
		t.Errorf("the Service answers %q", out)
	}
}

// renewed says that every container was started again since the lab was
// stopped: before that, the API shows the pods of the last life as Ready.
func renewed(w, before *state.World) bool {
	for key, p := range w.Kube.Pods {
		old := before.Kube.Pods[key]
		if old == nil || old.UID != p.UID {
			continue // a new pod
		}
		for i, c := range p.Containers {
			if c.Restarts <= old.Containers[i].Restarts {
				return false
			}
		}
	}
	return true
}

// TestTwoLabs runs two labs in one state directory.
func TestTwoLabs(t *testing.T) {
	t.Parallel()
	one := harness.Up(t, harness.Opts{ControlPlanes: 1, Workers: 1, Name: "one"})
	two := harness.New(t, harness.Opts{ControlPlanes: 1, Workers: 1, Name: "two", State: one.State})
	two.Boot()
	testRaftEntry(t, one) // a member without peers has a log too
	if one.World().Topology.APIAddress == two.World().Topology.APIAddress {
		t.Errorf("both labs have the API at %s", one.World().Topology.APIAddress)
	}
	two.Kubectl("create", "configmap", "mine")
	if r := one.Run("kubectl", "get", "configmap", "mine"); r.Code == 0 || !strings.Contains(r.Stderr, "not found") {
		t.Errorf("lab one has the object of lab two: %s%s", r.Stdout, r.Stderr)
	}
	seq := two.World().Seq
	one.Must("node", "kill", "w1", "--yes")
	one.KillSupervisor()
	for _, e := range two.Events(seq) {
		if s, ok := e.Body.(event.NodeState); ok {
			t.Errorf("the end of lab one changed a node of lab two: %+v", s)
		}
	}
	two.Kubectl("get", "--raw", "/readyz")
	one.Boot()
	two.Down()
	one.Kubectl("get", "--raw", "/readyz")
	one.Down()
}

// TestAttachAndRefuse is about a second `up` of the same name, while the lab
// runs and when it is down, and about what is on disk. The lab does without a
// packet filter.
func TestAttachAndRefuse(t *testing.T) {
	t.Parallel()
	lab := harness.New(t, harness.Opts{ControlPlanes: 1, Workers: 1})
	lab.Must("up", "--detach", "-f", labFile(t, withoutFilter))
	whole(lab)
	t.Run("ProxiesWithoutAPacketFilter", func(t *testing.T) { testUserspace(t, lab.With(t)) })
	pid := lab.Supervisor()
	out := lab.Must("up", "--detach")
	if lab.Supervisor() != pid {
		t.Error("a second up started a second supervisor")
	}
	if strings.Contains(out, "Issue certificates") && !strings.Contains(out, "running") {
		t.Errorf("a second up does not say that the lab runs:\n%s", out)
	}
	plain := lab.Begin("up", "--plain")
	lab.AwaitOutput(plain, "running")
	plain.Signal(syscall.SIGINT)
	if out, code := lab.AwaitExit(plain); code != 0 {
		t.Errorf("an interrupted attach ends with code %d:\n%s", code, out)
	}
	lab.Refused([]string{"up", "--detach", "--workers", "2"}, "another shape", "down --purge")
	lab.World() // it still answers
	lab.Down()
	lab.Refused([]string{"up", "--detach", "--workers", "2"}, "another shape", "1 control planes, 1 workers", "down --purge")
	lab.Refused([]string{"down"}, "not running")
	lab.Refused([]string{"node", "kill", "w1", "--yes"}, "not running", "workbench up")
	lab.AssertClean()
}
