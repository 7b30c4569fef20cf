package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/spec"
	"workbench/runtime/node"
)

// Directories in a node; kubeadm's, where it has one.
const (
	BinDir  = "/opt/workbench/bin"
	CNIDir  = "/opt/cni/bin"
	LogDir  = "/var/log/workbench"
	pkiDir  = "/etc/kubernetes/pki"
	confDir = "/etc/kubernetes"
)

// component fills in what all components share.
func component(name string, grace time.Duration, ready node.Probe, args ...string) node.Component {
	return node.Component{
		Name: name, Path: BinDir + "/" + name, Args: args,
		Log: LogDir + "/" + name + ".log", Ready: &ready, Grace: grace,
	}
}

// args renders flags in a fixed order: ours, then the user's, which win.
func (b builder) args(component string, own map[string]string) []string {
	merged := maps.Clone(own)
	maps.Copy(merged, b.lab.Spec.Components[component].ExtraArgs)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		out = append(out, "--"+name+"="+merged[name])
	}
	return out
}

// gates are the feature gates as flags take them.
func (b builder) gates(flags map[string]string) map[string]string {
	var gates []string
	for _, name := range slices.Sorted(maps.Keys(b.lab.Spec.FeatureGates)) {
		gates = append(gates, name+"="+strconv.FormatBool(b.lab.Spec.FeatureGates[name]))
	}
	if len(gates) > 0 {
		flags["feature-gates"] = strings.Join(gates, ",")
	}
	return flags
}

// grace is how long a component may take to stop before it is killed.
const grace = 3 * time.Second

func (b builder) etcd(n spec.Node) node.Component {
	var cluster []string
	for _, peer := range b.nodes {
		if peer.ControlPlane {
			cluster = append(cluster, fmt.Sprintf("%s=https://%s", peer.Name, netip.AddrPortFrom(peer.Address, EtcdPeerPort)))
		}
	}
	client := fmt.Sprintf("https://%s", netip.AddrPortFrom(n.Address, EtcdPort))
	peer := fmt.Sprintf("https://%s", netip.AddrPortFrom(n.Address, EtcdPeerPort))
	const dir = pkiDir + "/etcd"
	return exporting(component("etcd", grace, node.Probe{Kind: "http", Target: "http://127.0.0.1:2381/readyz"}, b.args("etcd", map[string]string{
		"name":                        n.Name,
		"data-dir":                    EtcdDir,
		"listen-client-urls":          fmt.Sprintf("https://127.0.0.1:%d,%s", EtcdPort, client),
		"advertise-client-urls":       client,
		"listen-peer-urls":            peer,
		"initial-advertise-peer-urls": peer,
		"initial-cluster":             strings.Join(cluster, ","),
		"initial-cluster-token":       "workbench-" + b.lab.Metadata.Name,
		"initial-cluster-state":       "new",
		"listen-metrics-urls":         "http://127.0.0.1:2381",
		"cert-file":                   dir + "/server.crt",
		"key-file":                    dir + "/server.key",
		"trusted-ca-file":             dir + "/ca.crt",
		"client-cert-auth":            "true",
		"peer-cert-file":              dir + "/peer.crt",
		"peer-key-file":               dir + "/peer.key",
		"peer-trusted-ca-file":        dir + "/ca.crt",
		"peer-client-cert-auth":       "true",
		"snapshot-count":              "10000",
		"enable-distributed-tracing":  "true",
		"distributed-tracing-address": otlpSocket("etcd"),
		// Of the rate 0: only what a traced request asks for.
		"distributed-tracing-sampling-rate": "0",
	})...))
}

func (b builder) apiserver(n spec.Node) node.Component {
	seconds := strconv.FormatInt(b.detection.EvictionSeconds, 10)
	return exporting(component("kube-apiserver", grace, node.Probe{Kind: "https", Target: "https://127.0.0.1:6443/readyz"}, b.args("kube-apiserver", b.gates(map[string]string{
		"advertise-address":                      n.Address.String(),
		"secure-port":                            strconv.Itoa(APIServerPort),
		"allow-privileged":                       "true",
		"authorization-mode":                     "Node,RBAC",
		"enable-admission-plugins":               "NodeRestriction",
		"enable-bootstrap-token-auth":            "true",
		"enable-aggregator-routing":              "true",
		"client-ca-file":                         pkiDir + "/ca.crt",
		"tls-cert-file":                          pkiDir + "/apiserver.crt",
		"tls-private-key-file":                   pkiDir + "/apiserver.key",
		"etcd-servers":                           fmt.Sprintf("https://127.0.0.1:%d", EtcdPort),
		"etcd-cafile":                            pkiDir + "/etcd/ca.crt",
		"etcd-certfile":                          pkiDir + "/apiserver-etcd-client.crt",
		"etcd-keyfile":                           pkiDir + "/apiserver-etcd-client.key",
		"kubelet-client-certificate":             pkiDir + "/apiserver-kubelet-client.crt",
		"kubelet-client-key":                     pkiDir + "/apiserver-kubelet-client.key",
		"kubelet-certificate-authority":          pkiDir + "/ca.crt",
		"kubelet-preferred-address-types":        "InternalIP,Hostname",
		"service-account-issuer":                 "https://kubernetes.default.svc." + Domain,
		"service-account-key-file":               pkiDir + "/sa.pub",
		"service-account-signing-key-file":       pkiDir + "/sa.key",
		"service-cluster-ip-range":               b.lab.Spec.Network.ServiceCIDR,
		"requestheader-allowed-names":            "front-proxy-client",
		"requestheader-client-ca-file":           pkiDir + "/front-proxy-ca.crt",
		"requestheader-extra-headers-prefix":     "X-Remote-Extra-",
		"requestheader-group-headers":            "X-Remote-Group",
		"requestheader-username-headers":         "X-Remote-User",
		"proxy-client-cert-file":                 pkiDir + "/front-proxy-client.crt",
		"proxy-client-key-file":                  pkiDir + "/front-proxy-client.key",
		"default-not-ready-toleration-seconds":   seconds,
		"default-unreachable-toleration-seconds": seconds,
		"shutdown-delay-duration":                "0s",
		// Without it a restart waits a minute for the watches of others to end.
		"shutdown-watch-termination-grace-period": "1s",
		"tracing-config-file":                     tracingConfig,
	}))...))
}

