package test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
	"workbench/test/harness"
)

// TestFaults breaks a lab in every way there is, looks at each from elsewhere
// than the lab does, and heals it.
func TestFaults(t *testing.T) {
	lab := harness.Up(t, harness.Opts{ControlPlanes: 3, Workers: 2})
	lab.Apply(faultWorkload)
	lab.Await("the workload to be ready", func(w *state.World) bool { return allReady(w, "target", 2) && allReady(w, "toolbox", 2) })
	for _, parts := range [][]part{
		{{"Refusals", testFaultRefusals}},
		{{"Cut", testCut}},
		{{"LossDelayRate", testBadLink}},
		{{"ComposeAndUnwind", testComposition}},
		{{"PartitionOfTheLeader", testPartition}},
		{{"NodeComesBackIntoItsFaults", testRestartInFaults}},
		{{"Processes", testProcessFaults}},
		{{"Certificates", testCertificates}},
		{{"Squeeze", testSqueeze}},
		{{"DiskFull", testDiskFull}, {"Pods", testPodFaults}, {"FrozenAgain", testFrozenAgain}},
		{{"Leases", testLeases}},
		{{"EtcdOperations", testEtcdOperations}},
		{{"EtcdDisks", testEtcdDisks}},
		{{"NodesComeAndGo", testNodesComeAndGo}},
		{{"EtcdRestore", testEtcdRestore}},
		{{"WithoutTheAPI", testHealWithoutAPI}},
		{{"Scenarios", testScenarios}},
		{{"Campaign", testCampaign}},
	} {
		before := tablesOf(t, whole(lab))
		if !together(t, lab, parts...) {
			break
		}
		lab.Must("heal", "--all")
		w := whole(lab)
		if len(w.Faults.Active) > 0 || len(w.Faults.Links) > 0 {
			t.Fatalf("after %s and the heal there are %d faults and %d links that are not whole", parts[0].name, len(w.Faults.Active), len(w.Faults.Links))
		}
		for node, text := range tablesOf(t, w) {
			if w.Nodes[node].PID == before[node].pid && text.rules != before[node].rules {
				t.Fatalf("%s: rules of %s before\n%s\nafter\n%s", parts[0].name, node, before[node].rules, text.rules)
			}
		}
	}
}

