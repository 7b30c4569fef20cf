package ui

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"workbench/cluster/event"
)

// story writes the journal the goldens are drawn from: a lab of three control
// planes and three workers boots, runs a deployment, loses its Raft leader, gets
// it back, and loses a worker for good.
type story struct {
	events []event.Event
	began  time.Time
	seed   uint64
}

// moments of the story, in seconds from its start.
const (
	booting     = 4.2
	running     = 18.0
	leaderKill  = 20.0
	noLeader    = 20.9
	newLeader   = 22.6
	leaderBack  = 28.0
	workerKill  = 36.0
	silent      = 41.5
	notReady    = 45.0
	evicting    = 46.3
	moved       = 52.0
	storyLength = 56.0
)

func (s *story) at(sec float64, bodies ...event.Body) {
	for _, b := range bodies {
		s.events = append(s.events, event.Event{Time: s.time(sec), Body: b})
	}
}

func (s *story) time(sec float64) time.Time {
	return s.began.Add(time.Duration(sec * float64(time.Second)).Round(time.Millisecond))
}

// vary is a number from 0 to 1 that looks like chance and is none.
func (s *story) vary() float64 {
	s.seed = s.seed*6364136223846793005 + 1442695040888963407
	return float64(s.seed>>40) / float64(1<<24)
}

func tellStory() []event.Event {
	s := &story{began: time.Date(2026, 1, 2, 10, 42, 0, 0, time.UTC), seed: 7}
	s.boot()
	s.samples()
	s.workloads()
	s.leaderDies()
	s.workerDies()
	slices.SortStableFunc(s.events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	for i := range s.events {
		s.events[i].Seq = uint64(i + 1)
	}
	return s.events
}

func controlComponents() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "cloud-controller-manager", "kube-scheduler"}
}

func workerComponents() []string {
	return []string{"api-balancer", "containerd", "kubelet", "kube-proxy"}
}

func (s *story) boot() {
	top := event.LabTopology{Name: "demo", KubernetesVersion: "v1.37.2", EtcdVersion: "3.7.3", ContainerdVersion: "2.4.2",
		PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", FabricCIDR: "10.40.0.0/24", APIAddress: "127.0.0.1:6443",
		Profile: "teaching", GracePeriod: 8 * time.Second, EvictionDelay: 2 * time.Second}
	for i := range 6 {
		n := event.TopologyNode{Name: fmt.Sprintf("c%d", i+1), Role: event.ControlPlane, IP: fmt.Sprintf("10.40.0.%d", 11+i), Components: controlComponents()}
		if i >= 3 {
			n = event.TopologyNode{Name: fmt.Sprintf("w%d", i-2), Role: event.Worker, IP: fmt.Sprintf("10.40.0.%d", 18+i), Components: workerComponents()}
		}
		top.Nodes = append(top.Nodes, n)
	}
	s.at(0, top, event.LabPhase{Phase: event.Booting})
	index, total := 0, 2+6+15+12+1
	step := func(from, took float64, node, id, title string) {
		s.at(from, event.StepStarted{ID: id, Title: title, Node: node, Index: index, Total: total})
		s.at(from+took, event.StepDone{ID: id, Took: time.Duration(took * float64(time.Second))})
		index++
	}
	step(0.05, 0.31, "", "pki", "make certificates")
	step(0.36, 0.12, "", "fabric", "build the fabric bridge")
	for i, n := range top.Nodes {
		step(0.5+0.05*float64(i), 0.09, n.Name, n.Name, "start "+n.Name)
		s.at(0.5+0.05*float64(i), event.NodeState{Node: n.Name, State: event.NodeStarting})
		s.at(0.59+0.05*float64(i), event.NodeState{Node: n.Name, State: event.NodeRunning, PID: 4700 + 13*i})
	}
	for i, n := range top.Nodes {
		s.startComponents(n, 0.9+0.04*float64(i), step)
	}
	s.election(2.05, "c1", "c2", 1, 2)
	step(7.1, 0.6, "", "addons", "apply cluster add-ons")
	s.at(7.9, event.LabPhase{Phase: event.Running})
}

