package state

import (
	"slices"
	"time"

	"workbench/cluster/event"
)

func (k *Kube) apply(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.KubeNode:
		k.Nodes[b.Key()] = &KubeNode{KubeNode: b, At: at}
	case event.KubeLease:
		k.Leases[b.Key()] = &KubeLease{KubeLease: b, At: at}
	case event.KubePod:
		k.Pods[b.Key()] = &b
	case event.KubeDeployment:
		k.Deployments[b.Key()] = &b
	case event.KubeService:
		k.Services[b.Key()] = &b
	case event.KubeEndpointSlice:
		k.Slices[b.Key()] = &b
	case event.KubeNetworkPolicy:
		k.NetworkPolicies[b.Key()] = &b
	case event.KubeEvent:
		k.Events = bounded(append(k.Events, b), MaxEvents)
	case event.KubeDeleted:
		k.remove(b.Kind, func(key string) bool { return key == b.Key() })
	case event.KubeSynced:
		k.remove(b.Kind, func(key string) bool {
			_, found := slices.BinarySearch(b.Keys, key)
			return !found
		})
	}
}

func (k *Kube) remove(kind string, gone func(key string) bool) {
	switch kind {
	case "Node":
		drop(k.Nodes, gone)
	case "Lease":
		drop(k.Leases, gone)
	case "Pod":
		drop(k.Pods, gone)
	case "Deployment":
		drop(k.Deployments, gone)
	case "Service":
		drop(k.Services, gone)
	case "EndpointSlice":
		drop(k.Slices, gone)
	case "NetworkPolicy":
		drop(k.NetworkPolicies, gone)
	}
}

func drop[V any](m map[string]V, gone func(string) bool) {
	for key := range m {
		if gone(key) {
			delete(m, key)
		}
	}
}

// NodeLease is the heartbeat lease of a node, or nil.
func (k *Kube) NodeLease(node string) *KubeLease { return k.Leases["kube-node-lease/"+node] }

// PodsOn are the keys of the pods bound to a node, sorted.
func (k *Kube) PodsOn(node string) []string {
	var keys []string
	for key, p := range k.Pods {
		if p.Node == node {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
