package event

import "time"

func init() { register[ComponentUsage]() }

// Usage is what one process tree or one pod uses.
type Usage struct {
	// CPU is processor time since the process or the pod started.
	CPU time.Duration `json:"cpu"`
	// MemoryBytes of a component is resident memory that is not shared with other
	// processes, from /proc/PID/statm; of a pod its working set, as the kubelet
	// counts it: what its control group uses without inactive file pages.
	MemoryBytes int64 `json:"memoryBytes"`
}

// Traffic is what went through a network interface since it was made, in bytes.
type Traffic struct {
	Received int64 `json:"received"`
	Sent     int64 `json:"sent"`
}

// PodUsage is what one pod uses.
type PodUsage struct {
	Usage
	// Network of the pod's own eth0; nil for a pod in the node's network.
	Network *Traffic `json:"network,omitempty"`
}

// ComponentUsage is a sample of what a node uses, read inside of it: processes
// from its /proc, pods from their control groups. Key of Components: component
// name; of ByPod: the pod's UID as the kubelet names its group.
type ComponentUsage struct {
	Node       string           `json:"node"`
	Components map[string]Usage `json:"components"`
	// Pods sums all processes on the node that are no component: shims and containers.
	Pods  Usage               `json:"pods"`
	ByPod map[string]PodUsage `json:"byPod,omitempty"`
	// Network of the node's eth0, which is its link to the fabric.
	Network *Traffic `json:"network,omitempty"`
}

// Type implements Body.
func (ComponentUsage) Type() string { return "component.usage" }

func (ComponentUsage) sealed() {}
