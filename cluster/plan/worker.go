package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"workbench/cluster/spec"
	"workbench/cluster/staticpod"
	"workbench/runtime/node"
)

// ContainerdSocket is where containerd answers in a node.
const ContainerdSocket = "/run/containerd/containerd.sock"

// registriesDir is where containerd is told where registries are asked.
const registriesDir = "/etc/containerd/certs.d"

// RegistryPort is where the supervisor answers containerd for all registries, at
// the fabric's gateway.
const RegistryPort = 5000

// RegistryToken is a placeholder for that by which the supervisor knows the
// containerd of a node from a pod.
const RegistryToken = "@REGISTRY_TOKEN@"

// SandboxImage is the image of pod sandboxes; it comes with the workbench.
const SandboxImage = "workbench.local/pause:1"

func (b builder) balancer() node.Component {
	return component("api-balancer", grace, node.Probe{Kind: "tcp", Target: "127.0.0.1:6443"},
		"-listen=127.0.0.1:6443",
		"-backends="+strings.Join(b.controlPlaneAddresses(APIServerPort), ","))
}

func containerd() node.Component {
	return component("containerd", grace, node.Probe{Kind: "unix", Target: ContainerdSocket}, "--config=/etc/containerd/config.toml")
}

// containerdFiles follow containerd's docs/cri/config.md, version 3.
//
// restrict_oom_score_adj: without CAP_SYS_RESOURCE runc may not lower a
// score. NRI is off: nothing here uses it. Without its CRI plugins containerd
// is of no use to a kubelet, so it must not start as if it were ready.
func (b builder) containerdFiles(files map[string]File) {
	supervisor := "http://" + netip.AddrPortFrom(b.lab.Spec.Network.Gateway(), RegistryPort).String()
	files[registriesDir+"/_default/hosts.toml"] = File{Mode: 0o600, Content: fmt.Sprintf(`# Every registry is asked through the supervisor: the node has no route out.
server = "%s"
capabilities = ["pull", "resolve"]

[header]
  X-Workbench-Node = "%s"
`, supervisor, RegistryToken)}
	files["/etc/containerd/config.toml"] = File{Mode: 0o600, Content: `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
required_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "` + ContainerdSocket + `"

[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux"
  snapshotter = "overlayfs"
  differ = "workbench"

[plugins."io.containerd.differ.v1.workbench"]
  server = "` + supervisor + `"
  token = "` + RegistryToken + `"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "` + SandboxImage + `"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "` + registriesDir + `"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["` + CNIDir + `"]
    conf_dir = "/etc/cni/net.d"
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = "` + BinDir + `/containerd-shim-runc-v2"
`}
}

func (b builder) kubelet(n spec.Node) node.Component {
	flags := map[string]string{
		"config":     confDir + "/kubelet.yaml",
		"kubeconfig": confDir + "/kubelet.conf",
		"node-ip":    n.Address.String(),
	}
	if b.lab.Spec.Cloud {
		flags["cloud-provider"] = "external"
	}
	if len(n.Labels) > 0 {
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
			labels = append(labels, k+"="+n.Labels[k])
		}
		flags["node-labels"] = strings.Join(labels, ",")
	}
	return component("kubelet", grace, node.Probe{Kind: "http", Target: "http://127.0.0.1:10248/healthz"}, b.args("kubelet", flags)...)
}

// kubeletFiles is the KubeletConfiguration. What is not the lab's business is
// left at upstream's defaults, or is them where a key stands for several. Where the
// kernel can (cgroup v1), it tells the kubelet of memory that runs short, which
// looks itself every 10 s only. Images cannot be pulled again without a
// network, so they are not collected, and what is free on the machine's disk,
// on which they are, is not a reason to evict.
func (b builder) kubeletFiles(n spec.Node, files map[string]File) {
	var c strings.Builder
	fmt.Fprintf(&c, `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: %[1]s/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: %[1]s/kubelet.crt
tlsPrivateKeyFile: %[1]s/kubelet.key
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
clusterDomain: %[2]s
clusterDNS: [%[3]s]
resolvConf: /etc/resolv.conf
containerRuntimeEndpoint: unix://%[4]s
staticPodPath: %[7]s
volumePluginDir: /var/lib/kubelet/volumeplugins
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: "%[8]s", nodefs.inodesFree: "0%%", imagefs.available: "0%%"}
evictionPressureTransitionPeriod: %[9]s
kernelMemcgNotification: true
serializeImagePulls: false
nodeStatusUpdateFrequency: %[5]s
nodeLeaseDurationSeconds: %[6]d
`, pkiDir, Domain, b.dnsIP(), ContainerdSocket, b.detection.KubeletStatusUpdate, int(b.detection.LeaseDuration.Seconds()), staticpod.Dir, DiskReserve, b.detection.PressureTransition)
	if d := b.detection; d.ShutdownGrace > 0 {
		fmt.Fprintf(&c, "shutdownGracePeriod: %s\nshutdownGracePeriodCriticalPods: %s\n", d.ShutdownGrace, d.ShutdownGraceCritical)
	}
	c.WriteString(reserved(n))
	if len(n.Taints) > 0 {
		c.WriteString("registerWithTaints:\n")
		for _, t := range n.Taints {
			fmt.Fprintf(&c, "- {key: %q, value: %q, effect: %q}\n", t.Key, t.Value, t.Effect)
		}
	}
	b.configGates(&c)
	files[confDir+"/kubelet.yaml"] = File{Mode: 0o600, Content: c.String()}
}

