package spec

import (
	"strings"
	"testing"
)

// head is a valid beginning; what follows begins in line 3.
var head = minimal(Kind)

// schedulerHead is how to mend a configuration of the scheduler.
const schedulerHead = "begin it with\n  apiVersion: kubescheduler.config.k8s.io/v1\n  kind: KubeSchedulerConfiguration\nand leave out what the lab sets"

// refusals are files and the exact error that Load gives for each.
var refusals = []struct{ name, file, want string }{
	// The file as a whole.
	{"empty", "", "lab.yaml:1:1: the file is empty; begin it with\napiVersion: workbench/v1alpha1\nkind: Lab\n"},
	{"comments only", "# nothing\n---\n", "lab.yaml:1:1: the file is empty; begin it with\napiVersion: workbench/v1alpha1\nkind: Lab\n"},
	{"too large", strings.Repeat("#", MaxFile+1), "lab.yaml: the file is larger than 1048576 bytes; is it a lab file?"},
	{"not UTF-8", head + "metadata: {name: \xff}\n", "lab.yaml:3:18: the file is not UTF-8 text; save it as UTF-8"},
	{"control character", head + "metadata: {name: \x00}\n", "lab.yaml:3:18: control character U+0000; remove it"},
	{"tab", head + "metadata:\n\tname: x\n", "lab.yaml:4:1: a tab in the indentation, which YAML does not allow; indent with spaces"},
	{"syntax", head + "metadata: {name: x\n", "lab.yaml:3:1: not valid YAML: did not find expected ',' or '}'; see the lines around it: indentation, quotes, colons and brackets"},
	{"unknown anchor", head + "metadata: *nowhere\n", "lab.yaml:3:11: no anchor &nowhere stands before this alias; define it further up"},
	{"two documents", head + "---\n" + head, "lab.yaml:4:1: a second document begins here; keep one lab per file"},
	{"list at the root", "- a\n", `lab.yaml:1:1: want a mapping, got a list; write key: value lines below it
lab.yaml:1:1: apiVersion: is missing; write apiVersion: workbench/v1alpha1
lab.yaml:1:1: kind: is missing; write kind: Lab`},

	// Configuration of the scheduler.
	{"configuration of another component", head + "spec: {components: {etcd: {config: x}}}\n", `lab.yaml:3:36: spec.components.etcd.config: etcd takes no configuration file here; use extraArgs`},
	{"configuration of another kind", head + "spec: {components: {kube-scheduler: {config: 'kind: Lab'}}}\n", "lab.yaml:3:46: spec.components.kube-scheduler.config: not a KubeSchedulerConfiguration; " + schedulerHead},
	{"leader election of the scheduler", head + "spec:\n  components:\n    kube-scheduler:\n      config: |\n        apiVersion: kubescheduler.config.k8s.io/v1\n        kind: KubeSchedulerConfiguration\n        leaderElection: {leaderElect: false}\n",
		"lab.yaml:6:15: spec.components.kube-scheduler.config: the lab sets leaderElection itself; " + schedulerHead},

	// Identity.
	{"missing version and kind", "metadata: {name: x}\n", `lab.yaml:1:1: apiVersion: is missing; write apiVersion: workbench/v1alpha1
lab.yaml:1:1: kind: is missing; write kind: Lab`},
	{"other version", "apiVersion: workbench/v2\nkind: Pod\n", `lab.yaml:1:13: apiVersion: "workbench/v2" is not what this version reads; write workbench/v1alpha1
lab.yaml:2:7: kind: "Pod" is not what this version reads; write Lab`},
	{"bad name", head + "metadata: {name: My_Lab}\n", `lab.yaml:3:18: metadata.name: "My_Lab" is not a DNS-1123 label; use lower-case letters, digits and dashes, with a letter or digit at both ends`},
	{"empty name", head + "metadata: {name: \"\"}\n", `lab.yaml:3:18: metadata.name: "" is not a DNS-1123 label; use lower-case letters, digits and dashes, with a letter or digit at both ends`},
	{"long name", head + "metadata: {name: " + strings.Repeat("x", 41) + "}\n", `lab.yaml:3:18: metadata.name: the name has 41 characters; use at most 40`},

	// Keys and types.
	{"misspelt key", head + "spec:\n  worker: {count: 3}\n", `lab.yaml:4:3: spec: unknown key "worker"; did you mean workers?`},
	{"wrong case", head + "spec:\n  WORKERS: {count: 3}\n", `lab.yaml:4:3: spec: unknown key "WORKERS"; did you mean workers?`},
	{"unknown key", head + "spec:\n  network: {zzzzzzzzzzz: 3}\n", `lab.yaml:4:13: spec.network: unknown key "zzzzzzzzzzz"; known keys are fabricCIDR, loadBalancerCIDR, podCIDR, proxyMode and serviceCIDR`},
	{"duplicate key", head + "spec:\n  workers: {count: 3}\n  workers: {count: 4}\n", `lab.yaml:5:3: spec: the key "workers" is there already, in line 4; remove one of the two`},
	{"merge key", head + "spec:\n  workers: &w {count: 3}\n  controlPlanes: {<<: *w}\n", `lab.yaml:5:19: spec.controlPlanes: merge keys (<<) are not supported; write the keys out, or use an alias for a whole value`},
	{"mapping as key", head + "spec: {{a: b}: c}\n", `lab.yaml:3:8: spec: want a word as key, got a mapping; write key: value`},
	{"own tag", head + "spec: {workers: !pool {count: 1}}\n", `lab.yaml:3:17: spec.workers: the tag !pool is not supported; write the value without it`},
	{"anchor within itself", head + "spec: &s {network: *s}\n", `lab.yaml:3:11: spec.network: unknown key "network"; known keys are fabricCIDR, loadBalancerCIDR, podCIDR, proxyMode and serviceCIDR`},
	{"text for a number", head + "spec: {workers: {count: \"3\"}}\n", `lab.yaml:3:25: spec.workers.count: want a whole number, got the text "3"; write a number such as 3, without quotes`},
	{"fraction", head + "spec: {workers: {count: 2.5}}\n", `lab.yaml:3:25: spec.workers.count: want a whole number, got the number "2.5"; write a number such as 3, without quotes`},
	{"huge number", head + "spec: {workers: {count: 99999999999999999999}}\n", `lab.yaml:3:25: spec.workers.count: want a whole number, got the number "99999999999999999999"; write a number such as 3, without quotes`},
	{"number for text", head + "metadata: {name: 5}\n", `lab.yaml:3:18: metadata.name: want text, got the number "5"; put quotes around it`},
	{"list for a mapping", head + "spec: {workers: [1]}\n", `lab.yaml:3:17: spec.workers: want a mapping, got a list; write key: value lines below it`},
	{"mapping for a list", head + "spec: {nodes: {w1: {taints: {key: a}}}}\n", `lab.yaml:3:29: spec.nodes.w1.taints: want a list, got a mapping; write each entry after a dash`},
	{"text for a boolean", head + "spec: {featureGates: {SomeGate: yes}}\n", `lab.yaml:3:33: spec.featureGates.SomeGate: want true or false, got the text "yes"; write true or false, without quotes`},
	{"nothing for text", head + "spec: {nodes: {w1: {labels: {a: }}}}\n", `lab.yaml:3:33: spec.nodes.w1.labels.a: want text, got nothing; write "" for an empty value`},

	// Quantities.
	{"memory unit", head + "spec: {workers: {memory: 2GB}}\n", `lab.yaml:3:26: spec.workers.memory: "2GB" has the unknown unit "GB"; write a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000), such as 512Mi or 2Gi`},
	{"memory sign", head + "spec: {workers: {memory: -1Gi}}\n", `lab.yaml:3:26: spec.workers.memory: "-1Gi" is not an amount of memory; write a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000), such as 512Mi or 2Gi`},
	{"memory overflow", head + "spec: {workers: {memory: 99999999999Ti}}\n", `lab.yaml:3:26: spec.workers.memory: "99999999999Ti" is more than any machine has; write a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000), such as 512Mi or 2Gi`},
	{"memory zero", head + "spec: {workers: {memory: 0}}\n", `lab.yaml:3:26: spec.workers.memory: a limit of 0 lets nothing run; leave the key out to allow the whole machine`},
	{"memory list", head + "spec: {workers: {memory: [1Gi]}}\n", `lab.yaml:3:26: spec.workers.memory: want an amount, got a list; write a single value`},
	{"memory too small", head + "spec: {workers: {memory: 100Mi}, controlPlanes: {memory: 500Mi}}\n", `lab.yaml:3:26: spec.workers.memory: 100Mi is less than a worker needs to start; use at least 256Mi
lab.yaml:3:58: spec.controlPlanes.memory: 500Mi is less than a control plane needs to start; use at least 512Mi`},
	{"cpus", head + "spec: {workers: {cpus: two}}\n", `lab.yaml:3:24: spec.workers.cpus: "two" is not a number of processors; write processors as a number such as 2 or 0.5, or in thousandths such as 500m`},
	{"cpus too few", head + "spec: {workers: {cpus: 50m}}\n", `lab.yaml:3:24: spec.workers.cpus: a worker with 0.05 processors never becomes ready; use at least 0.1`},

	// Counts.
	{"no control plane", head + "spec: {controlPlanes: {count: 0}}\n", `lab.yaml:3:31: spec.controlPlanes.count: a lab cannot have 0 control planes; use 1, 3 or 5`},
	{"even control planes", head + "spec: {controlPlanes: {count: 2}}\n", `lab.yaml:3:31: spec.controlPlanes.count: 2 control planes survive no more failures than 1: etcd needs a majority; use 1, 3 or 5`},
	{"many control planes", head + "spec: {controlPlanes: {count: 7}}\n", `lab.yaml:3:31: spec.controlPlanes.count: a lab cannot have 7 control planes; use 1, 3 or 5`},
	{"many workers", head + "spec: {workers: {count: 31}}\n", `lab.yaml:3:25: spec.workers.count: a lab cannot have 31 workers; use 0 to 30`},
	{"negative workers", head + "spec: {workers: {count: -1}}\n", `lab.yaml:3:25: spec.workers.count: a lab cannot have -1 workers; use 0 to 30`},

	// Nodes.
	{"no such node", head + "spec:\n  nodes:\n    w9: {cpus: 1}\n", `lab.yaml:5:5: spec.nodes.w9: the lab has no node "w9"; nodes are c1-c3, w1-w3; change spec.controlPlanes.count or spec.workers.count to have more`},
	{"no such node without workers", head + "spec: {controlPlanes: {count: 1}, workers: {count: 0}, nodes: {w1: }}\n", `lab.yaml:3:64: spec.nodes.w1: the lab has no node "w1"; nodes are c1; change spec.controlPlanes.count or spec.workers.count to have more`},
	{"labels on a control plane", head + "spec:\n  nodes:\n    c1:\n      labels: {a: b}\n      taints: [{key: a, effect: NoSchedule}]\n", `lab.yaml:6:7: spec.nodes.c1.labels: control planes run no kubelet, so there is no Node object to hold them; set them on workers
lab.yaml:7:7: spec.nodes.c1.taints: control planes run no kubelet, so there is no Node object to hold them; set them on workers`},
	{"label key", head + "spec: {nodes: {w1: {labels: {a b: c}}}}\n", `lab.yaml:3:30: spec.nodes.w1.labels["a b"]: "a b" is not a valid key; write name or domain/name, of letters, digits, dashes, dots and underscores, such as example.com/disk`},
	{"label value", head + "spec: {nodes: {w1: {labels: {a: b c}}}}\n", `lab.yaml:3:30: spec.nodes.w1.labels.a: "b c" is not a valid value; use at most 63 letters, digits, dashes, dots and underscores`},
	{"reserved label", head + "spec: {nodes: {w1: {labels: {node-role.kubernetes.io/gpu: x}}}}\n", `lab.yaml:3:30: spec.nodes.w1.labels["node-role.kubernetes.io/gpu"]: a kubelet may not set the label "node-role.kubernetes.io/gpu" on its own node; set it with kubectl label when the lab runs`},
	{"taint effect", head + "spec: {nodes: {w1: {taints: [{key: a, effect: noschedule}]}}}\n", `lab.yaml:3:47: spec.nodes.w1.taints[0].effect: unknown effect "noschedule"; did you mean NoSchedule?`},
	{"taint without key", head + "spec: {nodes: {w1: {taints: [{effect: NoSchedule}]}}}\n", `lab.yaml:3:30: spec.nodes.w1.taints[0].key: "" is not a valid key; write name or domain/name, of letters, digits, dashes, dots and underscores, such as example.com/disk`},
	{"taint without effect", head + "spec: {nodes: {w1: {taints: [{key: a}]}}}\n", `lab.yaml:3:30: spec.nodes.w1.taints[0].effect: unknown effect ""; effects are NoExecute, NoSchedule and PreferNoSchedule`},
	{"taint twice", head + "spec: {nodes: {w1: {taints: [{key: a, effect: NoSchedule}, {key: a, value: b, effect: NoSchedule}]}}}\n", `lab.yaml:3:60: spec.nodes.w1.taints[1]: the taint "a:NoSchedule" is there already; remove one of the two`},
	{"override too small", head + "spec: {nodes: {c1: {memory: 1Mi}}}\n", `lab.yaml:3:29: spec.nodes.c1.memory: 1Mi is less than a control plane needs to start; use at least 512Mi`},

	// Network.
	{"no CIDR", head + "spec: {network: {podCIDR: ten}}\n", `lab.yaml:3:27: spec.network.podCIDR: "ten" is not a network; write an IPv4 network such as 10.10.0.0/24`},
	{"IPv6", head + "spec: {network: {podCIDR: \"fd00::/64\"}}\n", `lab.yaml:3:27: spec.network.podCIDR: fd00::/64 is not IPv4, all that labs speak; write an IPv4 network such as 10.10.0.0/24`},
	{"host bits", head + "spec: {network: {fabricCIDR: 10.10.0.7/24}}\n", `lab.yaml:3:30: spec.network.fabricCIDR: 10.10.0.7/24 is an address inside a network; write 10.10.0.0/24`},
	{"fabric too small", head + "spec: {network: {fabricCIDR: 10.10.0.0/25}}\n", `lab.yaml:3:30: spec.network.fabricCIDR: 10.10.0.0/25 is too small: nodes use .1, .11 to .15 and .101 to .130; use a /24 or larger`},
	{"service range too large", head + "spec: {network: {serviceCIDR: 172.0.0.0/8}}\n", `lab.yaml:3:31: spec.network.serviceCIDR: 172.0.0.0/8 is too large; use a /12 or smaller`},
	{"loopback", head + "spec: {network: {fabricCIDR: 127.0.0.0/24}}\n", `lab.yaml:3:30: spec.network.fabricCIDR: 127.0.0.0/24 overlaps 127.0.0.0/8, which is loopback; use a private range, within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16`},
	{"pod range too small", head + "spec: {network: {podCIDR: 10.244.0.0/23}}\n", `lab.yaml:3:27: spec.network.podCIDR: 10.244.0.0/23 has room for 2 of 3 workers, each with a /24; use a /22 or larger, or fewer workers`},
	{"overlap", head + "spec: {network: {fabricCIDR: 10.96.4.0/24, podCIDR: 10.0.0.0/8}}\n", `lab.yaml:3:8: spec.network.loadBalancerCIDR: 10.64.0.0/24 overlaps spec.network.podCIDR 10.0.0.0/8; choose ranges that share no address
lab.yaml:3:8: spec.network.serviceCIDR: 10.96.0.0/16 overlaps spec.network.fabricCIDR 10.96.4.0/24; choose ranges that share no address
lab.yaml:3:8: spec.network.serviceCIDR: 10.96.0.0/16 overlaps spec.network.podCIDR 10.0.0.0/8; choose ranges that share no address
lab.yaml:3:53: spec.network.podCIDR: 10.0.0.0/8 overlaps spec.network.fabricCIDR 10.96.4.0/24; choose ranges that share no address`},
	{"load balancers among services", head + "spec: {network: {loadBalancerCIDR: 10.96.8.0/24}}\n", `lab.yaml:3:36: spec.network.loadBalancerCIDR: 10.96.8.0/24 overlaps spec.network.serviceCIDR 10.96.0.0/16; choose ranges that share no address`},
	{"proxy mode", head + "spec: {network: {proxyMode: ipvs}}\n", `lab.yaml:3:29: spec.network.proxyMode: unknown mode "ipvs"; modes are iptables, nftables and userspace`},

	// The rest.
	{"profile", head + "spec: {failureDetection: teach}\n", `lab.yaml:3:26: spec.failureDetection: unknown profile "teach"; profiles are kubernetes and teaching`},
	{"feature gate", head + "spec: {featureGates: {some-gate: true}}\n", `lab.yaml:3:23: spec.featureGates.some-gate: "some-gate" is not the name of a feature gate; write it as Kubernetes does, such as InPlacePodVerticalScaling`},
	{"component", head + "spec: {components: {apiserver: {}}}\n", `lab.yaml:3:21: spec.components.apiserver: unknown component "apiserver"; components are cloud-controller-manager, etcd, kube-apiserver, kube-controller-manager, kube-proxy, kube-scheduler and kubelet`},
	{"component misspelt", head + "spec: {components: {kube-schedular: {}}}\n", `lab.yaml:3:21: spec.components.kube-schedular: unknown component "kube-schedular"; did you mean kube-scheduler?`},
	{"reserved argument", head + "spec: {components: {etcd: {extraArgs: {data-dir: /tmp}}}}\n", `lab.yaml:3:40: spec.components.etcd.extraArgs.data-dir: the lab sets --data-dir of etcd itself; remove it`},
	{"reserved by prefix", head + "spec: {components: {etcd: {extraArgs: {initial-cluster: a}}}}\n", `lab.yaml:3:40: spec.components.etcd.extraArgs.initial-cluster: the lab sets --initial-cluster of etcd itself; remove it`},
	{"reserved with underscores", head + "spec: {components: {kubelet: {extraArgs: {container_runtime_endpoint: a}}}}\n", `lab.yaml:3:43: spec.components.kubelet.extraArgs.container_runtime_endpoint: the lab sets --container_runtime_endpoint of kubelet itself; remove it`},
	{"reserved with a field", head + "spec: {components: {kube-apiserver: {extraArgs: {feature-gates: A=true}}}}\n", `lab.yaml:3:50: spec.components.kube-apiserver.extraArgs.feature-gates: the lab sets --feature-gates of kube-apiserver itself; use spec.featureGates`},
	{"argument with dashes", head + "spec: {components: {kubelet: {extraArgs: {--v: 4}}}}\n", `lab.yaml:3:43: spec.components.kubelet.extraArgs.--v: "--v" begins with a dash; write v: "4"`},
	{"argument name", head + "spec: {components: {kubelet: {extraArgs: {\"v=4\": \"\"}}}}\n", `lab.yaml:3:43: spec.components.kubelet.extraArgs["v=4"]: "v=4" is not the name of a flag; write the flag's name, such as v`},
	{"argument of lines", head + "spec: {components: {kubelet: {extraArgs: {v: \"4\\n5\"}}}}\n", `lab.yaml:3:43: spec.components.kubelet.extraArgs.v: the value of --v has more than one line; write it in one line`},

	{"all at once, in the file's order", "apiVersion: workbench/v1\nkind: Lab\nmetadata:\n  nme: x\nspec:\n  workers: {count: 99}\n  network: {podCIDR: x}\n", `lab.yaml:1:13: apiVersion: "workbench/v1" is not what this version reads; write workbench/v1alpha1
lab.yaml:4:3: metadata: unknown key "nme"; did you mean name?
lab.yaml:6:20: spec.workers.count: a lab cannot have 99 workers; use 0 to 30
lab.yaml:7:22: spec.network.podCIDR: "x" is not a network; write an IPv4 network such as 10.10.0.0/24`},
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load("lab.yaml", strings.NewReader(c.file))
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Error() != c.want {
				t.Errorf("got\n%s\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestValidateRefusesWhatTheMachineCannotCarry(t *testing.T) {
	for _, c := range []struct {
		name, file string
		machine    Machine
		want       string
	}{
		{"fits", head, Machine{MemoryBytes: 2850 << 20, CPUs: 1}, ""},
		{"unknown machine", head + "spec: {workers: {cpus: 64, memory: 64Ti}}\n", Machine{}, ""},
		{"too many workers", head + "spec: {workers: {count: 8}}\n", Machine{MemoryBytes: 3 << 30}, `lab.yaml:3:25: spec.workers.count: 3 control planes and 8 workers need about 4 GiB, and this machine has 3 GiB (700 MiB per control plane, 250 MiB per worker); controlPlanes.count 3 with workers.count 3 would fit`},
		{"too many control planes", head, Machine{MemoryBytes: 2 << 30}, `lab.yaml:1:1: spec.workers.count: 3 control planes and 3 workers need about 2.8 GiB, and this machine has 2 GiB (700 MiB per control plane, 250 MiB per worker); controlPlanes.count 1 with workers.count 5 would fit`},
		{"only control planes", head + "spec: {workers: {count: 0}}\n", Machine{MemoryBytes: 1 << 30}, `lab.yaml:3:1: spec.controlPlanes.count: 3 control planes and 0 workers need about 2.1 GiB, and this machine has 1 GiB (700 MiB per control plane, 250 MiB per worker); controlPlanes.count 1 with workers.count 1 would fit`},
		{"no lab at all", head, Machine{MemoryBytes: 1 << 28}, `lab.yaml:1:1: spec.workers.count: 3 control planes and 3 workers need about 2.8 GiB, and this machine has 256 MiB (700 MiB per control plane, 250 MiB per worker); no lab fits: free memory or use a larger machine`},
		{"cpus and memory of nodes", head + "spec: {workers: {cpus: 4, memory: 8Gi}, nodes: {c1: {cpus: 2.5}, w1: {memory: 9Gi}}}\n", Machine{MemoryBytes: 6 << 30, CPUs: 2}, `lab.yaml:3:24: spec.workers.cpus: 4 processors are more than the 2 of this machine; use at most 2, or leave it out
lab.yaml:3:35: spec.workers.memory: 8Gi is more than the 6 GiB of this machine; use less, or leave it out
lab.yaml:3:60: spec.nodes.c1.cpus: 2.5 processors are more than the 2 of this machine; use at most 2, or leave it out
lab.yaml:3:79: spec.nodes.w1.memory: 9Gi is more than the 6 GiB of this machine; use less, or leave it out`},
	} {
		t.Run(c.name, func(t *testing.T) {
			lab, err := Load("lab.yaml", strings.NewReader(c.file))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := lab.Validate(c.machine); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestValidateWithoutFileNamesThePath(t *testing.T) {
	lab := Default()
	lab.Spec.Workers.Count = 31
	if err := lab.Validate(Machine{}); err == nil || err.Error() != "spec.workers.count: a lab cannot have 31 workers; use 0 to 30" {
		t.Errorf("got %v", err)
	}
}
