package event

import "time"

func init() {
	register[ContainerEvent]()
	register[KubeletSync]()
	register[KubeletProbes]()
	register[KubeletVolumes]()
}

// ContainerWhat is what happened to a container.
type ContainerWhat string

// What happens to containers, in containerd's words.
const (
	ContainerCreated ContainerWhat = "created" // the shim has made it, nothing runs yet
	ContainerStarted ContainerWhat = "started"
	ContainerExited  ContainerWhat = "exited"
	ContainerOOM     ContainerWhat = "oom" // the kernel killed for its memory limit
	ContainerPaused  ContainerWhat = "paused"
	ContainerResumed ContainerWhat = "resumed"
	ContainerDeleted ContainerWhat = "deleted"
)

// ContainerEvent is an event of a node's containerd about a container of a pod.
type ContainerEvent struct {
	Node string        `json:"node"`
	What ContainerWhat `json:"what"`
	// ID is containerd's: 64 hex digits.
	ID        string `json:"id"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	// Container is its name in the pod; "" is the pod's sandbox.
	Container string `json:"container,omitempty"`
	// PID is in the node's PID namespace.
	PID int `json:"pid,omitempty"`
	// ExitCode of one that exited: 128 + the signal where one ended it.
	ExitCode int `json:"exitCode,omitempty"`
}

// What a sync of a pod is for, as the kubelet calls it.
const (
	KubeletCreate = "create"
	KubeletUpdate = "update"
	KubeletSyncOp = "sync"
)

// What a probe comes to, in the words of prober_probe_total.
const (
	ProbeSuccessful = "successful"
	ProbeFailed     = "failed"
	ProbeUnknown    = "unknown"
)

// KubeletWork is how often a kubelet did something since it started, and the mean
// time it took.
type KubeletWork struct {
	Count uint64        `json:"count"`
	Mean  time.Duration `json:"mean,omitempty"`
}

// KubeletSync is how a kubelet's sync loop does, from its own metrics: at most once
// in 10 s, when it did anything.
type KubeletSync struct {
	Node string `json:"node"`
	// Syncs of single pods by operation: create, update, sync
	// (kubelet_pod_worker_duration_seconds).
	Syncs map[string]KubeletWork `json:"syncs,omitempty"`
	// Relist is the listing of all containers by the pod lifecycle event generator
	// (kubelet_pleg_relist_duration_seconds), Interval the time between two.
	Relist   KubeletWork   `json:"relist"`
	Interval time.Duration `json:"interval,omitempty"`
}

// KubeletProbe is one probe of one container (prober_probe_total).
type KubeletProbe struct {
	UID       string `json:"uid"` // of the pod
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Kind      string `json:"kind"` // Startup, Liveness, Readiness
	// Result is what it last came to: successful, failed or unknown. Of several
	// within a second it is the worst.
	Result string `json:"result,omitempty"`
	// How often it came to what.
	Successful uint64 `json:"successful,omitempty"`
	Failed     uint64 `json:"failed,omitempty"`
	Unknown    uint64 `json:"unknown,omitempty"`
	// Gone says that it is made no more.
	Gone bool `json:"gone,omitempty"`
}

// KubeletProbes are the probes of a node that came to something else than before,
// and every 10 s those that were made at all. Fresh says that the kubelet
// (re)started: there are no others.
type KubeletProbes struct {
	Node   string         `json:"node"`
	Fresh  bool           `json:"fresh,omitempty"`
	Probes []KubeletProbe `json:"probes,omitempty"`
}

// KubeletVolume is one volume that the kubelet has set up for a pod.
type KubeletVolume struct {
	// Plugin as its directory is named, such as kubernetes.io~empty-dir.
	Plugin string `json:"plugin"`
	Name   string `json:"name"`
	// FS and Source tell what is mounted there; "" where it is a plain directory.
	FS     string `json:"fs,omitempty"`
	Source string `json:"source,omitempty"`
}

// KubeletPodVolumes are all volumes of one pod on a node; none when it has gone.
type KubeletPodVolumes struct {
	UID     string          `json:"uid"`
	Volumes []KubeletVolume `json:"volumes,omitempty"`
}

// KubeletVolumes are the pods of a node whose volumes changed, from
// /var/lib/kubelet/pods and the node's mounts. Fresh says that there are no others.
type KubeletVolumes struct {
	Node  string              `json:"node"`
	Fresh bool                `json:"fresh,omitempty"`
	Pods  []KubeletPodVolumes `json:"pods,omitempty"`
}

// Type implements Body.
func (ContainerEvent) Type() string { return "container.event" }

// Type implements Body.
func (KubeletSync) Type() string { return "kubelet.sync" }

// Type implements Body.
func (KubeletProbes) Type() string { return "kubelet.probes" }

// Type implements Body.
func (KubeletVolumes) Type() string { return "kubelet.volumes" }

func (ContainerEvent) sealed() {}
func (KubeletSync) sealed()    {}
func (KubeletProbes) sealed()  {}
func (KubeletVolumes) sealed() {}