// DiskReserve is a placeholder in the kubelet's configuration for the share of the
// node's own disk that has to be free; the supervisor knows whether it has one.
const DiskReserve = "@DISK_RESERVE@"

// ReservedMemory and ReservedCPU are placeholders in the kubelet's
// configuration for what the supervisor knows of the machine: it reserves the
// difference to a node's limit, so that allocatable is no more than what the node's
// cgroup enforces.
const (
	ReservedMemory = "@RESERVED_MEMORY@"
	ReservedCPU    = "@RESERVED_CPU@"
)

func reserved(n spec.Node) string {
	var parts []string
	if n.CPUs > 0 {
		parts = append(parts, `cpu: "`+ReservedCPU+`"`)
	}
	if n.Memory > 0 {
		parts = append(parts, `memory: "`+ReservedMemory+`"`)
	}
	if len(parts) == 0 {
		return ""
	}
	text := "systemReserved: {" + strings.Join(parts, ", ") + "}\n"
	if n.Memory > 0 {
		text += fmt.Sprintf("kubeReserved: {memory: \"%d\"}\n", kubeReserved(n.Memory))
	}
	return text
}

// kubeReserved is what a node's components have of its memory. To the kubelet the
// node has all of the machine's, so it never sees the node itself run short; it
// does see what is left of the pods' share, which it can act on only if the
// components do not need that too. A quarter is what managed clouds reserve of
// small nodes; more than 256 MiB they do not take here.
func kubeReserved(memory spec.Bytes) spec.Bytes { return min(memory/4, 256<<20) }

func (b builder) configGates(c *strings.Builder) {
	if len(b.lab.Spec.FeatureGates) == 0 {
		return
	}
	c.WriteString("featureGates:\n")
	for _, name := range slices.Sorted(maps.Keys(b.lab.Spec.FeatureGates)) {
		fmt.Fprintf(c, "  %s: %s\n", name, strconv.FormatBool(b.lab.Spec.FeatureGates[name]))
	}
}

func (b builder) kubeProxy() node.Component {
	return component("kube-proxy", grace, node.Probe{Kind: "http", Target: "http://127.0.0.1:10256/healthz"},
		b.args("kube-proxy", map[string]string{"config": confDir + "/kube-proxy.yaml"})...)
}

// proxyFiles is the KubeProxyConfiguration. Connection tracking limits are the
// machine's, not a node's, so they are left as they are (0).
func (b builder) proxyFiles(n spec.Node, files map[string]File) {
	var c strings.Builder
	fmt.Fprintf(&c, `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %s/kube-proxy.conf}
hostnameOverride: %s
bindAddress: %s
healthzBindAddress: 0.0.0.0:10256
metricsBindAddress: 127.0.0.1:10249
clusterCIDR: %s
mode: %s
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 100ms}
`, confDir, n.Name, n.Address, b.lab.Spec.Network.PodCIDR, b.lab.Spec.Network.ProxyMode)
	b.configGates(&c)
	files[confDir+"/kube-proxy.yaml"] = File{Mode: 0o600, Content: c.String()}
}

// proxySysctls are what kube-proxy's mode needs of a node.
func (b builder) proxySysctls(n Node) {
	if b.lab.Spec.Network.ProxyMode == spec.Userspace {
		// Each worker has the addresses of all Services. It must not answer who asks
		// for them on the fabric, nor call itself by one of them there
		// (Documentation/networking/ip-sysctl.rst; kube-proxy's --ipvs-strict-arp).
		n.Sysctls["net/ipv4/conf/all/arp_ignore"] = "1"
		n.Sysctls["net/ipv4/conf/all/arp_announce"] = "2"
		return
	}
	n.Sysctls["net/bridge/bridge-nf-call-iptables"] = "1"
	if !n.ControlPlane {
		// Connection tracking counts packets and bytes, for the proxy screen.
		n.Sysctls["net/netfilter/nf_conntrack_acct"] = "1"
	}
}

// dnsIP is the tenth address of the service network, as kubeadm has it.
func (b builder) dnsIP() string {
	ip := b.serviceIP
	for range 9 {
		ip = ip.Next()
	}
	return ip.String()
}
