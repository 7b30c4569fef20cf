package event

import (
	"strings"
	"time"
)

func init() {
	register[KubeNode]()
	register[KubeLease]()
	register[KubePod]()
	register[KubeDeployment]()
	register[KubeService]()
	register[KubeEndpointSlice]()
	register[KubeNetworkPolicy]()
	register[KubeEvent]()
	register[KubeDeleted]()
	register[KubeSynced]()
}

// Meta identifies a Kubernetes object at one revision.
type Meta struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	// ResourceVersion is opaque to clients, as the API documents it.
	ResourceVersion string            `json:"rv,omitempty"`
	Created         time.Time         `json:"created,omitzero"`
	Labels          map[string]string `json:"labels,omitempty"`
	// Owner is the controlling ownerReference as kind/name, or "".
	Owner string `json:"owner,omitempty"`
	// Deleting is the deletionTimestamp; zero when not being deleted.
	Deleting time.Time `json:"deleting,omitzero"`
}

// Key is namespace/name, or name for cluster-scoped objects.
func (m Meta) Key() string {
	if m.Namespace == "" {
		return m.Name
	}
	return m.Namespace + "/" + m.Name
}

// Taint of a node.
type Taint struct {
	Key    string    `json:"key"`
	Value  string    `json:"value,omitempty"`
	Effect string    `json:"effect"`
	Added  time.Time `json:"added,omitzero"`
}

// Pressure is a condition of a Node by which its kubelet says that something runs
// short there.
type Pressure struct {
	Type    string    `json:"type"` // MemoryPressure, DiskPressure, PIDPressure
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since,omitzero"` // its lastTransitionTime
}

// KubeNode is a Node object as the API watch delivered it.
type KubeNode struct {
	Meta
	// Ready is the status of the Ready condition: True, False, Unknown, or "".
	Ready  string `json:"ready"`
	Reason string `json:"reason,omitempty"`
	// Message says why it is not Ready, in the kubelet's words; "" when it is.
	Message       string    `json:"message,omitempty"`
	Since         time.Time `json:"since,omitzero"` // lastTransitionTime of Ready
	Unschedulable bool      `json:"unschedulable,omitempty"`
	Taints        []Taint   `json:"taints,omitempty"`
	// Pressures are those that are True.
	Pressures []Pressure `json:"pressures,omitempty"`
	PodCIDR   string     `json:"podCIDR,omitempty"`
	Version   string     `json:"version,omitempty"`
	// AllocatableCPU in millicores, AllocatableMemory in bytes, pods in number.
	AllocatableCPU    int64 `json:"allocatableCPU,omitempty"`
	AllocatableMemory int64 `json:"allocatableMemory,omitempty"`
	AllocatablePods   int64 `json:"allocatablePods,omitempty"`
}

// KubeLease is a coordination Lease: a node's heartbeat, or who leads.
type KubeLease struct {
	Meta
	Holder string `json:"holder"`
	// Renewed is spec.renewTime; microsecond precision.
	Renewed time.Time `json:"renewed,omitzero"`
	// Seconds is spec.leaseDurationSeconds.
	Seconds     int32 `json:"seconds"`
	Transitions int32 `json:"transitions,omitempty"`
}

