// Package plan turns a lab's specification into all that its boot consists
// of, as a value: addresses, files, arguments, readiness and the order of the
// steps. It does nothing; the supervisor executes it. The text form is what
// `workbench plan` prints and what the golden tests hold.
//
//	spec.Lab --New--> Plan{Nodes: files, components; Steps: a graph}
package plan

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/spec"
	"workbench/runtime/node"
)

// Versions of what the lab runs, for display.
type Versions struct {
	Kubernetes, Etcd, Containerd string
}

// Config is what a plan depends on.
type Config struct {
	Lab spec.Lab
	// APIPort is the port on the host's loopback that leads to the API.
	APIPort  int
	Versions Versions
	// CPUs is the number of the machine's processors. It bounds the threads of
	// each component; 0 leaves that to each.
	CPUs int
}

// Plan is the whole boot of a lab.
type Plan struct {
	Topology event.LabTopology
	Gateway  netip.Prefix // the fabric bridge's address
	// ServiceIP is the cluster IP of the Service "kubernetes".
	ServiceIP netip.Addr
	// Addons to install, and the cluster IP of the name service.
	Addons spec.Addons
	DNS    string
	// LoadBalancers is where the lab, as a cloud, gives addresses from; invalid
	// where it is none.
	LoadBalancers netip.Prefix
	Nodes         []Node
	Steps         []Step
}

// Node is one node of the plan.
type Node struct {
	spec.Node
	// Files in the node's root, by path.
	Files map[string]File
	// Sysctls by file below /proc/sys.
	Sysctls    map[string]string
	Components []node.Component
}

// Role of the node.
func (n Node) Role() event.Role {
	if n.ControlPlane {
		return event.ControlPlane
	}
	return event.Worker
}

// File is a file made at every start of the node.
type File struct {
	Content string
	Mode    uint32
}

// Domain is the cluster's DNS domain.
const Domain = "cluster.local"

// Ports on the nodes.
const (
	APIServerPort = 6443
	KubeletPort   = 10250
	EtcdPort      = 2379
	EtcdPeerPort  = 2380
)

// New makes the plan of a valid lab.
func New(cfg Config) (Plan, error) {
	network := cfg.Lab.Spec.Network
	services, err := netip.ParsePrefix(network.ServiceCIDR)
	if err != nil {
		return Plan{}, fmt.Errorf("plan lab %s: service network: %w", cfg.Lab.Metadata.Name, err)
	}
	fabric, err := netip.ParsePrefix(network.FabricCIDR)
	if err != nil {
		return Plan{}, fmt.Errorf("plan lab %s: fabric network: %w", cfg.Lab.Metadata.Name, err)
	}
	p := Plan{
		Gateway:   netip.PrefixFrom(network.Gateway(), fabric.Bits()),
		ServiceIP: services.Masked().Addr().Next(),
	}
	if cfg.Lab.Spec.Cloud {
		if p.LoadBalancers, err = netip.ParsePrefix(network.LoadBalancerCIDR); err != nil {
			return Plan{}, fmt.Errorf("plan lab %s: network of load balancers: %w", cfg.Lab.Metadata.Name, err)
		}
	}
	b := builder{lab: cfg.Lab, cpus: cfg.CPUs, serviceIP: p.ServiceIP, nodes: cfg.Lab.NodeList(), detection: cfg.Lab.Spec.FailureDetection.Detection()}
	if b.scheduling, err = cfg.Lab.SchedulerConfig(confDir + "/scheduler.conf"); err != nil {
		return Plan{}, fmt.Errorf("plan lab %s: %w", cfg.Lab.Metadata.Name, err)
	}
	for _, n := range b.nodes {
		p.Nodes = append(p.Nodes, b.node(n))
	}
	p.Addons, p.DNS = cfg.Lab.Spec.Addons, b.dnsIP()
	p.Steps = steps(p.Nodes, cfg.Lab.Spec.Addons)
	p.Topology = b.topology(cfg, p.Nodes)
	return p, nil
}

