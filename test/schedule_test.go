package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// sleeper is a pod of the toolbox that does nothing.
func sleeper(name, cpu, spec string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {test: schedule}}
spec:
  terminationGracePeriodSeconds: 0
  %s
  containers: [{name: main, image: "workbench.local/toolbox:1", command: [sleep, "1000000"], resources: {requests: {cpu: %q}}}]
`, name, spec, cpu)
}

// testSchedules compares what the scheduler's tap told with what kubectl says of
// the same pods.
func testSchedules(t *testing.T, lab *harness.Lab) {
	t.Cleanup(func() {
		lab.Run(append([]string{"kubectl", "uncordon"}, workers(lab.World())...)...)
		lab.Run("kubectl", "taint", "nodes", "w1", "disk-")
		lab.Run("kubectl", "delete", "pods", "-l", "test=schedule", "--wait=true")
		lab.Run("kubectl", "delete", "priorityclass", "workbench-low", "workbench-vip")
	})
	lab.Kubectl("taint", "nodes", "w1", "disk=bad:NoSchedule")
	lab.Apply(sleeper("fits", "10m", ""))
	c := decided(lab, "fits", event.SchedScheduled)
	checkChosen(t, lab, c)
	if c.Feasible != 2 || !says(c, "TaintToleration", "w1") {
		t.Errorf("with w1 tainted, %d nodes fitted %s: %v", c.Feasible, c.Pod.Key(), c.Rows)
	}

	lab.Apply(sleeper("picky", "10m", "nodeSelector: {no-node: has-this}"))
	checkRejected(t, lab, decided(lab, "picky", event.SchedUnschedulable), "NodeAffinity")
	lab.Apply(sleeper("huge", "1000", ""))
	checkRejected(t, lab, decided(lab, "huge", event.SchedUnschedulable), "NodeResourcesFit")

	testGate(t, lab)
	testCordon(t, lab)
	testVictims(t, lab)
}

// decided waits for an attempt to schedule a pod with this outcome, and for the
// binding where a node was found.
func decided(lab *harness.Lab, pod string, outcome event.SchedOutcome) *state.Cycle {
	var found *state.Cycle
	lab.Await(fmt.Sprintf("%s to be %s", pod, outcome), func(w *state.World) bool {
		for _, c := range w.Sched.Attempts("default/" + pod) {
			if c.Outcome == outcome && (outcome != event.SchedScheduled || c.Bind.Outcome != "") {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

// checkChosen holds a successful attempt against the Pod object.
func checkChosen(t *testing.T, lab *harness.Lab, c *state.Cycle) {
	t.Helper()
	var pod corev1.Pod
	lab.Object(&pod, "pod", c.Pod.Name)
	if pod.Spec.NodeName != c.Node || string(pod.UID) != c.Pod.UID || c.Bind.Outcome != event.SchedBound {
		t.Errorf("%s: told of %s (%s), it is on %s", c.Pod.Key(), c.Node, c.Bind.Outcome, pod.Spec.NodeName)
	}
	if c.Profile != pod.Spec.SchedulerName {
		t.Errorf("%s: told of profile %s, it asks for %s", c.Pod.Key(), c.Profile, pod.Spec.SchedulerName)
	}
	if leader := lab.World().Kube.Leases["kube-system/kube-scheduler"]; leader == nil || !strings.HasPrefix(leader.Holder, c.Instance+"_") {
		t.Errorf("%s: scheduled by %s, the lease is held by %+v", c.Pod.Key(), c.Instance, leader)
	}
}

// checkRejected holds a failed attempt against its Event and its condition.
func checkRejected(t *testing.T, lab *harness.Lab, c *state.Cycle, plugin string) {
	t.Helper()
	if !says(c, plugin, "w2") || !says(c, plugin, "w3") || !says(c, "TaintToleration", "w1") {
		t.Errorf("%s: rejected by %v, want %s on w2 and w3", c.Pod.Key(), c.Rows, plugin)
	}
	lab.Await("the FailedScheduling Event of "+c.Pod.Key(), func(w *state.World) bool {
		return slices.ContainsFunc(w.Kube.Events, func(e event.KubeEvent) bool {
			return e.Reason == "FailedScheduling" && strings.HasSuffix(e.Regarding, "/"+c.Pod.Name) && e.Message == c.Message
		})
	})
	if out := lab.Kubectl("describe", "pod", c.Pod.Name); !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(c.Message), " ")) {
		t.Errorf("kubectl describe does not say %q:\n%s", c.Message, out)
	}
	lab.Await(c.Pod.Key()+" to wait for what "+plugin+" waits for", func(w *state.World) bool {
		q, ok := w.Sched.Queued(c.Pod.Key())
		return ok && q.Place == event.SchedParked && slices.Contains(q.Plugins, plugin) && len(w.Sched.WaitsFor(plugin)) > 0
	})
}

// says whether a Filter plugin rejected a node in a cycle.
func says(c *state.Cycle, plugin, node string) bool {
	return slices.ContainsFunc(c.Rows, func(r event.SchedRow) bool {
		return c.Nodes[r.Node] == node && r.Failed > 0 && c.Plugins[c.Filters[r.Failed-1]] == plugin
	})
}

func testGate(t *testing.T, lab *harness.Lab) {
	lab.Apply(sleeper("gated", "10m", "schedulingGates: [{name: example.com/quota}]"))
	w := lab.Await("gated to be held by its gate", func(w *state.World) bool {
		q, ok := w.Sched.Queued("default/gated")
		return ok && q.Place == event.SchedGated && slices.Equal(q.Plugins, []string{"SchedulingGates"})
	})
	if n := len(w.Sched.Attempts("default/gated")); n != 0 {
		t.Errorf("gated was tried %d times", n)
	}
	lab.Kubectl("patch", "pod", "gated", "--type=json", "-p", `[{"op":"remove","path":"/spec/schedulingGates"}]`)
	c := decided(lab, "gated", event.SchedScheduled)
	checkChosen(t, lab, c)
	if c.Attempt != 1 || !strings.Contains(c.Woken.Event, "SchedulingGates") {
		t.Errorf("gated went on in attempt %d, woken by %+v", c.Attempt, c.Woken)
	}
}

// testCordon parks a pod by cordons and wakes it by an uncordon; w1 is tainted.
func testCordon(t *testing.T, lab *harness.Lab) {
	lab.Kubectl("cordon", "w2", "w3")
	lab.Await("the cordons", func(w *state.World) bool {
		return w.Kube.Nodes["w2"].Unschedulable && w.Kube.Nodes["w3"].Unschedulable
	})
	lab.Apply(sleeper("late", "10m", ""))
	if c := decided(lab, "late", event.SchedUnschedulable); !says(c, "NodeUnschedulable", "w2") && !says(c, "TaintToleration", "w2") {
		t.Errorf("late was rejected by %v", c.Rows)
	}
	lab.Kubectl("uncordon", "w3")
	c := decided(lab, "late", event.SchedScheduled)
	checkChosen(t, lab, c)
	if c.Node != "w3" || c.Attempt < 2 || c.Woken.Object != "Node w3" {
		t.Errorf("late went to %s in attempt %d, woken by %+v", c.Node, c.Attempt, c.Woken)
	}
	if first := lab.World().Sched.Attempts("default/late")[0]; first.Attempt != 1 || first.Outcome != event.SchedUnschedulable {
		t.Errorf("the first attempt is now %d %s", first.Attempt, first.Outcome)
	}
	lab.Kubectl("uncordon", "w2")
}

// testVictims lets an important pod evict another from w2.
func testVictims(t *testing.T, lab *harness.Lab) {
	const class = "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: workbench-%s}\nvalue: %d\n"
	lab.Apply(fmt.Sprintf(class, "low", 1) + fmt.Sprintf(class, "vip", 1000))
	most := fmt.Sprintf("%dm", lab.World().Kube.Nodes["w2"].AllocatableCPU*6/10)
	on := "nodeSelector: {kubernetes.io/hostname: w2}\n  priorityClassName: workbench-"
	lab.Apply(sleeper("victim", most, on+"low"))
	victim := decided(lab, "victim", event.SchedScheduled)
	lab.Apply(sleeper("vip", most, on+"vip"))
	c := decided(lab, "vip", event.SchedUnschedulable)
	if c.Preemption.Nominated != "w2" || len(c.Preemption.Candidates) == 0 || !slices.Contains(c.Preemption.Candidates[0].Victims, "default/victim") {
		t.Errorf("preemption for vip: %+v", c.Preemption)
	}
	last := decided(lab, "vip", event.SchedScheduled)
	checkChosen(t, lab, last)
	w := lab.World()
	if got := w.Sched.Victims(c.Pod.UID, c.Start); len(got) != 1 || got[0].Victim.UID != victim.Pod.UID || got[0].Error != "" {
		t.Errorf("victims of vip: %+v", got)
	}
	if last.Nominated != "w2" {
		t.Errorf("vip was bound with %q nominated", last.Nominated)
	}
	if r := lab.Run("kubectl", "get", "pod", "victim"); r.Code == 0 {
		t.Errorf("the victim is still there: %s", r.Stdout)
	}
	lab.Await("the Event of the eviction", func(w *state.World) bool {
		return slices.ContainsFunc(w.Kube.Events, func(e event.KubeEvent) bool {
			return e.Reason == "Preempted" && strings.HasSuffix(e.Regarding, "/victim")
		})
	})
}
