package state

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Apply folds one event into the world. Events must come in journal order.
func (w *World) Apply(e event.Event) {
	w.init()
	if e.Seq > w.Seq {
		w.Seq = e.Seq
	}
	if e.Time.After(w.Now) {
		w.Now = e.Time
	}
	w.changes(e)
	w.traffic(e)
	defer w.states(e)
	switch b := e.Body.(type) {
	case event.LabTopology:
		w.applyTopology(e.Time, b)
	case event.LabPhase:
		w.Phase, w.PhaseDetail, w.PhaseSince = b.Phase, b.Detail, e.Time
	case event.StepStarted:
		w.applyStepStarted(e.Time, b)
	case event.StepDone:
		for i := range w.Steps {
			if w.Steps[i].ID == b.ID {
				w.Steps[i].Done, w.Steps[i].Took, w.Steps[i].Error = true, b.Took, b.Error
			}
		}
	case event.NodeAdded:
		w.addNode(e.Time, b.TopologyNode)
		w.Topology.Nodes = append(slices.Clone(w.Topology.Nodes), b.TopologyNode)
		slices.SortStableFunc(w.Topology.Nodes, func(x, y event.TopologyNode) int { return strings.Compare(string(x.Role), string(y.Role)) })
	case event.NodeRemoved:
		w.removeNode(b.Node)
	case event.NodeState:
		w.applyNodeState(e.Time, b)
	case event.NodeInhibitors, event.NodeShutdown:
		w.applyShutdown(e.Time, b)
	case event.ComponentState:
		w.applyComponent(e.Time, b)
	case event.ComponentUsage:
		w.applyUsage(e.Time, b)
	case event.ComponentMetrics:
		w.applyMetrics(e.Time, b)
	case event.RaftStatus, event.RaftRole, event.RaftLog, event.RaftMessages, event.RaftMembership, event.RaftEntries, event.RaftDisk:
		w.Raft.apply(e.Time, b)
	case event.ProxyNode, event.ProxySync, event.ProxyService, event.ProxyCounters, event.ProxyTrace:
		w.Proxy.apply(e.Time, b)
	case event.SchedCycle, event.SchedBind, event.SchedPreempted, event.SchedQueue:
		w.Sched.apply(e.Time, b)
	case event.KubeChange, event.KubeGap, event.KubeRequests, event.KubeLag:
		w.Changes.apply(e.Time, b, &w.Kube)
		w.applyTrace(e.Time, b)
	case event.NodeImages, event.ImageLoaded, event.ImageRemoved, event.ImageProgress, event.ImagePull:
		w.Images.apply(e.Time, b)
	case event.DNSQueries:
		w.applyDNS(e.Seq, e.Time, b)
	case event.TraceStarted, event.TraceSpans, event.TraceEnded:
		w.applyTrace(e.Time, b)
	case event.ContainerEvent, event.KubeletSync, event.KubeletProbes, event.KubeletVolumes:
		w.applyKubelet(e.Time, b)
	case event.PulseSwitched:
		w.PulseOff = !b.On
		clear(w.Probes)
	case event.Probe:
		w.applyProbe(e.Time, b)
	case event.Action:
		w.Actions = bounded(append(w.Actions, Action{Action: b, At: e.Time}), MaxActions)
	case event.FaultInjected, event.FaultVerified, event.FaultEnded, event.LinkState:
		w.Faults.apply(e.Time, b)
	case event.ScenarioState, event.ScenarioStep:
		w.applyScenario(e.Time, b)
	case event.SourceState:
		if b.OK {
			delete(w.Lost, b.Source)
		} else {
			w.Lost[b.Source] = Lost{Since: e.Time, Detail: b.Detail}
		}
	default:
		w.Kube.apply(e.Time, b)
		w.Proxy.follow(e.Time, b, &w.Kube)
	}
	w.recoveries(e)
}

// applyTopology begins a new run: what the last run left is void, users' actions
// with it, as the faults they made ended with that run.
func (w *World) applyTopology(at time.Time, t event.LabTopology) {
	fresh := World{Seq: w.Seq, Now: w.Now, Started: at, Topology: t, Phase: event.Booting, PhaseSince: at}
	fresh.init()
	for _, n := range t.Nodes {
		fresh.addNode(at, n)
	}
	*w = fresh
}

// addNode makes a node known that has not started yet.
func (w *World) addNode(at time.Time, n event.TopologyNode) {
	node := &Node{TopologyNode: n, Since: at, Components: map[string]*Component{}}
	for _, c := range n.Components {
		node.Components[c] = &Component{
			ComponentState: event.ComponentState{Node: n.Name, Component: c, State: event.ComponentWaiting},
			Since:          at,
		}
		if c == "etcd" {
			w.Raft.Members[n.Name] = &Member{RaftStatus: event.RaftStatus{Node: n.Name}}
		}
	}
	w.Nodes[n.Name] = node
}

