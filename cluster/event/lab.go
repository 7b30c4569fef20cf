package event

import "time"

func init() {
	register[LabTopology]()
	register[LabPhase]()
	register[StepStarted]()
	register[StepDone]()
	register[NodeState]()
	register[ComponentState]()
	register[Probe]()
	register[PulseSwitched]()
	register[Action]()
	register[SourceState]()
}

// Role says what a node is for.
type Role string

// The roles of a node.
const (
	ControlPlane Role = "control-plane"
	Worker       Role = "worker"
)

// TopologyNode is one node as planned; name and address never change.
type TopologyNode struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	IP   string `json:"ip"`
	// Components are the names of what runs on the node, in start order.
	Components []string `json:"components"`
	// CPUs is the node's CPU limit in cores; 0 means all of the machine.
	CPUs float64 `json:"cpus,omitempty"`
	// MemoryBytes is the node's memory limit; 0 means all of the machine.
	MemoryBytes int64 `json:"memoryBytes,omitempty"`
}

// LabTopology says what the lab is made of. It is the first event of a run.
type LabTopology struct {
	Name              string         `json:"name"`
	KubernetesVersion string         `json:"kubernetesVersion"`
	EtcdVersion       string         `json:"etcdVersion"`
	ContainerdVersion string         `json:"containerdVersion"`
	PodCIDR           string         `json:"podCIDR"`
	ServiceCIDR       string         `json:"serviceCIDR"`
	FabricCIDR        string         `json:"fabricCIDR"`
	APIAddress        string         `json:"apiAddress"` // host:port on the host's loopback
	Profile           string         `json:"profile"`    // failure detection: teaching, kubernetes
	Nodes             []TopologyNode `json:"nodes"`
	// GracePeriod is kube-controller-manager's node-monitor-grace-period: a node
	// whose lease is older becomes NotReady.
	GracePeriod time.Duration `json:"gracePeriod"`
	// EvictionDelay is the default toleration of the not-ready and unreachable
	// taints: how long pods stay bound to a node after it is tainted.
	EvictionDelay time.Duration `json:"evictionDelay"`
}

// Phase is where in its life a lab is.
type Phase string

// The phases of a lab.
const (
	Booting  Phase = "booting"
	Running  Phase = "running"
	Stopping Phase = "stopping"
	Stopped  Phase = "stopped"
	Failed   Phase = "failed"
)

// LabPhase is a change of the lab's phase.
type LabPhase struct {
	Phase Phase `json:"phase"`
	// Detail is a sentence for people, such as why the boot failed.
	Detail string `json:"detail,omitempty"`
}

// StepStarted says that a step of the boot plan began.
type StepStarted struct {
	ID    string `json:"id"` // such as "c1/etcd"
	Title string `json:"title"`
	Node  string `json:"node,omitempty"`
	// Index and Total place the step in the plan, Index from 0.
	Index int `json:"index"`
	Total int `json:"total"`
}

// StepDone says that a step of the boot plan ended.
type StepDone struct {
	ID    string        `json:"id"`
	Took  time.Duration `json:"took"`
	Error string        `json:"error,omitempty"`
}

// NodePhase is the life of a node as the kernel sees it (not as Kubernetes does).
type NodePhase string

// The states of a node.
const (
	NodeStarting NodePhase = "starting"
	NodeRunning  NodePhase = "running"
	NodePaused   NodePhase = "paused"  // every process of it is frozen
	NodeStopped  NodePhase = "stopped" // shut down in order
	NodeKilled   NodePhase = "killed"  // its init was killed: power loss
)

// NodeState is a change of a node's state.
type NodeState struct {
	Node  string    `json:"node"`
	State NodePhase `json:"state"`
	// PID is the node's init in the host's PID namespace; 0 when not running.
	PID int `json:"pid,omitempty"`
	// Cause says who or what did it, in words.
	Cause string `json:"cause,omitempty"`
}

// ComponentPhase is the life of one component process.
type ComponentPhase string

