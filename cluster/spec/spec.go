// Package spec is the lab's configuration file: its types, defaults,
// validation and JSON Schema.
//
//	file -> Load -> Lab (every problem with file:line:column) -> Lab.Validate(machine)
//
// Load refuses what is wrong by itself, Validate also what this machine cannot
// carry. Both report all problems at once, as Problems. A Lab made by Default
// and changed by flags has no positions, but passes the same checks.
//
// The package imports the standard library and a YAML parser only.
package spec

// The identity of the file format.
const (
	APIVersion = "workbench/v1alpha1"
	Kind       = "Lab"
)

// Lab is a whole configuration file.
type Lab struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`

	source source
	set    *Set // nil: as the counts say
}

// Metadata identifies a lab.
type Metadata struct {
	// Name is a DNS-1123 label of at most MaxName characters.
	Name string `json:"name"`
}

// Spec says what a lab is made of.
type Spec struct {
	ControlPlanes Pool `json:"controlPlanes"`
	Workers       Pool `json:"workers"`
	// Nodes overrides single nodes by name: c1, c2, ... and w1, w2, ...
	Nodes   map[string]Override `json:"nodes,omitempty"`
	Network Network             `json:"network"`
	// FailureDetection says how fast a dead node is noticed.
	FailureDetection Profile `json:"failureDetection"`
	// FeatureGates go to every Kubernetes component.
	FeatureGates map[string]bool `json:"featureGates,omitempty"`
	// Cloud says whether the lab is a cloud to its cluster: nodes are instances of
	// it, it routes pods and has load balancers. A cloud-controller-manager runs on
	// each control plane.
	Cloud bool `json:"cloud"`
	// Addons are what the cluster has besides its components.
	Addons Addons `json:"addons"`
	// DNS says how names outside of the cluster resolve.
	DNS DNS `json:"dns"`
	// Images says where they are pulled from.
	Images Images `json:"images"`
	// Components are extra arguments by component; see ComponentNames.
	Components map[string]Component `json:"components,omitempty"`
}

// Pool is a number of equal nodes.
type Pool struct {
	Count int `json:"count"`
	// CPUs limits each node's processor time; 0 means the whole machine.
	CPUs Cores `json:"cpus,omitempty"`
	// Memory limits each node's memory; 0 means the whole machine.
	Memory Bytes `json:"memory,omitempty"`
}

// Override changes one node. What it leaves out comes from the node's pool.
type Override struct {
	CPUs   Cores  `json:"cpus,omitempty"`
	Memory Bytes  `json:"memory,omitempty"`
	Labels Labels `json:"labels,omitempty"`
	Taints Taints `json:"taints,omitempty"`
}

// Labels of a Node object.
type Labels = map[string]string

// Taints that a Node object registers with.
type Taints = []Taint

// Taint of a Node object.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect Effect `json:"effect"`
}

// Effect is what a taint does to pods that do not tolerate it.
type Effect string

// The effects of a taint.
const (
	NoSchedule       Effect = "NoSchedule"
	PreferNoSchedule Effect = "PreferNoSchedule"
	NoExecute        Effect = "NoExecute"
)

// Network holds the address ranges of a lab; IPv4, in CIDR notation.
type Network struct {
	// FabricCIDR is the network between the nodes.
	FabricCIDR string `json:"fabricCIDR"`
	// PodCIDR is cut into a /24 per worker.
	PodCIDR     string `json:"podCIDR"`
	ServiceCIDR string `json:"serviceCIDR"`
	// LoadBalancerCIDR is where the cloud's load balancers get addresses from.
	LoadBalancerCIDR string `json:"loadBalancerCIDR"`
	// ProxyMode is how kube-proxy programs the kernel, or that it does not. One
	// that no file names may be another where the machine cannot do this one.
	ProxyMode ProxyMode `json:"proxyMode"`
}

// ProxyMode is a mode of kube-proxy.
type ProxyMode string

// The modes of kube-proxy a lab can run.
const (
	IPTables ProxyMode = "iptables"
	NFTables ProxyMode = "nftables"
	// Userspace needs no packet filter: kube-proxy carries connections itself.
	Userspace ProxyMode = "userspace"
)

// Addons says which addons are installed.
type Addons struct {
	// DNS is CoreDNS, the cluster's name service.
	DNS bool `json:"dns"`
	// Storage is a default StorageClass of volumes on the nodes.
	Storage bool `json:"storage"`
	// Metrics is metrics-server, for kubectl top and the HorizontalPodAutoscaler.
	Metrics bool `json:"metrics"`
}

// Pods says whether any of them runs as pods.
func (a Addons) Pods() bool { return a.DNS || a.Metrics }

// Images says where images are pulled from.
type Images struct {
	// Registries by the host in image names, with its port; those that are not
	// asked at https://HOST.
	Registries map[string]Registry `json:"registries,omitempty"`
}

// Registry is where a registry is asked.
type Registry struct {
	// URL is http or https, a host and a port; https://HOST where it is empty. An
	// address of the lab's own networks is asked within the lab.
	URL string `json:"url,omitempty"`
	// Insecure says that its certificate is not checked.
	Insecure bool `json:"insecure,omitempty"`
	// CA is certificates, as PEM text, that its own may be signed by, besides those
	// that the machine trusts.
	CA string `json:"ca,omitempty"`
}

// Component configures one component on every node that runs it.
type Component struct {
	// ExtraArgs are flags without the leading dashes.
	ExtraArgs map[string]string `json:"extraArgs,omitempty"`
	// Config is the component's configuration file as YAML text; kube-scheduler
	// alone takes one. See SchedulerConfig.
	Config string `json:"config,omitempty"`
}

// Default is the lab that `workbench up` boots without a file.
func Default() Lab {
	return Lab{
		APIVersion: APIVersion,
		Kind:       Kind,
		Metadata:   Metadata{Name: "lab"},
		Spec: Spec{
			ControlPlanes: Pool{Count: 3},
			Workers:       Pool{Count: 3},
			Network: Network{
				FabricCIDR:       "10.10.0.0/24",
				PodCIDR:          "10.244.0.0/16",
				ServiceCIDR:      "10.96.0.0/16",
				LoadBalancerCIDR: "10.64.0.0/24",
				ProxyMode:        IPTables,
			},
			FailureDetection: Teaching,
			Cloud:            true,
			Addons:           Addons{DNS: true, Storage: true, Metrics: true},
			DNS:              DNS{Upstream: UpstreamHost},
		},
	}
}