// faultWorkload is one pod to reach on each worker, and a toolbox to reach it
// from. Kube-proxy's rules change with nothing here.
var faultWorkload = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: target}
spec:
  selector: {matchLabels: {app: target}}
  template:
    metadata: {labels: {app: target}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers: [{name: demo, image: "workbench.local/demo:1", ports: [{containerPort: 8080}]}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: toolbox}
spec:
  selector: {matchLabels: {app: toolbox}}
  template:
    metadata: {labels: {app: toolbox}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers: [{name: toolbox, image: "workbench.local/toolbox:1", command: [sleep, "1000000"]}]
`

// tables are the packet rules of a node's namespace.
type tables struct {
	pid   int
	rules string
}

var (
	packetCounts = regexp.MustCompile(`\[\d+:\d+\]`)
	faultChain   = "WORKBENCH-FAULTS"
)

// tablesOf is iptables-save of every node, without dates and counters. Rules of
// kube-proxy, which change by themselves, are left out but for the mangle table.
func tablesOf(t *testing.T, w *state.World) map[string]tables {
	t.Helper()
	out := map[string]tables{}
	for name, n := range w.Nodes {
		text := inNode(t, n.PID, "iptables-save")
		var lines []string
		table := ""
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if strings.HasPrefix(line, "*") {
				table = strings.TrimSpace(line)
			}
			if table == "*mangle" || strings.HasPrefix(line, "*") {
				lines = append(lines, packetCounts.ReplaceAllString(strings.TrimSpace(line), ""))
			}
		}
		if strings.Contains(text, faultChain) {
			t.Errorf("%s has a chain of faults:\n%s", name, text)
		}
		out[name] = tables{n.PID, strings.Join(lines, "\n")}
	}
	return out
}

// inNode runs a program of this machine in the network namespace of a node.
func inNode(t *testing.T, pid int, argv ...string) string {
	t.Helper()
	ns, err := namespace.NetOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var out bytes.Buffer
	if err := ns.Do(func() error {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd.Run()
	}); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out.String())
	}
	return out.String()
}

func ipOf(w *state.World, node string) string { return w.Nodes[node].IP }

// verdictOf waits for the verdict on the newest fault with that text.
func verdictOf(lab *harness.Lab, id string) *state.Fault {
	w := lab.Await("the verdict on "+id, func(w *state.World) bool { f := w.Faults.Find(id); return f != nil && f.Verdict != "" })
	return w.Faults.Find(id)
}

// broken injects a fault, which has to land, and returns its ID.
func broken(t *testing.T, lab *harness.Lab, words ...string) string {
	t.Helper()
	out := lab.Must(append([]string{"fault"}, words...)...)
	id, _, _ := strings.Cut(out, " ")
	if f := verdictOf(lab, id); f.Verdict != event.FaultLanded || len(f.Evidence) == 0 {
		t.Fatalf("%v: %s, %q", words, f.Verdict, f.Evidence)
	}
	return id
}

func testFaultRefusals(t *testing.T, lab *harness.Lab) {
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"fault", "smash", "w1"}, []string{`no fault "smash"`, "cut", "kill"}},
		{[]string{"fault", "cut", "c1", "c9"}, []string{`no node "c9"`, "c1, c2, c3"}},
		{[]string{"fault", "loss", "w1"}, []string{"the share", "want: loss A [B]"}},
		{[]string{"fault", "loss", "w1", "300%"}, []string{"up to 100%"}},
		{[]string{"fault", "delay", "w1", "80ms", "--jitter", "90ms"}, []string{"more than the delay"}},
		{[]string{"fault", "partition", "c1/c1,c2"}, []string{"c1 is in two groups"}},
		{[]string{"fault", "kill", "w1/etcd"}, []string{"no component", "w1/kubelet"}},
		{[]string{"fault", "disk-full", "c1"}, []string{"runs a kubelet", "w1, w2"}},
		{[]string{"fault", "pod-kill", "default/none"}, []string{`no pod "default/none"`}},
		{[]string{"fault", "partition", "c1/c2/c3"}, []string{"etcd loses its quorum", "--yes"}},
		{[]string{"fault", "freeze", "w*"}, []string{"no worker is left", "--yes"}},
		{[]string{"fault", "kill", "*/kube-apiserver"}, []string{"no kube-apiserver is left"}},
		{[]string{"heal", "f77"}, []string{"no such fault"}},
		{[]string{"heal"}, []string{"--all"}},
		{[]string{"fault", "show", "f77"}, []string{"no fault f77"}},
	} {
		lab.Refused(c.args, c.says...)
	}
	w := lab.World()
	if len(w.Faults.Active)+len(w.Faults.Ended) > 0 {
		t.Errorf("refused faults are in the journal: %+v", w.Faults)
	}
}

// testCut looks at a cut with connections of its own: of the node, of a pod, one
// that is open, and in each direction.
func testCut(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	kubelet := netip.AddrPortFrom(netip.MustParseAddr(ipOf(w, "w2")), 10250).String()
	var pod string
	for _, p := range podsOf(w, "target") {
		if p.Node == "w2" {
			pod = p.IP
		}
	}
	reach := func() bool {
		r := lab.Run("kubectl", "exec", toolbox(t, w, "w1"), "--", "wget", "-q", "-T", "1", "-O", "-", "http://"+pod+":8080/")
		return r.Code == 0
	}
	if !dials(t, w, "w1", kubelet) || !reach() {
		t.Fatal("w1 does not reach w2 before the cut")
	}
	open := openConnection(t, w, "w1", "w2")
	id := broken(t, lab, "cut", "w1", "w2")
	if dials(t, w, "w1", kubelet) || dials(t, w, "w2", ipOf(w, "w1")+":10250") || dials(t, w, "w1", ipOf(w, "w2")+":4") {
		t.Error("connections come up through a cut")
	}
	if reach() {
		t.Error("a pod reaches a pod through a cut")
	}
	if open.passes(700 * time.Millisecond) {
		t.Error("an established connection lives through a cut")
	}
	if !dials(t, w, "w1", ipOf(w, "c1")+":6443") || !dials(t, w, "w2", ipOf(w, "c1")+":6443") {
		t.Error("the cut is wider than asked")
	}
	now := lab.Await("drops to be counted", func(w *state.World) bool {
		c := w.Link("w1", "w2")
		return c != nil && c.Cut && c.Dropped > 10
	})
	if rules := inNode(t, w.Nodes["w2"].PID, "iptables", "-t", "mangle", "-nvxL", faultChain); !strings.Contains(rules, "DROP") {
		t.Errorf("no rule drops:\n%s", rules)
	}
	if f := now.Faults.Find(id); f.Text != "cut w1 w2" || f.Owner == "" {
		t.Errorf("the fault is %+v", f)
	}
	lab.Must("heal", id)
	if !dials(t, w, "w1", kubelet) || !open.passes(20*time.Second) {
		t.Error("w1 does not reach w2 after the heal")
	}
	// One way: what w1 sends is lost, so nothing comes up, but packets of w2 arrive.
	broken(t, lab, "cut", "w1", "w2", "--one-way")
	if before := droppedAt(t, w, "w1"); dials(t, w, "w1", kubelet) || droppedAt(t, w, "w1") != before {
		t.Error("the other direction is cut, too")
	}
}

func testBadLink(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	if rtt := roundTrip(t, w, "c1", "w1"); rtt > 30*time.Millisecond {
		t.Fatalf("a round trip takes %v before any fault", rtt)
	}
	delay := broken(t, lab, "delay", "w1", "80ms", "--jitter", "20ms")
	if rtt := roundTrip(t, w, "c1", "w1"); rtt < 115*time.Millisecond {
		t.Errorf("with 80 ms each way a round trip takes %v", rtt)
	}
	lab.Must("heal", delay)
	broken(t, lab, "delay", "c1->w1", "60ms")
	if rtt := roundTrip(t, w, "c1", "w1"); rtt < 58*time.Millisecond {
		t.Errorf("with 60 ms one way a round trip takes %v", rtt)
	}
	lab.Must("heal", "--all")
	broken(t, lab, "loss", "w1", "w2", "40%")
	if lost := lostDatagrams(t, w, "w1", "w2"); lost < 0.25 || lost > 0.55 {
		t.Errorf("with 40%% loss %.0f%% are lost", 100*lost)
	}
	lab.Must("heal", "--all")
	broken(t, lab, "rate", "w1", "8mbit")
	if took := transfer(t, w, "w1", "w2", 1<<20); took < 600*time.Millisecond { // 8.4 Mbit
		t.Errorf("a MiB at 8 Mbit/s took %v", took)
	}
	if took := transfer(t, w, "w2", "w1", 1<<20); took < 600*time.Millisecond {
		t.Errorf("a MiB at 8 Mbit/s to the node took %v", took)
	}
}

// testComposition puts faults on the same links and takes them off in another
// order.
func testComposition(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	delay := broken(t, lab, "delay", "w1", "w2", "40ms")
	more := broken(t, lab, "delay", "w1->w2", "30ms")
	if rtt := roundTrip(t, w, "w1", "w2"); rtt < 105*time.Millisecond {
		t.Errorf("with 40 and 30 ms there and 40 ms back a round trip takes %v", rtt)
	}
	loss := broken(t, lab, "loss", "w1->w2", "20%")
	cut := broken(t, lab, "partition", "w1/w2,c*", "--yes")
	if dials(t, w, "w1", ipOf(w, "w2")+":10250") {
		t.Error("a cut does not dominate")
	}
	if c := lab.World().Link("w1", "w2"); c == nil || !c.Cut || c.Delay != 0 {
		t.Errorf("the link is %+v", c)
	}
	lab.Must("heal", delay)
	lab.Must("heal", cut)
	if c := lab.World().Link("w1", "w2"); c == nil || c.Cut || c.Delay != 30*time.Millisecond || c.Loss != 0.2 {
		t.Errorf("the link is %+v", c)
	}
	if lab.World().Link("w2", "w1") != nil {
		t.Error("the way back is not whole")
	}
	lab.Must("heal", loss)
	if rtt := roundTrip(t, w, "w1", "w2"); rtt < 29*time.Millisecond {
		t.Errorf("with 30 ms there a round trip takes %v", rtt)
	}
	lab.Must("heal", more)
	if rtt := roundTrip(t, w, "w1", "w2"); rtt > 25*time.Millisecond {
		t.Errorf("with all healed a round trip takes %v", rtt)
	}
}

// testPartition is the classic: the leader alone, the others elect another, the
// old one comes back as a follower.
func testPartition(t *testing.T, lab *harness.Lab) {
	before := lab.World()
	old := before.Raft.Leader()
	var others []string
	for name := range before.Raft.Members {
		if name != old {
			others = append(others, name)
		}
	}
	broken(t, lab, "partition", old+"/"+strings.Join(others, ","))
	lab.Await("another leader", func(w *state.World) bool {
		for _, name := range others {
			if m := w.Raft.Members[name]; m.Role == event.RaftLeader && m.Term > before.Raft.Members[old].Term {
				return true
			}
		}
		return false
	})
	testRecoveryOfLeader(t, lab, before.Seq, old, "partition Raft leader's node~2 × control plane")
	lab.Must("heal", "--all")
	lab.Await("the old leader to follow", func(w *state.World) bool { return w.Raft.Members[old].Role == event.RaftFollower })
}

// testRestartInFaults holds that a node that starts again is in the same faults.
func testRestartInFaults(t *testing.T, lab *harness.Lab) {
	broken(t, lab, "cut", "w1", "w2")
	freeze := broken(t, lab, "freeze", "w1/kube-proxy")
	lab.Must("node", "kill", "w1", "--yes")
	if f := lab.World().Faults.On("w1"); len(f) != 3 || f[2].Kind != "kill" {
		t.Errorf("faults on w1: %+v", f)
	}
	lab.Must("node", "start", "w1")
	w := lab.Await("w1 to run with its proxy frozen again", func(w *state.World) bool {
		return w.Nodes["w1"].State == event.NodeRunning && w.Nodes["w1"].Components["kube-proxy"].State == event.ComponentPaused && w.Link("w2", "w1") != nil
	})
	if len(w.Faults.On("w1")) != 2 {
		t.Errorf("the start did not end the kill: %+v", w.Faults.Active)
	}
	if dials(t, w, "w1", ipOf(w, "w2")+":10250") || dials(t, w, "w2", ipOf(w, "w1")+":10250") {
		t.Error("the cut did not come back with the node")
	}
	lab.Must("heal", freeze)
	lab.Must("heal", "--all")
	lab.Await("the pods of w1 to be back", func(w *state.World) bool { return allReady(w, "target", 2) && allReady(w, "toolbox", 2) })
}

func testProcessFaults(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	broken(t, lab, "freeze", "w1")
	if s := processState(t, w.Nodes["w1"].PID); s != "T" {
		t.Errorf("the init of w1 is in state %s, want T", s)
	}
	// It composes with what ends it, and the freeze is there again after that.
	kill := broken(t, lab, "kill", "w1")
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", w.Nodes["w1"].PID)); err == nil {
		t.Error("the init of w1 is there after a kill")
	}
	lab.Must("heal", kill)
	now := lab.Await("w1 to be frozen again", func(w *state.World) bool { return w.Nodes["w1"].State == event.NodePaused })
	if s := processState(t, now.Nodes["w1"].PID); s != "T" {
		t.Errorf("the new init of w1 is in state %s, want T", s)
	}
	lab.Must("heal", "--all")
	whole(lab)
	crash := broken(t, lab, "crashloop", "c2/kube-scheduler")
	lab.Must("heal", crash)
	broken(t, lab, "kill", "c2/kube-scheduler,c3/kube-scheduler")
	lab.Must("component", "start", "c2/kube-scheduler")
	if active := lab.World().Faults.Active; len(active) != 1 || active[0].Text != "kill c3/kube-scheduler --for "+active[0].Lease.String() {
		t.Errorf("the other kill does not go on: %+v", active[0])
	}
	stop := broken(t, lab, "stop", "w2")
	lab.Must("heal", stop)
	broken(t, lab, "cordon", "w2")
	if out := lab.Kubectl("get", "node", "w2", "-o", "jsonpath={.spec.unschedulable}"); out != "true" {
		t.Errorf("spec.unschedulable is %q", out)
	}
	lab.Must("heal", "--all")
	lab.Await("w2 to be uncordoned", func(w *state.World) bool { return !w.Kube.Nodes["w2"].Unschedulable })
}

// groupFile reads a file of a node's control group, v1 or v2; "" where neither is.
func groupFile(lab *harness.Lab, node string, names ...string) string {
	for _, name := range names {
		found, err := filepath.Glob("/sys/fs/cgroup/*/workbench/" + lab.Group() + "/" + node + "/" + name)
		if err != nil || len(found) == 0 {
			found, _ = filepath.Glob("/sys/fs/cgroup/workbench/" + lab.Group() + "/" + node + "/" + name)
		}
		if len(found) > 0 {
			raw, _ := os.ReadFile(found[0])
			return strings.TrimSpace(string(raw))
		}
	}
	return ""
}

func testSqueeze(t *testing.T, lab *harness.Lab) {
	cpu := func() string { return groupFile(lab, "w1", "cpu.cfs_quota_us", "cpu.max") }
	memory := func() string { return groupFile(lab, "w1", "memory.limit_in_bytes", "memory.max") }
	cpuBefore, memoryBefore := cpu(), memory()
	first := broken(t, lab, "squeeze", "w1", "memory", "900Mi", "cpu", "0.5")
	broken(t, lab, "squeeze", "w1", "memory", "800Mi")
	if got, _, _ := strings.Cut(cpu(), " "); got != "50000" {
		t.Errorf("the quota is %q, want 50000", got)
	}
	if got := memory(); got != strconv.Itoa(800<<20) {
		t.Errorf("the limit is %q, want %d", got, 800<<20)
	}
	lab.Must("heal", first)
	if cpu() != cpuBefore || memory() != strconv.Itoa(800<<20) {
		t.Errorf("after one heal: %q and %q", cpu(), memory())
	}
	lab.Must("heal", "--all")
	if cpu() != cpuBefore || memory() != memoryBefore {
		t.Errorf("after all heals: %q and %q, were %q and %q", cpu(), memory(), cpuBefore, memoryBefore)
	}
}

// testPodFaults ends containers on w1.
func testPodFaults(t *testing.T, lab *harness.Lab) {
	for _, kind := range []string{"pod-kill", "pod-oom"} {
		w := lab.Await("the target to be ready", func(w *state.World) bool { p := podOn(w, "target", "w1"); return p != nil && p.Ready })
		pod := podOn(w, "target", "w1")
		restarts := pod.Containers[0].Restarts
		broken(t, lab, kind, pod.Key())
		lab.Await("the kubelet to start the container again", func(w *state.World) bool {
			p := w.Kube.Pods[pod.Key()]
			return p != nil && len(p.Containers) > 0 && p.Containers[0].Restarts > restarts && p.Ready
		})
		reason := lab.Kubectl("get", "pod", "-n", pod.Namespace, pod.Name, "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.reason}")
		if want := map[string]string{"pod-kill": "Error", "pod-oom": "OOMKilled"}[kind]; reason != want {
			t.Errorf("%s: the kubelet says %q, want %q", kind, reason, want)
		}
	}
}

func testLeases(t *testing.T, lab *harness.Lab) {
	id := broken(t, lab, "cut", "w1", "w2", "--for", "2s")
	w := lab.Await("the lease to be over", func(w *state.World) bool { return len(w.Faults.Active) == 0 })
	f := w.Faults.Find(id)
	if lasted := f.EndedAt.Sub(f.At); f.Cause != "expired" || lasted < 2*time.Second || lasted > 2*time.Second+slack {
		t.Errorf("it ended as %s after %v", f.Cause, lasted)
	}
	if !dials(t, w, "w1", ipOf(w, "w2")+":10250") {
		t.Error("the link is cut after its lease")
	}
}

// testHealWithoutAPI holds that the way back needs nothing of the cluster.
func testHealWithoutAPI(t *testing.T, lab *harness.Lab) {
	broken(t, lab, "kill", "*/kube-apiserver", "--yes")
	if r := lab.Run("kubectl", "get", "nodes", "--request-timeout=2s"); r.Code == 0 {
		t.Error("the API answers without a kube-apiserver")
	}
	broken(t, lab, "freeze", "*/etcd", "--yes")
	broken(t, lab, "partition", "c1/c2/c3/w1/w2", "--yes")
	broken(t, lab, "outside", "c*", "--yes")
	lab.Must("heal", "--all")
	lab.Eventually("the API answers again", "kubectl", "get", "--raw", "/readyz")
}