// KubeContainer is one container of a pod.
type KubeContainer struct {
	Name     string `json:"name"`
	Image    string `json:"image"`
	Ready    bool   `json:"ready"`
	Restarts int32  `json:"restarts,omitempty"`
	// State is running, waiting or terminated; Reason as reported with it.
	State  string `json:"state,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// KubePod is a Pod object as the API watch delivered it.
type KubePod struct {
	Meta
	Phase      string          `json:"phase"`
	Node       string          `json:"node,omitempty"`
	IP         string          `json:"ip,omitempty"`
	Ready      bool            `json:"ready"`
	Reason     string          `json:"reason,omitempty"` // why not scheduled, or status.reason
	Message    string          `json:"message,omitempty"`
	Containers []KubeContainer `json:"containers,omitempty"`
	// Stays says that it tolerates a node that is unreachable for ever: it is not
	// evicted from one.
	Stays bool `json:"stays,omitempty"`
	// ConfigHash is, of the mirror of a static pod, the UID that the pod itself has
	// on its node (the annotation kubernetes.io/config.hash).
	ConfigHash string `json:"configHash,omitempty"`
	// Status is the word kubectl get pods prints: Running, Terminating,
	// CrashLoopBackOff, ...
	Status string `json:"status"`
}

// KubeDeployment is a Deployment object.
type KubeDeployment struct {
	Meta
	Replicas  int32    `json:"replicas"`
	Updated   int32    `json:"updated"`
	Ready     int32    `json:"ready"`
	Available int32    `json:"available"`
	Images    []string `json:"images,omitempty"`
}

// PulseAnnotation on a Service is the path that the pulse requests of it from
// inside a pod of every worker.
const PulseAnnotation = "workbench.local/pulse"

// KubeService is a Service object.
type KubeService struct {
	Meta
	ServiceType string `json:"serviceType"`
	ClusterIP   string `json:"clusterIP,omitempty"`
	// ExternalIPs are those of the spec, LoadBalancer those of the status.
	ExternalIPs  []string          `json:"externalIPs,omitempty"`
	LoadBalancer []string          `json:"loadBalancer,omitempty"`
	Ports        []string          `json:"ports,omitempty"` // as kubectl prints them: 80:30080/TCP
	Selector     map[string]string `json:"selector,omitempty"`
	// Pulse is the value of PulseAnnotation.
	Pulse string `json:"pulse,omitempty"`
}

// TypeAddress is its type, and for a load balancer its address.
func (s *KubeService) TypeAddress() string {
	switch {
	case s.ServiceType != "LoadBalancer":
		return s.ServiceType
	case len(s.LoadBalancer) == 0:
		return s.ServiceType + " <pending>"
	}
	return s.ServiceType + " " + strings.Join(s.LoadBalancer, ",")
}

// KubeEndpoint is one address of an EndpointSlice.
type KubeEndpoint struct {
	Address     string `json:"address"`
	Node        string `json:"node,omitempty"`
	Pod         string `json:"pod,omitempty"`
	Ready       bool   `json:"ready"`
	Serving     bool   `json:"serving"`
	Terminating bool   `json:"terminating,omitempty"`
}

// KubeEndpointSlice is an EndpointSlice object.
type KubeEndpointSlice struct {
	Meta
	Service   string         `json:"service"`
	Endpoints []KubeEndpoint `json:"endpoints,omitempty"`
	Ports     []string       `json:"ports,omitempty"`
}

// KubeNetworkPolicy is a NetworkPolicy object. Nothing in a lab enforces one.
type KubeNetworkPolicy struct {
	Meta
	// Types are Ingress and Egress: which traffic it is about.
	Types []string `json:"types,omitempty"`
}

// KubeEvent is an Event object: what a controller had to say.
type KubeEvent struct {
	Meta
	EventType string    `json:"eventType"` // Normal, Warning
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Regarding string    `json:"regarding"` // kind/namespace/name
	Source    string    `json:"source,omitempty"`
	Count     int32     `json:"count,omitempty"`
	Last      time.Time `json:"last,omitzero"`
}

// KubeDeleted says that an object is gone. Kind is the kind's name, such as
// "Pod".
type KubeDeleted struct {
	Kind string `json:"kind"`
	Meta
}

// KubeSynced says that the watch of a kind delivered all that existed when it
// (re)started: objects of the kind not seen since the matching restart are gone.
type KubeSynced struct {
	Kind string `json:"kind"`
	// Keys are all existing objects of the kind, sorted.
	Keys []string `json:"keys"`
}

// Type implements Body.
func (KubeNode) Type() string { return "kube.node" }

// Type implements Body.
func (KubeLease) Type() string { return "kube.lease" }

// Over says that no container of the pod runs again. A kubelet whose node shuts
// down ends pods so; those that exit with 0 succeed.
func (p *KubePod) Over() bool { return p.Phase == "Succeeded" || p.Phase == "Failed" }

// Type implements Body.
func (KubePod) Type() string { return "kube.pod" }

// Type implements Body.
func (KubeDeployment) Type() string { return "kube.deployment" }

// Type implements Body.
func (KubeService) Type() string { return "kube.service" }

// Type implements Body.
func (KubeEndpointSlice) Type() string { return "kube.endpointslice" }

// Type implements Body.
func (KubeNetworkPolicy) Type() string { return "kube.networkpolicy" }

// Type implements Body.
func (KubeEvent) Type() string { return "kube.event" }

// Type implements Body.
func (KubeDeleted) Type() string { return "kube.deleted" }

// Type implements Body.
func (KubeSynced) Type() string { return "kube.synced" }

func (KubeNode) sealed()          {}
func (KubeLease) sealed()         {}
func (KubePod) sealed()           {}
func (KubeDeployment) sealed()    {}
func (KubeService) sealed()       {}
func (KubeEndpointSlice) sealed() {}
func (KubeNetworkPolicy) sealed() {}
func (KubeEvent) sealed()         {}
func (KubeDeleted) sealed()       {}
func (KubeSynced) sealed()        {}