// builder holds what all nodes' plans share.
type builder struct {
	lab       spec.Lab
	cpus      int
	nodes     []spec.Node
	serviceIP netip.Addr
	detection spec.Detection
	// scheduling is kube-scheduler's configuration file; "" for none.
	scheduling string
}

func (b builder) node(n spec.Node) Node {
	node := Node{Node: n, Files: b.systemFiles(n), Sysctls: map[string]string{
		"net/ipv4/ip_forward":             "1",
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
		// Overcommit and panic settings that the kubelet insists on
		// (pkg/kubelet/cm: protectKernelDefaults) are the machine's own.
	}}
	b.proxySysctls(node)
	if n.ControlPlane {
		if b.scheduling != "" {
			node.Files[schedulerConfig] = File{Mode: 0o600, Content: b.scheduling}
		}
		tracingFiles(node.Files)
		node.Components = append(node.Components, b.etcd(n), b.apiserver(n), b.controllerManager(n))
		if b.lab.Spec.Cloud {
			node.Components = append(node.Components, b.cloudControllerManager(n, node.Files))
		}
		node.Components = append(node.Components, b.scheduler(n))
		b.boundThreads(node)
		return node
	}
	b.containerdFiles(node.Files)
	b.kubeletFiles(n, node.Files)
	b.proxyFiles(n, node.Files)
	node.Components = append(node.Components, b.balancer(), containerd(), b.kubelet(n), b.kubeProxy())
	b.boundThreads(node)
	return node
}

// boundThreads gives each component threads for half of the processors it may
// use. A node shares the machine with all others: with a thread for every
// processor in each of two dozen processes, two processors spend a fifth of a
// boot on handing work between threads and on collecting garbage in parallel.
// kube-apiserver has threads for all of them: while the first one starts, all else
// waits for it.
func (b builder) boundThreads(n Node) {
	if b.cpus == 0 {
		return
	}
	most := b.cpus
	if limit := int(math.Ceil(float64(n.CPUs))); limit > 0 {
		most = min(most, limit)
	}
	for i := range n.Components {
		c := &n.Components[i]
		threads := max(1, most/2)
		if c.Name == "kube-apiserver" {
			threads = most
		}
		c.Env = append(c.Env, fmt.Sprint("GOMAXPROCS=", threads))
	}
}

func (b builder) topology(cfg Config, nodes []Node) event.LabTopology {
	t := event.LabTopology{
		Name:              b.lab.Metadata.Name,
		KubernetesVersion: cfg.Versions.Kubernetes,
		EtcdVersion:       cfg.Versions.Etcd,
		ContainerdVersion: cfg.Versions.Containerd,
		PodCIDR:           b.lab.Spec.Network.PodCIDR,
		ServiceCIDR:       b.lab.Spec.Network.ServiceCIDR,
		FabricCIDR:        b.lab.Spec.Network.FabricCIDR,
		APIAddress:        fmt.Sprintf("127.0.0.1:%d", cfg.APIPort),
		Profile:           string(b.lab.Spec.FailureDetection),
		GracePeriod:       b.detection.GracePeriod,
		EvictionDelay:     time.Duration(b.detection.EvictionSeconds) * time.Second,
	}
	for _, n := range nodes {
		tn := event.TopologyNode{
			Name: n.Name, Role: n.Role(), IP: n.Address.String(), CPUs: float64(n.CPUs), MemoryBytes: int64(n.Memory),
		}
		for _, c := range n.Components {
			tn.Components = append(tn.Components, c.Name)
		}
		t.Nodes = append(t.Nodes, tn)
	}
	return t
}

// controlPlaneAddresses are ip:port of one port on every control plane.
func (b builder) controlPlaneAddresses(port int) []string {
	var out []string
	for _, n := range b.nodes {
		if n.ControlPlane {
			out = append(out, netip.AddrPortFrom(n.Address, uint16(port)).String())
		}
	}
	return out
}

// APIServers are the addresses of all kube-apiservers.
func (p Plan) APIServers() []string {
	var out []string
	for _, n := range p.Nodes {
		if n.ControlPlane {
			out = append(out, netip.AddrPortFrom(n.Address, APIServerPort).String())
		}
	}
	return out
}