// The states of a component.
const (
	ComponentWaiting ComponentPhase = "waiting" // for what it depends on
	ComponentStarted ComponentPhase = "started" // process runs, not ready yet
	ComponentReady   ComponentPhase = "ready"   // its readiness probe succeeded
	ComponentUnready ComponentPhase = "unready" // was ready, its probe fails now
	ComponentPaused  ComponentPhase = "paused"  // frozen by a user (SIGSTOP)
	ComponentExited  ComponentPhase = "exited"  // ended; will be restarted after Backoff unless Held
	ComponentStopped ComponentPhase = "stopped" // ended and held down by a user
)

// ComponentState is a change of a component's state.
type ComponentState struct {
	Node      string         `json:"node"`
	Component string         `json:"component"`
	State     ComponentPhase `json:"state"`
	// PID is in the node's PID namespace; 0 when not running.
	PID int `json:"pid,omitempty"`
	// Restarts counts starts after the first, since the node started.
	Restarts int `json:"restarts,omitempty"`
	// ExitCode is the exit status, or -1 when a signal ended it.
	ExitCode int `json:"exitCode,omitempty"`
	// Signal that ended it, such as "killed", or "".
	Signal string `json:"signal,omitempty"`
	// Cause says why in words: the user's action, or the last line of its log.
	Cause string `json:"cause,omitempty"`
	// Backoff is the delay before the next start.
	Backoff time.Duration `json:"backoff,omitempty"`
	// Took is how long it needed from start to ready.
	Took time.Duration `json:"took,omitempty"`
}

// Probe is one probe of the cluster as a user feels it.
type Probe struct {
	// Target is "api-read", "api-write", "etcd-write", "service/NODE" or
	// "dns/NODE".
	Target  string        `json:"target"`
	OK      bool          `json:"ok"`
	Latency time.Duration `json:"latency"`
	Error   string        `json:"error,omitempty"`
	// Earlier are the probes of the target before this one that no event told
	// yet, oldest first; all of them succeeded.
	Earlier []ProbeSample `json:"earlier,omitempty"`
}

// ProbeSample is a successful probe that a later one tells.
type ProbeSample struct {
	// Ago is how long before the event it ended.
	Ago     time.Duration `json:"ago"`
	Latency time.Duration `json:"latency"`
}

// PulseSwitched says that the pulse was stopped, or begins again.
type PulseSwitched struct {
	On bool `json:"on"`
}

// Action is something a user asked the supervisor to do, and its outcome.
type Action struct {
	Verb   string `json:"verb"`   // such as "node.kill"
	Target string `json:"target"` // such as "w2" or "c1/etcd"
	// Equivalent is the command that would do the same from a shell.
	Equivalent string `json:"equivalent,omitempty"`
	Error      string `json:"error,omitempty"`
}

// SourceState says that a source of events was lost or came back. What it
// feeds is stale meanwhile.
type SourceState struct {
	Source string `json:"source"` // such as "watch" or "node/w2"
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Type implements Body.
func (LabTopology) Type() string { return "lab.topology" }

// Type implements Body.
func (LabPhase) Type() string { return "lab.phase" }

// Type implements Body.
func (StepStarted) Type() string { return "step.started" }

// Type implements Body.
func (StepDone) Type() string { return "step.done" }

// Type implements Body.
func (NodeState) Type() string { return "node.state" }

// Type implements Body.
func (ComponentState) Type() string { return "component.state" }

// Type implements Body.
func (Probe) Type() string { return "probe" }

// Type implements Body.
func (PulseSwitched) Type() string { return "pulse.switched" }

// Type implements Body.
func (Action) Type() string { return "action" }

// Type implements Body.
func (SourceState) Type() string { return "source.state" }

func (LabTopology) sealed()    {}
func (LabPhase) sealed()       {}
func (StepStarted) sealed()    {}
func (StepDone) sealed()       {}
func (NodeState) sealed()      {}
func (ComponentState) sealed() {}
func (Probe) sealed()          {}
func (PulseSwitched) sealed()  {}
func (Action) sealed()         {}
func (SourceState) sealed()    {}
