package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The least memory a node starts in, from the resident sizes of an idle lab:
// etcd, kube-apiserver, kube-controller-manager and kube-scheduler together;
// containerd, kubelet and kube-proxy together.
const (
	MinControlPlaneMemory Bytes = 512 << 20
	MinWorkerMemory       Bytes = 256 << 20
	minCPUs               Cores = 0.1
)

func (c *checker) checkPool(p path, pool Pool, role string, least Bytes) {
	c.checkLimits(p, pool.CPUs, pool.Memory, role, least)
}

func (c *checker) checkLimits(p path, cpus Cores, memory Bytes, role string, least Bytes) {
	if cpus != 0 && cpus < minCPUs {
		c.refuse(p.child("cpus"), fmt.Sprintf("use at least %v", minCPUs), "a %s with %v processors never becomes ready", role, cpus)
	}
	if memory != 0 && memory < least {
		c.refuse(p.child("memory"), fmt.Sprintf("use at least %v", least), "%v is less than a %s needs to start", memory, role)
	}
}

func (c *checker) checkNodes() {
	if c.refused(poolPath.child("count")) || c.refused(workersPath.child("count")) {
		return // which nodes exist is not known
	}
	nodes := map[string]Node{}
	for _, n := range c.lab.NodeList() {
		nodes[n.Name] = n
	}
	for _, name := range slices.Sorted(maps.Keys(c.lab.Spec.Nodes)) {
		p := nodesPath.child(name)
		node, ok := nodes[name]
		if !ok {
			c.refuse(p, "nodes are "+c.nodeNames()+"; change spec.controlPlanes.count or spec.workers.count to have more",
				"the lab has no node %q", clip(name))
			continue
		}
		c.checkOverride(p, node, c.lab.Spec.Nodes[name])
	}
}

func (c *checker) nodeNames() string {
	names := []string{nameRange("c", c.lab.Spec.ControlPlanes.Count)}
	if n := c.lab.Spec.Workers.Count; n > 0 {
		names = append(names, nameRange("w", n))
	}
	return strings.Join(names, ", ")
}

func nameRange(prefix string, n int) string {
	if n == 1 {
		return prefix + "1"
	}
	return fmt.Sprintf("%s1-%s%d", prefix, prefix, n)
}

func (c *checker) checkOverride(p path, node Node, o Override) {
	role, least := "worker", MinWorkerMemory
	if node.ControlPlane {
		role, least = "control plane", MinControlPlaneMemory
	}
	c.checkLimits(p, o.CPUs, o.Memory, role, least)
	if node.ControlPlane {
		const why, remedy = "control planes run no kubelet, so there is no Node object to hold them", "set them on workers"
		if len(o.Labels) > 0 {
			c.refuse(p.child("labels"), remedy, why)
		}
		if len(o.Taints) > 0 {
			c.refuse(p.child("taints"), remedy, why)
		}
		return
	}
	for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
		at := p.child("labels").child(key)
		c.checkKey(at, key)
		c.checkValue(at, o.Labels[key])
		if reserved(key) {
			c.refuse(at, "set it with kubectl label when the lab runs", "a kubelet may not set the label %q on its own node", clip(key))
		}
	}
	c.checkTaints(p.child("taints"), o.Taints)
}

func (c *checker) checkTaints(p path, taints Taints) {
	effects := []string{string(NoSchedule), string(PreferNoSchedule), string(NoExecute)}
	seen := map[string]bool{}
	for i, t := range taints {
		at := p.child(fmt.Sprintf("[%d]", i))
		if c.refused(at) {
			continue
		}
		c.checkKey(at.child("key"), t.Key)
		c.checkValue(at.child("value"), t.Value)
		if !slices.Contains(effects, string(t.Effect)) {
			c.refuse(at.child("effect"), suggest(string(t.Effect), effects, "effects are "), "unknown effect %q", clip(string(t.Effect)))
		}
		if id := t.Key + ":" + string(t.Effect); seen[id] {
			c.refuse(at, "remove one of the two", "the taint %q is there already", clip(id))
		} else {
			seen[id] = true
		}
	}
}

var (
	word      = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// checkKey holds a key to what Kubernetes calls a qualified name
// (apimachinery's validation.IsQualifiedName).
func (c *checker) checkKey(p path, key string) {
	prefix, name, found := strings.Cut(key, "/")
	if !found {
		prefix, name = "", key
	}
	if len(name) > 63 || !word.MatchString(name) || found && (len(prefix) > 253 || !subdomain.MatchString(prefix)) {
		c.refuse(p, "write name or domain/name, of letters, digits, dashes, dots and underscores, such as example.com/disk",
			"%q is not a valid key", clip(key))
	}
}

func (c *checker) checkValue(p path, value string) {
	if value != "" && (len(value) > 63 || !word.MatchString(value)) {
		c.refuse(p, "use at most 63 letters, digits, dashes, dots and underscores", "%q is not a valid value", clip(value))
	}
}

// reserved tells whether the kubelet refuses to start with the label. It
// mirrors k8s.io/kubelet/pkg/apis/well_known_labels.go.
func reserved(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found || !within(domain, "kubernetes.io") && !within(domain, "k8s.io") {
		return false
	}
	switch key {
	case "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch",
		"beta.kubernetes.io/os", "beta.kubernetes.io/arch",
		"beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
		"topology.kubernetes.io/zone", "topology.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region":
		return false
	}
	return !within(domain, "kubelet.kubernetes.io") && !within(domain, "node.kubernetes.io")
}

func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}
