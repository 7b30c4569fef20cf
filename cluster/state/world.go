// Package state folds events into a world: what is known of a lab at one
// instant.
//
// Apply is a pure function of the world and one event. It reads no clock, no
// environment and nothing random, so the same journal always gives the same
// world; rewind and replay rest on that. A World is JSON: the supervisor hands
// it to a client that attaches, which then follows the events after World.Seq.
package state

import (
	"time"

	"workbench/cluster/event"
	"workbench/cluster/recovery"
)

// World is all that is known of a lab after event Seq.
type World struct {
	Seq uint64 `json:"seq"`
	// Now is the time of the last event folded.
	Now time.Time `json:"now"`
	// Started is when this run of the lab began to boot.
	Started     time.Time         `json:"started"`
	Topology    event.LabTopology `json:"topology"`
	Phase       event.Phase       `json:"phase"`
	PhaseDetail string            `json:"phaseDetail,omitempty"`
	PhaseSince  time.Time         `json:"phaseSince"`
	// Steps of the boot plan, in the order of their start.
	Steps []Step `json:"steps,omitempty"`
	// Nodes by name.
	Nodes map[string]*Node `json:"nodes,omitempty"`
	Raft  Raft             `json:"raft"`
	Kube  Kube             `json:"kube"`
	Proxy Proxy            `json:"proxy"`
	Sched Sched            `json:"sched"`
	// Changes of all objects, and who made them.
	Changes Changes `json:"changes"`
	// Probes by target.
	Probes map[string]*ProbeSeries `json:"probes,omitempty"`
	// PulseOff says that a user stopped the probes.
	PulseOff bool `json:"pulseOff,omitempty"`
	// Faults are what is broken on purpose, and the links they changed.
	Faults Faults `json:"faults"`
	// Recovery is how the lab recovered from the faults of this run.
	Recovery recovery.Reports `json:"recovery"`
	// Scenario is the last run of a scenario or a campaign; nil before one.
	Scenario *Scenario `json:"scenario,omitempty"`
	// DNS is what the cluster's name service was asked.
	DNS DNS `json:"dns"`
	// Images are what nodes have of them, and what they pull.
	Images Images `json:"images"`
	// Traces are the last traces of commands, oldest first; at most MaxCommandTraces.
	Traces []CommandTrace `json:"traces,omitempty"`
	// Actions are the last users' actions, oldest first; at most MaxActions.
	Actions []Action `json:"actions,omitempty"`
	// Sources that are lost, by name; a healthy source is absent.
	Lost map[string]Lost `json:"lost,omitempty"`
	// Timeline is what happened when, in lanes.
	Timeline Timeline `json:"timeline"`
}

// Bounds of the histories a world keeps.
const (
	MaxActions     = 64
	MaxSwim        = 512  // role changes per Raft member
	MaxRaftLog     = 256  // Raft log lines over all members
	MaxRaftMarks   = 512  // messages per pair of members
	MaxRaftEntries = 128  // log entries: what they mean, and who has them
	MaxEvents      = 512  // Kubernetes Events
	MaxProbes      = 1200 // samples per probe target: 5 min at 4/s
	MaxUsage       = 180  // usage samples per component, pod and node: 15 min at 5 s
)