func (s *story) startComponents(n event.TopologyNode, from float64, step func(float64, float64, string, string, string)) {
	for i, c := range n.Components {
		took := 0.35 + s.vary()
		switch c {
		case "etcd":
			took = 0.9 + 0.3*s.vary()
		case "kube-apiserver":
			took = 2.2 + s.vary()
		case "kubelet":
			took = 1.8 + s.vary()
		}
		pid := 20 + 11*i
		step(from, took, n.Name, n.Name+"/"+c, "start "+c)
		s.at(from, event.ComponentState{Node: n.Name, Component: c, State: event.ComponentStarted, PID: pid})
		s.at(from+took, event.ComponentState{Node: n.Name, Component: c, State: event.ComponentReady, PID: pid, Took: time.Duration(took * float64(time.Second)).Round(time.Millisecond)})
		from += took
	}
}

// election is what the Raft logs say when a member wins one.
func (s *story) election(sec float64, winner, voter string, from, term uint64) {
	s.at(sec, event.RaftLog{Node: winner, Text: fmt.Sprintf("%s is starting a new election at term %d", winner, from)},
		event.RaftRole{Node: winner, Role: event.RaftPreCandidate, Term: from})
	s.at(sec+0.001, event.RaftLog{Node: winner, Text: fmt.Sprintf("%s received MsgPreVoteResp from %s at term %d", winner, voter, from)},
		event.RaftRole{Node: winner, Role: event.RaftCandidate, Term: term},
		event.RaftLog{Node: voter, Text: fmt.Sprintf("%s cast MsgVote for %s at term %d", voter, winner, term)})
	s.at(sec+0.002, event.RaftRole{Node: winner, Role: event.RaftLeader, Term: term},
		event.RaftLog{Node: winner, Text: fmt.Sprintf("%s became leader at term %d", winner, term)},
		event.RaftRole{Node: voter, Role: event.RaftFollower, Term: term})
}

func down(node string, sec float64) bool {
	return node == "c2" && sec >= leaderKill && sec < leaderBack+1.5 || node == "w2" && sec >= workerKill
}

// samples are what comes all the time: use, probes, heartbeats, Raft's indexes.
func (s *story) samples() {
	cpu := map[string]time.Duration{}
	for sec := 1.0; sec < storyLength; sec++ {
		for i, node := range []string{"c1", "c2", "c3", "w1", "w2", "w3"} {
			if down(node, sec) {
				continue
			}
			u := event.ComponentUsage{Node: node, Components: map[string]event.Usage{}}
			names := controlComponents()
			if i >= 3 {
				names = workerComponents()
			}
			for j, c := range names {
				share := 0.004 + 0.03*s.vary()/float64(j+1)
				if sec < 8 {
					share *= 6
				}
				cpu[node+c] += time.Duration(share * float64(time.Second))
				u.Components[c] = event.Usage{CPU: cpu[node+c], MemoryBytes: int64((20 + 30*(j+1)%95 + int(6*s.vary())) << 20)}
			}
			cpu[node] += time.Duration((0.01 + 0.02*s.vary()) * float64(time.Second))
			if i >= 3 {
				u.Pods = event.Usage{CPU: cpu[node], MemoryBytes: int64(30+int(4*s.vary())) << 20}
			}
			s.at(sec+0.01*float64(i), u)
		}
	}
	for sec := 7.5; sec < storyLength; sec += 0.25 {
		bad := sec >= leaderKill+0.2 && sec < leaderKill+1.3
		write := event.Probe{Target: "api-write", OK: !bad, Latency: time.Duration((5 + 9*s.vary()) * 1e6)}
		if bad {
			write.Error = "etcdserver: leader changed"
		}
		s.at(sec, event.Probe{Target: "api-read", OK: true, Latency: time.Duration((1 + 3*s.vary()) * 1e6)}, write)
	}
	commit := uint64(310)
	for sec := 2.2; sec < storyLength; sec += 0.5 {
		commit += uint64(2 + 5*s.vary())
		s.raftStatus(sec, commit)
	}
	for i, node := range []string{"w1", "w2", "w3"} {
		for sec := 5.6 + 0.3*float64(i); sec < storyLength && !down(node, sec); sec += 2 {
			s.at(sec, event.KubeLease{Meta: event.Meta{Namespace: "kube-node-lease", Name: node}, Holder: node, Renewed: s.time(sec - 0.01), Seconds: 8})
		}
	}
}