func (b builder) controllerManager(n spec.Node) node.Component {
	conf := confDir + "/controller-manager.conf"
	return component("kube-controller-manager", grace, node.Probe{Kind: "https", Target: "https://127.0.0.1:10257/healthz"}, b.args("kube-controller-manager", b.gates(map[string]string{
		"kubeconfig":                       conf,
		"authentication-kubeconfig":        conf,
		"authorization-kubeconfig":         conf,
		"bind-address":                     "127.0.0.1",
		"tls-cert-file":                    pkiDir + "/controller-manager.crt",
		"tls-private-key-file":             pkiDir + "/controller-manager.key",
		"allocate-node-cidrs":              "true",
		"cluster-cidr":                     b.lab.Spec.Network.PodCIDR,
		"node-cidr-mask-size":              "24",
		"service-cluster-ip-range":         b.lab.Spec.Network.ServiceCIDR,
		"cluster-name":                     "workbench-" + b.lab.Metadata.Name,
		"client-ca-file":                   pkiDir + "/ca.crt",
		"requestheader-client-ca-file":     pkiDir + "/front-proxy-ca.crt",
		"root-ca-file":                     pkiDir + "/ca.crt",
		"cluster-signing-cert-file":        pkiDir + "/ca.crt",
		"cluster-signing-key-file":         pkiDir + "/ca.key",
		"service-account-private-key-file": pkiDir + "/sa.key",
		"use-service-account-credentials":  "true",
		"controllers":                      "*,bootstrap-signer-controller,token-cleaner-controller",
		"leader-elect":                     "true",
		// At upstream's 20 requests/s the controllers of a new cluster start 5 s
		// later than they could.
		"kube-api-qps":           "300",
		"kube-api-burst":         "600",
		"flex-volume-plugin-dir": "/var/lib/kubelet/volumeplugins",
		// Upstream looks every 15 s; metrics here are new every 10 s.
		"horizontal-pod-autoscaler-sync-period": "5s",
		"node-monitor-grace-period":             b.detection.GracePeriod.String(),
		"node-monitor-period":                   b.detection.NodeMonitorPeriod.String(),
	}))...)
}

// How a cloud-controller-manager finds the cloud: the lab shows the directory
// to control planes only.
const (
	CloudDir    = "/opt/workbench/cloud"
	CloudSocket = CloudDir + "/sock"
	cloudConfig = confDir + "/cloud.json"
	// CloudName is the cloud's name, with which its instances' IDs begin.
	CloudName = "workbench"
)

// cloudControllerManager is the cluster's side of the cloud.
//
// The route controller looks at its nodes every route-reconciliation-period, but
// the provider lets it wait until they change (cluster/cloud/provider).
func (b builder) cloudControllerManager(n spec.Node, files map[string]File) node.Component {
	files[cloudConfig] = File{Mode: 0o600, Content: `{"socket": "` + CloudSocket + `"}` + "\n"}
	conf := confDir + "/cloud-controller-manager.conf"
	return component("cloud-controller-manager", grace, node.Probe{Kind: "https", Target: "https://127.0.0.1:10258/healthz"}, b.args("cloud-controller-manager", b.gates(map[string]string{
		"kubeconfig":                   conf,
		"authentication-kubeconfig":    conf,
		"authorization-kubeconfig":     conf,
		"bind-address":                 "127.0.0.1",
		"tls-cert-file":                pkiDir + "/cloud-controller-manager.crt",
		"tls-private-key-file":         pkiDir + "/cloud-controller-manager.key",
		"client-ca-file":               pkiDir + "/ca.crt",
		"requestheader-client-ca-file": pkiDir + "/front-proxy-ca.crt",
		"cloud-provider":               CloudName,
		"cloud-config":                 cloudConfig,
		"cluster-name":                 "workbench-" + b.lab.Metadata.Name,
		"allocate-node-cidrs":          "true",
		"cluster-cidr":                 b.lab.Spec.Network.PodCIDR,
		"route-reconciliation-period":  "100ms",
		"node-monitor-period":          b.detection.NodeMonitorPeriod.String(),
		"leader-elect":                 "true",
	}))...)
}

// schedulerConfig is the KubeSchedulerConfiguration of the lab file, if it has one.
const schedulerConfig = confDir + "/scheduler.yaml"

func (b builder) scheduler(spec.Node) node.Component {
	conf := confDir + "/scheduler.conf"
	flags := map[string]string{
		"kubeconfig":                conf,
		"authentication-kubeconfig": conf,
		"authorization-kubeconfig":  conf,
		"bind-address":              "127.0.0.1",
		"tls-cert-file":             pkiDir + "/scheduler.crt",
		"tls-private-key-file":      pkiDir + "/scheduler.key",
		"leader-elect":              "true",
	}
	if b.scheduling != "" {
		flags["config"] = schedulerConfig
	}
	return component("kube-scheduler", grace, node.Probe{Kind: "https", Target: "https://127.0.0.1:10259/healthz"}, b.args("kube-scheduler", b.gates(flags))...)
}
