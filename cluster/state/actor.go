package state

import (
	"cmp"
	"strings"

	"workbench/cluster/event"
)

// Actor is who made a change.
type Actor struct {
	// Lane is a short name of the kind of actor: user, apiserver, deploy, rs,
	// scheduler, kubelet, eps, proxy, ...; "" when nothing tells.
	Lane string
	// Name tells it apart from others of its lane: a user, a node.
	Name string
	// Sure says that the audit stream told it; else it is read off the field
	// manager.
	Sure bool
}

// Actor of a change.
func (c *ObjectChange) Actor() Actor {
	if c.By != nil {
		a := actorOf(cmp.Or(c.By.As, c.By.User))
		a.Sure = true
		return a
	}
	if c.Expires && c.Verb == event.ChangeDelete {
		return Actor{Lane: "etcd", Name: "time to live"}
	}
	return managed(c.Manager)
}

// Actor of a write that changed nothing.
func (r *Request) Actor() Actor {
	a := actorOf(r.acting())
	a.Sure = true
	return a
}

// controllers are the service accounts of kube-controller-manager's
// controllers whose lanes have other names.
var controllers = map[string]string{
	"deployment": "deploy", "replicaset": "rs", "replication": "rc", "statefulset": "sts", "daemon-set": "ds",
	"endpoint": "eps", "endpointslice": "eps", "endpointslicemirroring": "eps", "generic-garbage-collector": "gc",
	"namespace": "ns", "node": "nodes", "taint-eviction": "nodes", "service-account": "sa", "root-ca-cert-publisher": "ca",
	"horizontal-pod-autoscaler": "hpa", "disruption": "pdb", "persistent-volume-binder": "pv",
}

// actorOf maps a user name of the API to an actor.
func actorOf(user string) Actor {
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		namespace, name, _ := strings.Cut(account, ":")
		if namespace != "kube-system" {
			return Actor{Lane: "pods", Name: account}
		}
		short := strings.TrimSuffix(name, "-controller")
		if lane, ok := controllers[short]; ok {
			return Actor{Lane: lane, Name: name}
		}
		return Actor{Lane: short, Name: name}
	}
	if node, ok := strings.CutPrefix(user, "system:node:"); ok {
		return Actor{Lane: "kubelet", Name: node}
	}
	switch user {
	case "system:apiserver":
		return Actor{Lane: "apiserver"}
	case "system:kube-scheduler":
		return Actor{Lane: "scheduler"}
	case "system:kube-controller-manager":
		return Actor{Lane: "kcm"}
	case "system:cloud-controller-manager":
		return Actor{Lane: "ccm"}
	case "system:kube-proxy":
		return Actor{Lane: "proxy"}
	case "workbench-supervisor":
		return Actor{Lane: "workbench"}
	}
	return Actor{Lane: "user", Name: user}
}

// managed reads an actor off a field manager, which is what a client calls
// itself.
func managed(manager string) Actor {
	switch {
	case manager == "":
		return Actor{}
	case manager == "kube-scheduler":
		return Actor{Lane: "scheduler"}
	case manager == "kubelet":
		return Actor{Lane: "kubelet"}
	case manager == "kube-controller-manager":
		return Actor{Lane: "kcm"}
	case manager == "cloud-controller-manager":
		return Actor{Lane: "ccm"}
	case manager == "kube-apiserver":
		return Actor{Lane: "apiserver"}
	case strings.HasPrefix(manager, "kubectl"), manager == "helm", manager == "k9s":
		return Actor{Lane: "user", Name: manager}
	case strings.HasPrefix(manager, "workbench"):
		return Actor{Lane: "workbench"}
	}
	return Actor{Lane: "user", Name: manager}
}