func (s *story) raftStatus(sec float64, commit uint64) {
	leader, term := "c1", uint64(2)
	if sec >= 12 {
		leader = "c2"
	}
	switch {
	case sec >= 12 && sec < leaderKill:
		term = 3
	case sec >= leaderKill+1.14:
		leader, term = "c3", 4
	}
	gap := sec >= leaderKill && sec < leaderKill+1.14
	for i, node := range []string{"c1", "c2", "c3"} {
		if down(node, sec) || gap {
			continue
		}
		st := event.RaftStatus{Node: node, MemberID: fmt.Sprintf("%x", uint64(0x8e9e05c52164694d)+uint64(i)*0x1234567), Role: event.RaftFollower,
			Term: term, Vote: leader, Lead: leader, Last: commit + 1, Commit: commit, Applied: commit, DBBytes: 2 << 20}
		if node == leader {
			st.Role, st.Progress = event.RaftLeader, map[string]event.RaftProgress{}
			for _, peer := range []string{"c1", "c2", "c3"} {
				p := event.RaftProgress{Match: commit, Next: commit + 1, State: "StateReplicate", RecentActive: true}
				if down(peer, sec) {
					p = event.RaftProgress{Match: commit - uint64(9*(sec-leaderKill)), Next: commit, State: "StateProbe"}
				}
				if peer != node {
					st.Progress[peer] = p
				}
			}
		}
		s.at(sec+0.002*float64(i), st)
	}
}

func (s *story) pod(sec float64, name, namespace, owner, node, status, ip string, created float64, deleting bool) {
	p := event.KubePod{Meta: event.Meta{Namespace: namespace, Name: name, UID: name, Owner: owner, Created: s.time(created)},
		Phase: "Running", Node: node, Status: status, IP: ip, Ready: status == "Running",
		Containers: []event.KubeContainer{{Name: "main", Image: "workbench.local/echo:1", State: "running"}}}
	if status == "Pending" || status == "ContainerCreating" {
		p.Phase, p.Containers[0].State = "Pending", "waiting"
	}
	p.Containers[0].Ready = p.Ready
	if deleting {
		p.Deleting, p.Status = s.time(sec), "Terminating"
	}
	s.at(sec, p)
}

const (
	webSet = "ReplicaSet/web-7c9d8f6b5"
	dnsSet = "ReplicaSet/coredns-5d78c9869d"
)