// Step is one step of the boot plan.
type Step struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Node  string `json:"node,omitempty"`
	// Index and Total place the step in the plan, Index from 0.
	Index   int           `json:"index"`
	Total   int           `json:"total"`
	Started time.Time     `json:"started"`
	Done    bool          `json:"done"`
	Took    time.Duration `json:"took,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// Node is what is known of one node.
type Node struct {
	event.TopologyNode
	State event.NodePhase `json:"state"`
	Since time.Time       `json:"since"`
	Cause string          `json:"cause,omitempty"`
	PID   int             `json:"pid,omitempty"`
	// Components by name. In JSON, components are the planned names.
	Components map[string]*Component `json:"componentStates,omitempty"`
	// Pods is the use of everything on the node that is no component, Usage of all
	// of the node.
	Pods  UsageSeries `json:"pods"`
	Usage UsageSeries `json:"usage"`
	// PodUsage is the use of each pod, by UID.
	PodUsage map[string]*UsageSeries `json:"podUsage,omitempty"`
	// Kubelet is what its kubelet tells of its work; nil before it told anything.
	Kubelet *Kubelet `json:"kubelet,omitempty"`
	// Shutdown is how the node goes down, or would.
	Shutdown Shutdown `json:"shutdown,omitzero"`
	// Containers are the last events of its containerd, oldest first.
	Containers []ContainerEvent `json:"containers,omitempty"`
}

// Component is what is known of one component of a node.
type Component struct {
	event.ComponentState
	Since time.Time   `json:"since"`
	Usage UsageSeries `json:"usage"`
	// Metrics is what it says of itself; nil before it was asked.
	Metrics *Metrics `json:"metrics,omitempty"`
}

// Raft is what is known of the etcd members.
type Raft struct {
	// Members by node name.
	Members map[string]*Member `json:"members,omitempty"`
	// Log lines of all members, oldest first.
	Log []RaftLine `json:"log,omitempty"`
	// Pairs are the messages between members, by PairKey.
	Pairs map[string]*RaftPair `json:"pairs,omitempty"`
	// Entries are what the last log entries mean, by ascending index; at most
	// MaxRaftEntries.
	Entries []event.RaftEntry `json:"entries,omitempty"`
}

// Member is one etcd member.
type Member struct {
	event.RaftStatus
	At time.Time `json:"at"` // of the last status
	// Frozen says that its process or node is paused: it counts for no quorum.
	Frozen bool `json:"frozen,omitempty"`
	// Out says that the node's member does not belong to the cluster: it was
	// removed, and nothing was added in its place yet.
	Out bool `json:"out,omitempty"`
	// Swim are the member's role changes, oldest first. Role "" means that its
	// process was down from then on.
	Swim []RoleSpan `json:"swim,omitempty"`
	// Log is which entries the member has in its log, as far as they are among
	// its last MaxRaftEntries.
	Log []event.RaftRun `json:"logRuns,omitempty"`
	// Disk is the last report about its disk; nil before there was one.
	Disk *event.RaftDisk `json:"disk,omitempty"`
}

// RoleSpan says which role a member had from At on.
type RoleSpan struct {
	At   time.Time          `json:"at"`
	Role event.RaftRoleName `json:"role"`
	Term uint64             `json:"term"`
}

// RaftLine is a line of a member's Raft log.
type RaftLine struct {
	At   time.Time `json:"at"`
	Node string    `json:"node"`
	Text string    `json:"text"`
}

// Kube is what the API watch said, by object key (namespace/name or name).
type Kube struct {
	Nodes       map[string]*KubeNode                `json:"nodes,omitempty"`
	Leases      map[string]*KubeLease               `json:"leases,omitempty"`
	Pods        map[string]*event.KubePod           `json:"pods,omitempty"`
	Deployments map[string]*event.KubeDeployment    `json:"deployments,omitempty"`
	Services    map[string]*event.KubeService       `json:"services,omitempty"`
	Slices      map[string]*event.KubeEndpointSlice `json:"slices,omitempty"`
	// NetworkPolicies that exist; nothing in a lab enforces them.
	NetworkPolicies map[string]*event.KubeNetworkPolicy `json:"networkPolicies,omitempty"`
	// Events are Kubernetes Events in order of arrival.
	Events []event.KubeEvent `json:"events,omitempty"`
}

// KubeNode is a Node object and when its state was last seen to change.
type KubeNode struct {
	event.KubeNode
	At time.Time `json:"at"`
}

// KubeLease is a Lease and when the watch delivered its last renewal.
type KubeLease struct {
	event.KubeLease
	At time.Time `json:"at"`
}

// ProbeSeries is the recent past of one probe target.
type ProbeSeries struct {
	Samples []ProbeSample `json:"samples,omitempty"`
	// Failing is when the present outage began; zero when the target answers.
	Failing time.Time `json:"failing,omitzero"`
	// LastOutage is the length of the last ended outage.
	LastOutage   time.Duration `json:"lastOutage,omitempty"`
	LastOutageAt time.Time     `json:"lastOutageAt,omitzero"`
	LastError    string        `json:"lastError,omitempty"`
}

// ProbeSample is one probe.
type ProbeSample struct {
	At      time.Time     `json:"at"`
	OK      bool          `json:"ok"`
	Latency time.Duration `json:"latency"`
}

// Action is something a user did.
type Action struct {
	event.Action
	At time.Time `json:"at"`
}

// Lost is a source that is gone.
type Lost struct {
	Since  time.Time `json:"since"`
	Detail string    `json:"detail,omitempty"`
}

// New is an empty world.
func New() *World {
	w := &World{}
	w.init()
	return w
}

// init makes the maps that JSON left out.
func (w *World) init() {
	mk(&w.Nodes)
	mk(&w.Raft.Members)
	mk(&w.Kube.Nodes)
	mk(&w.Kube.Leases)
	mk(&w.Kube.Pods)
	mk(&w.Kube.Deployments)
	mk(&w.Kube.Services)
	mk(&w.Kube.Slices)
	mk(&w.Kube.NetworkPolicies)
	mk(&w.Proxy.Nodes)
	mk(&w.Proxy.Wanted)
	for _, n := range w.Proxy.Nodes {
		mk(&n.Services)
	}
	mk(&w.Changes.Beats)
	mk(&w.Changes.Reads)
	mk(&w.Changes.Watches)
	mk(&w.Changes.Lag)
	mk(&w.Probes)
	mk(&w.Lost)
	mk(&w.Faults.Links)
}

func mk[K comparable, V any](m *map[K]V) {
	if *m == nil {
		*m = map[K]V{}
	}
}
