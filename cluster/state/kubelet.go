package state

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Bounds of what a world keeps of each node's kubelet and containerd.
const (
	MaxContainerEvents = 64
	MaxKubeletProbes   = 512
	MaxKubeletVolumes  = 256 // pods
)

// Kubelet is what a node's kubelet told of its own work.
type Kubelet struct {
	// Sync is its last report; At is zero before there was one.
	Sync event.KubeletSync `json:"sync"`
	At   time.Time         `json:"at,omitzero"`
	// Probes, sorted by pod, container and kind.
	Probes []KubeletProbe `json:"probes,omitempty"`
	// Volumes of the pods, by UID.
	Volumes map[string][]event.KubeletVolume `json:"volumes,omitempty"`
	// Unlisted is how many probes and pods there was no room for.
	Unlisted int `json:"unlisted,omitempty"`
}

// KubeletProbe is a probe and since when it comes to its result.
type KubeletProbe struct {
	event.KubeletProbe
	Since time.Time `json:"since"`
}

// ContainerEvent is an event of containerd.
type ContainerEvent struct {
	event.ContainerEvent
	At time.Time `json:"at"`
}

func (w *World) applyKubelet(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.ContainerEvent:
		if n := w.Nodes[b.Node]; n != nil {
			n.Containers = bounded(append(n.Containers, ContainerEvent{ContainerEvent: b, At: at}), MaxContainerEvents)
		}
	case event.KubeletSync:
		if k := w.kubelet(b.Node); k != nil {
			k.Sync, k.At = b, at
		}
	case event.KubeletProbes:
		if k := w.kubelet(b.Node); k != nil {
			k.probes(at, b)
		}
	case event.KubeletVolumes:
		if k := w.kubelet(b.Node); k != nil {
			k.volumes(b)
		}
	}
}

// kubelet is what is known of a node's kubelet; nil when there is no such node.
func (w *World) kubelet(node string) *Kubelet {
	n := w.Nodes[node]
	if n == nil {
		return nil
	}
	if n.Kubelet == nil {
		n.Kubelet = &Kubelet{}
	}
	return n.Kubelet
}

func (k *Kubelet) probes(at time.Time, b event.KubeletProbes) {
	if b.Fresh {
		k.Probes, k.Unlisted = nil, 0
	}
	for _, p := range b.Probes {
		i, found := slices.BinarySearchFunc(k.Probes, p, func(have KubeletProbe, p event.KubeletProbe) int {
			return strings.Compare(probeKey(have.KubeletProbe), probeKey(p))
		})
		switch {
		case p.Gone && found:
			k.Probes = slices.Delete(k.Probes, i, i+1)
		case p.Gone:
		case found && k.Probes[i].Result == p.Result:
			k.Probes[i].KubeletProbe = p
		case found:
			k.Probes[i] = KubeletProbe{p, at}
		case len(k.Probes) >= MaxKubeletProbes:
			k.Unlisted++
		default:
			k.Probes = slices.Insert(k.Probes, i, KubeletProbe{p, at})
		}
	}
}

func probeKey(p event.KubeletProbe) string {
	return strings.Join([]string{p.Namespace, p.Pod, p.UID, p.Container, p.Kind}, "/")
}

func (k *Kubelet) volumes(b event.KubeletVolumes) {
	if b.Fresh || k.Volumes == nil {
		k.Volumes = map[string][]event.KubeletVolume{}
	}
	for _, p := range b.Pods {
		switch {
		case len(p.Volumes) == 0:
			delete(k.Volumes, p.UID)
		case k.Volumes[p.UID] == nil && len(k.Volumes) >= MaxKubeletVolumes:
			k.Unlisted++
		default:
			k.Volumes[p.UID] = p.Volumes
		}
	}
}