func (s *story) workloads() {
	for i, node := range []string{"w1", "w2", "w3"} {
		sec := 6.2 + 0.3*float64(i)
		kn := event.KubeNode{Meta: event.Meta{Name: node, Created: s.time(sec - 0.7)}, Ready: "False", Reason: "KubeletNotReady", Since: s.time(sec - 0.7),
			PodCIDR: fmt.Sprintf("10.244.%d.0/24", i+1), Version: "v1.37.2", AllocatableCPU: 2000, AllocatableMemory: 8 << 30, AllocatablePods: 110,
			Taints: []event.Taint{{Key: "node.kubernetes.io/not-ready", Effect: "NoSchedule"}}}
		s.at(sec-0.7, kn)
		kn.Ready, kn.Reason, kn.Since, kn.Taints = "True", "KubeletReady", s.time(sec), nil
		s.at(sec, kn)
	}
	for i, lease := range []string{"kube-controller-manager", "cloud-controller-manager", "kube-scheduler"} {
		s.at(5.2, event.KubeLease{Meta: event.Meta{Namespace: "kube-system", Name: lease}, Holder: fmt.Sprintf("c%d_1f", i+1), Seconds: 15, Renewed: s.time(5.2)})
	}
	s.at(7.2, event.KubeDeployment{Meta: event.Meta{Namespace: "kube-system", Name: "coredns", Created: s.time(7.2)}, Replicas: 2, Images: []string{"registry.k8s.io/coredns/coredns:v1.14.0"}},
		event.KubeService{Meta: event.Meta{Namespace: "default", Name: "kubernetes", Created: s.time(5)}, ServiceType: "ClusterIP", ClusterIP: "10.96.0.1", Ports: []string{"443/TCP"}},
		event.KubeService{Meta: event.Meta{Namespace: "kube-system", Name: "kube-dns", Created: s.time(7.2)}, ServiceType: "ClusterIP", ClusterIP: "10.96.0.10",
			Ports: []string{"53/UDP", "53/TCP"}, Selector: map[string]string{"k8s-app": "kube-dns"}})
	for i, suffix := range []string{"4xk2v", "zq8lp"} {
		name, node := "coredns-5d78c9869d-"+suffix, fmt.Sprintf("w%d", i+1)
		s.pod(7.3, name, "kube-system", dnsSet, node, "ContainerCreating", "", 7.3, false)
		s.pod(8.9, name, "kube-system", dnsSet, node, "Running", fmt.Sprintf("10.244.%d.2", i+1), 7.3, false)
	}
	s.at(9, event.KubeDeployment{Meta: event.Meta{Namespace: "kube-system", Name: "coredns", Created: s.time(7.2)}, Replicas: 2, Updated: 2, Ready: 2, Available: 2, Images: []string{"registry.k8s.io/coredns/coredns:v1.14.0"}})
	web := event.KubeDeployment{Meta: event.Meta{Namespace: "demo", Name: "web", Created: s.time(13)}, Replicas: 6, Updated: 6, Images: []string{"workbench.local/echo:1"}}
	s.at(13, web, event.KubeService{Meta: event.Meta{Namespace: "demo", Name: "web", Created: s.time(13)}, ServiceType: "NodePort", ClusterIP: "10.96.4.20",
		Ports: []string{"80:30080/TCP"}, Selector: map[string]string{"app": "web"}})
	var endpoints []event.KubeEndpoint
	for i, suffix := range []string{"2hq7m", "5wxtz", "9kd4c", "gn6rb", "p8vlf", "x9k2p"} {
		name, node := "web-7c9d8f6b5-"+suffix, fmt.Sprintf("w%d", i%3+1)
		ip := fmt.Sprintf("10.244.%d.%d", i%3+1, 3+i)
		s.at(13.05, event.KubeEvent{Meta: event.Meta{Namespace: "demo", Name: name + ".a"}, EventType: "Normal", Reason: "Scheduled",
			Message: fmt.Sprintf("Successfully assigned demo/%s to %s", name, node), Regarding: "Pod/demo/" + name, Source: "default-scheduler", Count: 1, Last: s.time(13.05)})
		s.pod(13.05, name, "demo", webSet, node, "ContainerCreating", "", 13.02, false)
		s.pod(14.2+0.15*float64(i), name, "demo", webSet, node, "Running", ip, 13.02, false)
		endpoints = append(endpoints, event.KubeEndpoint{Address: ip, Node: node, Pod: name, Ready: true, Serving: true})
	}
	web.Ready, web.Available = 6, 6
	s.at(15.2, web, event.KubeEndpointSlice{Meta: event.Meta{Namespace: "demo", Name: "web-h2x8k"}, Service: "web", Endpoints: endpoints, Ports: []string{"8080"}})
	s.at(16.4, event.KubeEvent{Meta: event.Meta{Namespace: "demo", Name: "web.b"}, EventType: "Warning", Reason: "Unhealthy",
		Message: "Readiness probe failed: Get \"http://10.244.3.5:8080/ready\": context deadline exceeded", Regarding: "Pod/demo/web-7c9d8f6b5-9kd4c", Source: "kubelet", Count: 3, Last: s.time(16.4)})
}

func (s *story) leaderDies() {
	s.at(12, event.RaftRole{Node: "c2", Role: event.RaftLeader, Term: 3}, event.RaftRole{Node: "c1", Role: event.RaftFollower, Term: 3}, event.RaftRole{Node: "c3", Role: event.RaftFollower, Term: 3})
	s.at(leaderKill, event.Action{Verb: "node.kill", Target: "c2", Equivalent: "kill -9 4713"},
		event.NodeState{Node: "c2", State: event.NodeKilled, Cause: "killed by you: SIGKILL to its init"})
	for _, n := range []string{"c1", "c3"} {
		s.at(leaderKill+0.004, event.RaftLog{Node: n, Text: "lost the TCP streaming connection with remote peer c2"})
	}
	s.at(leaderKill+1.1, event.RaftLog{Node: "c3", Text: "c3 lost leader c2 at term 3"})
	s.election(leaderKill+1.136, "c3", "c1", 3, 4)
	s.at(leaderKill+0.3, event.SourceState{Source: "node/c2", Detail: "its init is gone"})
	s.at(leaderBack, event.Action{Verb: "node.start", Target: "c2", Equivalent: "workbench node start c2"},
		event.NodeState{Node: "c2", State: event.NodeStarting})
	s.at(leaderBack+0.1, event.NodeState{Node: "c2", State: event.NodeRunning, PID: 5120}, event.SourceState{Source: "node/c2", OK: true})
	s.startComponents(event.TopologyNode{Name: "c2", Components: controlComponents()}, leaderBack+0.2, func(float64, float64, string, string, string) {})
}