// removeNode forgets a node, and what only it told.
func (w *World) removeNode(name string) {
	w.Topology.Nodes = slices.DeleteFunc(slices.Clone(w.Topology.Nodes), func(n event.TopologyNode) bool { return n.Name == name })
	delete(w.Nodes, name)
	delete(w.Images.Nodes, name)
	delete(w.Raft.Members, name)
	delete(w.Proxy.Nodes, name)
	delete(w.Probes, "service/"+name)
	delete(w.Probes, "dns/"+name)
	for key, p := range w.Raft.Pairs {
		if p.From == name || p.To == name {
			delete(w.Raft.Pairs, key)
		}
	}
	w.Changes.watchesGone(name)
}

func (w *World) applyStepStarted(at time.Time, b event.StepStarted) {
	step := Step{ID: b.ID, Title: b.Title, Node: b.Node, Index: b.Index, Total: b.Total, Started: at}
	for i := range w.Steps {
		if w.Steps[i].ID == b.ID {
			w.Steps[i] = step
			return
		}
	}
	w.Steps = append(w.Steps, step)
}

func (w *World) applyNodeState(at time.Time, b event.NodeState) {
	n := w.Nodes[b.Node]
	if n == nil {
		return
	}
	n.State, n.Since, n.Cause, n.PID = b.State, at, b.Cause, b.PID
	if b.PID == 0 {
		n.shutdownOver()
	}
	w.freezeMember(b.Node)
	if b.State != event.NodeRunning {
		// Nobody asks from there any more.
		delete(w.Probes, "service/"+b.Node)
		delete(w.Probes, "dns/"+b.Node)
	}
	if b.State != event.NodeKilled && b.State != event.NodeStopped {
		return
	}
	w.Changes.watchesGone(b.Node)
	for _, c := range n.Components {
		c.State, c.PID, c.Since, c.Cause = event.ComponentExited, 0, at, "node "+string(b.State)
		c.Backoff, c.Usage, c.Metrics = 0, UsageSeries{}, nil
	}
	n.Pods, n.Usage, n.PodUsage, n.Kubelet = UsageSeries{}, UsageSeries{}, nil, nil
	w.Proxy.stale(b.Node, at)
	if m := w.Raft.Members[b.Node]; m != nil {
		m.down(at)
	}
}

func (w *World) applyComponent(at time.Time, b event.ComponentState) {
	n := w.Nodes[b.Node]
	if n == nil {
		return
	}
	c := n.Components[b.Component]
	if c == nil {
		c = &Component{}
		n.Components[b.Component] = c
	}
	c.ComponentState, c.Since = b, at
	if b.PID == 0 {
		c.Usage, c.Metrics = UsageSeries{}, nil
	}
	w.freezeMember(b.Node)
	if b.Component == "kubelet" && b.PID == 0 {
		n.Kubelet = nil // what it knew it no longer knows
	}
	if b.Component == "kube-apiserver" && b.PID == 0 {
		w.Changes.watchesGone(b.Node)
	}
	if p := w.Proxy.Nodes[b.Node]; b.Component == "kube-proxy" && b.PID == 0 && p != nil && p.Mode == event.ProxyUserspace {
		w.Proxy.stale(b.Node, at) // what carried the connections is gone, and they with it
	}
	if b.Component != "etcd" || (b.State != event.ComponentExited && b.State != event.ComponentStopped) {
		return
	}
	if m := w.Raft.Members[b.Node]; m != nil {
		m.down(at)
	}
}

// freezeMember tells an etcd member that is paused, by itself or with its node.
func (w *World) freezeMember(name string) {
	n, m := w.Nodes[name], w.Raft.Members[name]
	if m == nil {
		return
	}
	c := n.Components["etcd"]
	m.Frozen = n.State == event.NodePaused || c != nil && c.State == event.ComponentPaused
}

func (w *World) applyProbe(at time.Time, b event.Probe) {
	p := w.Probes[b.Target]
	if p == nil {
		p = &ProbeSeries{}
		w.Probes[b.Target] = p
	}
	for _, e := range b.Earlier {
		p.Samples = append(p.Samples, ProbeSample{At: at.Add(-e.Ago), OK: true, Latency: e.Latency})
	}
	p.Samples = bounded(append(p.Samples, ProbeSample{At: at, OK: b.OK, Latency: b.Latency}), MaxProbes)
	switch {
	case !b.OK && p.Failing.IsZero():
		// It failed users from when it was sent, not from when it gave up.
		p.Failing, p.LastError = at.Add(-b.Latency), b.Error
	case !b.OK:
		p.LastError = b.Error
	case !p.Failing.IsZero():
		p.LastOutage, p.LastOutageAt, p.Failing = at.Sub(p.Failing), at, time.Time{}
	}
}

// bounded drops the oldest entries beyond limit, in batches so that a full
// history does not move on every append.
func bounded[T any](s []T, limit int) []T {
	if len(s) <= limit+limit/4 {
		return s
	}
	return slices.Clone(s[len(s)-limit:])
}
