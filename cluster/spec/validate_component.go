package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ComponentNames are the components that take extra arguments, sorted.
func ComponentNames() []string { return slices.Sorted(maps.Keys(reservedArgs())) }

const (
	byLab       = ""
	useGates    = "use spec.featureGates"
	useService  = "use spec.network.serviceCIDR"
	usePod      = "use spec.network.podCIDR"
	useProfile  = "use spec.failureDetection"
	useProxy    = "use spec.network.proxyMode"
	useOverride = "use spec.nodes"
	useCloud    = "use spec.cloud"
)

// reservedArgs are the flags of each component that the lab sets itself and
// that would break it when set otherwise, with what to use instead. A name that
// ends in * stands for all flags with that beginning.
func reservedArgs() map[string]map[string]string {
	return map[string]map[string]string{
		"etcd": {
			"name": byLab, "data-dir": byLab, "wal-dir": byLab, "config-file": byLab,
			"listen-*": byLab, "advertise-client-urls": byLab, "initial-*": byLab, "discovery*": byLab,
			"cert-file": byLab, "key-file": byLab, "trusted-ca-file": byLab, "client-*": byLab,
			"auto-tls": byLab, "peer-*": byLab, "force-new-cluster": byLab, "logger": byLab, "log-outputs": byLab,
		},
		"kube-apiserver": {
			"etcd-servers": byLab, "etcd-cafile": byLab, "etcd-certfile": byLab, "etcd-keyfile": byLab, "etcd-prefix": byLab,
			"advertise-address": byLab, "bind-address": byLab, "secure-port": byLab, "cert-dir": byLab,
			"client-ca-file": byLab, "tls-cert-file": byLab, "tls-private-key-file": byLab, "tls-sni-cert-key": byLab,
			"service-account-*": byLab, "requestheader-*": byLab, "proxy-client-*": byLab,
			"kubelet-client-*": byLab, "kubelet-certificate-authority": byLab, "kubelet-preferred-address-types": byLab,
			"authorization-mode": byLab, "authorization-config": byLab, "authentication-config": byLab,
			"audit-*": byLab, "enable-aggregator-routing": byLab, "egress-selector-config-file": byLab,
			"service-cluster-ip-range": useService, "feature-gates": useGates,
			"default-not-ready-toleration-seconds": useProfile, "default-unreachable-toleration-seconds": useProfile,
		},
		"kube-controller-manager": {
			"kubeconfig": byLab, "authentication-kubeconfig": byLab, "authorization-kubeconfig": byLab, "master": byLab,
			"bind-address": byLab, "secure-port": byLab, "cert-dir": byLab, "tls-cert-file": byLab, "tls-private-key-file": byLab,
			"client-ca-file": byLab, "requestheader-*": byLab, "root-ca-file": byLab, "cluster-signing-*": byLab,
			"service-account-private-key-file": byLab, "use-service-account-credentials": byLab,
			"allocate-node-cidrs": byLab, "node-cidr-mask-size*": byLab, "leader-elect": byLab, "cluster-name": byLab,
			"cluster-cidr": usePod, "service-cluster-ip-range": useService, "feature-gates": useGates,
			"node-monitor-grace-period": useProfile, "node-monitor-period": useProfile,
		},
		"cloud-controller-manager": {
			"kubeconfig": byLab, "authentication-*": byLab, "authorization-*": byLab, "master": byLab,
			"bind-address": byLab, "secure-port": byLab, "cert-dir": byLab, "tls-cert-file": byLab, "tls-private-key-file": byLab,
			"client-ca-file": byLab, "requestheader-*": byLab, "leader-elect": byLab, "cluster-name": byLab,
			"cloud-*": byLab, "configure-cloud-routes": byLab, "allocate-node-cidrs": byLab, "route-reconciliation-period": byLab,
			"cluster-cidr": usePod, "feature-gates": useGates, "node-monitor-period": useProfile,
		},
		"kube-scheduler": {
			"kubeconfig": byLab, "authentication-kubeconfig": byLab, "authorization-kubeconfig": byLab, "master": byLab,
			"config": byLab, "bind-address": byLab, "secure-port": byLab, "cert-dir": byLab, "tls-cert-file": byLab,
			"tls-private-key-file": byLab, "client-ca-file": byLab, "leader-elect": byLab, "feature-gates": useGates,
		},
		"kubelet": {
			"kubeconfig": byLab, "bootstrap-kubeconfig": byLab, "config": byLab, "config-dir": byLab, "root-dir": byLab,
			"cert-dir": byLab, "hostname-override": byLab, "node-ip": byLab, "container-runtime-endpoint": byLab,
			"image-service-endpoint": byLab, "address": byLab, "port": byLab, "cgroup-root": byLab, "cgroup-driver": byLab,
			"cluster-dns": byLab, "cluster-domain": byLab, "resolv-conf": byLab, "register-node": byLab, "fail-swap-on": byLab,
			"node-labels": useOverride, "register-with-taints": useOverride, "feature-gates": useGates,
			"node-status-update-frequency": useProfile, "pod-cidr": usePod, "cloud-provider": useCloud,
		},
		"kube-proxy": {
			"kubeconfig": byLab, "master": byLab, "config": byLab, "hostname-override": byLab, "bind-address": byLab,
			"metrics-bind-address": byLab, "healthz-bind-address": byLab, "cleanup": byLab, "write-config-to": byLab,
			"cluster-cidr": usePod, "proxy-mode": useProxy, "feature-gates": useGates,
		},
	}
}

var flagName = regexp.MustCompile(`^[a-z0-9]([-_.a-z0-9]*[a-z0-9])?$`)

func (c *checker) checkComponents() {
	all := reservedArgs()
	for _, name := range slices.Sorted(maps.Keys(c.lab.Spec.Components)) {
		p := componentsPath.child(name)
		reserved, ok := all[name]
		if !ok {
			c.refuse(p, suggest(name, ComponentNames(), "components are "), "unknown component %q", clip(name))
			continue
		}
		c.checkConfig(p.child("config"), name, c.lab.Spec.Components[name].Config)
		args := c.lab.Spec.Components[name].ExtraArgs
		for _, flag := range slices.Sorted(maps.Keys(args)) {
			c.checkArg(p.child("extraArgs").child(flag), name, flag, args[flag], reserved)
		}
	}
}

func (c *checker) checkArg(p path, component, flag, value string, reserved map[string]string) {
	bare := strings.TrimLeft(flag, "-")
	// Kubernetes takes flags with underscores for those with dashes.
	instead, taken := reservedArg(reserved, strings.ReplaceAll(bare, "_", "-"))
	switch {
	case bare != flag && bare != "":
		c.refuse(p, fmt.Sprintf("write %s: %q", clip(bare), clip(value)), "%q begins with a dash", clip(flag))
	case !flagName.MatchString(flag):
		c.refuse(p, "write the flag's name, such as v", "%q is not the name of a flag", clip(flag))
	case strings.ContainsAny(value, "\x00\n"):
		c.refuse(p, "write it in one line", "the value of --%s has more than one line", clip(flag))
	case taken && instead == byLab:
		c.refuse(p, "remove it", "the lab sets --%s of %s itself", clip(flag), component)
	case taken:
		c.refuse(p, instead, "the lab sets --%s of %s itself", clip(flag), component)
	}
}

func reservedArg(reserved map[string]string, flag string) (instead string, taken bool) {
	if instead, taken = reserved[flag]; taken {
		return instead, true
	}
	for pattern, instead := range reserved {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(flag, prefix) {
			return instead, true
		}
	}
	return "", false
}