func (s *story) workerDies() {
	s.at(workerKill, event.Action{Verb: "node.kill", Target: "w2", Equivalent: "kill -9 4752"},
		event.NodeState{Node: "w2", State: event.NodeKilled, Cause: "killed by you: SIGKILL to its init"},
		event.SourceState{Source: "node/w2", Detail: "its init is gone"})
	unknown := s.time(workerKill + 9)
	kn := event.KubeNode{Meta: event.Meta{Name: "w2", Created: s.time(5.8)}, Ready: "Unknown", Reason: "NodeStatusUnknown", Since: unknown,
		PodCIDR: "10.244.2.0/24", Version: "v1.37.2", AllocatableCPU: 2000, AllocatableMemory: 8 << 30, AllocatablePods: 110,
		Taints: []event.Taint{{Key: "node.kubernetes.io/unreachable", Effect: "NoSchedule", Added: unknown}}}
	s.at(workerKill+9, kn)
	kn.Taints = append(kn.Taints, event.Taint{Key: "node.kubernetes.io/unreachable", Effect: "NoExecute", Added: unknown})
	s.at(workerKill+9.05, kn)
	for i, old := range []string{"5wxtz", "p8vlf"} {
		sec := workerKill + 11.1 + 0.02*float64(i)
		s.pod(sec, "web-7c9d8f6b5-"+old, "demo", webSet, "w2", "Running", "10.244.2.4", 13.02, true)
		name, node := "web-7c9d8f6b5-"+[]string{"b7h2s", "tt5nq"}[i], []string{"w1", "w3"}[i]
		s.pod(sec+0.05, name, "demo", webSet, node, "ContainerCreating", "", sec+0.03, false)
		s.pod(sec+1.1, name, "demo", webSet, node, "Running", fmt.Sprintf("10.244.%d.11", 1+2*i), sec+0.03, false)
	}
	s.pod(workerKill+11.1, "coredns-5d78c9869d-zq8lp", "kube-system", dnsSet, "w2", "Running", "10.244.2.2", 7.3, true)
	s.pod(workerKill+11.2, "coredns-5d78c9869d-m3c7d", "kube-system", dnsSet, "w3", "Running", "10.244.3.12", workerKill+11.15, false)
}

const journal = "testdata/failover.jsonl"

// TestStory keeps the journal file as the story above tells it.
func TestStory(t *testing.T) {
	var b bytes.Buffer
	for _, e := range tellStory() {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	golden(t, journal, b.Bytes())
}

// recorded is the journal file, read once.
var recorded = sync.OnceValues(func() ([]event.Event, error) { return readEvents(journal) })

// readEvents reads a file of events, one a line.
func readEvents(path string) ([]event.Event, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var events []event.Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, lines.Err()
}

// eventsUntil are the events of a file up to a moment in seconds from its first.
func eventsUntil(t testing.TB, path string, moment float64) []event.Event {
	t.Helper()
	events, err := readEvents(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if e.Time.Sub(events[0].Time).Seconds() > moment {
			return events[:i]
		}
	}
	return events
}

// readJournal is the recorded journal up to a moment in seconds.
func readJournal(t testing.TB, until float64) []event.Event {
	t.Helper()
	events, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for n < len(events) && events[n].Time.Sub(events[0].Time).Seconds() <= until {
		n++
	}
	return events[:n:n]
}

// golden compares with a file, or rewrites it under -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./ui -update writes it", err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs; look at it with go test ./ui -update and git diff\n%s", path, firstDifference(string(want), string(got)))
	}
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if cmp.Compare(x, y) != 0 {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, x, y)
		}
	}
	return ""
}
