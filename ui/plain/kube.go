package plain

import (
	"fmt"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

func kube(body event.Body, before *state.World) Entry {
	k := before.Kube
	switch b := body.(type) {
	case event.KubeNode:
		return kubeNode(b, k.Nodes[b.Key()])
	case event.KubeLease:
		if old := k.Leases[b.Key()]; b.Namespace != "kube-node-lease" && (old == nil || old.Holder != b.Holder) && b.Holder != "" {
			return Entry{Subject: "lease " + b.Name, Text: "held by " + b.Holder}
		}
	case event.KubePod:
		return kubePod(b, k.Pods[b.Key()])
	case event.KubeDeployment:
		old := k.Deployments[b.Key()]
		if old == nil || old.Ready != b.Ready || old.Replicas != b.Replicas || old.Updated != b.Updated {
			return Entry{Subject: "deployment " + b.Key(), Text: fmt.Sprintf("%d of %d ready, %d up to date", b.Ready, b.Replicas, b.Updated)}
		}
	case event.KubeService:
		if old := k.Services[b.Key()]; old == nil || !slices.Equal(old.LoadBalancer, b.LoadBalancer) {
			return Entry{Subject: "service " + b.Key(), Text: fmt.Sprintf("%s %s %s", b.TypeAddress(), b.ClusterIP, strings.Join(b.Ports, ","))}
		}
	case event.KubeEndpointSlice:
		if old := k.Slices[b.Key()]; old == nil || ready(old) != ready(&b) || len(old.Endpoints) != len(b.Endpoints) {
			return Entry{Subject: "endpoints " + b.Namespace + "/" + b.Service, Text: fmt.Sprintf("%d of %d ready", ready(&b), len(b.Endpoints))}
		}
	case event.KubeNetworkPolicy:
		if k.NetworkPolicies[b.Key()] == nil {
			return Entry{Subject: "networkpolicy " + b.Key(), Text: "not enforced: nothing in the lab acts on it, pods are reached as before", Tone: Caution}
		}
	case event.KubeEvent:
		if routine[b.Reason] {
			return Entry{}
		}
		out := Entry{Subject: regarding(b.Regarding), Text: b.Reason + ": " + strings.ReplaceAll(b.Message, "\n", " ")}
		if b.EventType == "Warning" {
			out.Tone = Caution
		}
		return out
	case event.KubeDeleted:
		if b.Kind != "Lease" {
			return Entry{Subject: strings.ToLower(b.Kind) + " " + b.Key(), Text: "deleted"}
		}
	}
	return Entry{}
}

func kubeNode(b event.KubeNode, old *state.KubeNode) Entry {
	out := Entry{Subject: "node " + b.Name}
	if old == nil {
		out.Text = "registered, Ready " + b.Ready
		return out
	}
	var parts []string
	if old.Ready != b.Ready {
		parts = append(parts, with(with(fmt.Sprintf("Ready %s > %s", old.Ready, b.Ready), b.Reason), b.Message))
		if out.Tone = Bad; b.Ready == "True" {
			out.Tone = Good
		}
	}
	pressed := append(pressures("True", b.Pressures, old.Pressures), pressures("False", old.Pressures, b.Pressures)...)
	if len(pressed) > 0 && out.Tone == Neutral {
		if out.Tone = Caution; len(b.Pressures) == 0 {
			out.Tone = Good
		}
	}
	parts = append(parts, pressed...)
	parts = append(parts, taints("+", b.Taints, old.Taints)...)
	parts = append(parts, taints("-", old.Taints, b.Taints)...)
	out.Text = strings.Join(parts, "  ")
	return out
}

// pressures lists the conditions that are in a and not in b, and what they are now.
func pressures(now string, a, b []event.Pressure) []string {
	var out []string
	for _, p := range a {
		if !slices.ContainsFunc(b, func(o event.Pressure) bool { return o.Type == p.Type }) {
			out = append(out, p.Type+" "+now)
		}
	}
	return out
}

// taints lists what is in a and not in b.
func taints(sign string, a, b []event.Taint) []string {
	var out []string
	for _, t := range a {
		found := false
		for _, o := range b {
			found = found || (o.Key == t.Key && o.Effect == t.Effect)
		}
		if !found {
			out = append(out, fmt.Sprintf("%staint %s:%s", sign, t.Key, t.Effect))
		}
	}
	return out
}

func kubePod(b event.KubePod, old *event.KubePod) Entry {
	out := Entry{Subject: "pod " + b.Key()}
	if old != nil && old.UID == b.UID && old.Status == b.Status && old.Ready == b.Ready && old.Node == b.Node && old.Deleting.Equal(b.Deleting) {
		return out
	}
	out.Text = b.Status
	switch {
	case !b.Deleting.IsZero():
		out.Tone = Caution
	case b.Ready:
		out.Tone, out.Text = Good, b.Status+", ready"
	case b.Phase == "Failed" || strings.Contains(b.Status, "BackOff"):
		out.Tone = Bad
	default:
		out.Tone = Busy
	}
	if b.Node != "" {
		out.Text += " on " + b.Node
	}
	out.Text = with(out.Text, b.Reason)
	return out
}

// regarding is kind/namespace/name as other lines name objects: kind namespace/name.
func regarding(object string) string {
	kind, key, _ := strings.Cut(object, "/")
	return strings.ToLower(kind) + " " + strings.TrimPrefix(key, "/")
}

func ready(s *event.KubeEndpointSlice) int {
	n := 0
	for _, e := range s.Endpoints {
		if e.Ready {
			n++
		}
	}
	return n
}

// routine are reasons of Events that every start of a kubelet emits, several
// times over, and that say nothing beyond the node's own conditions.
var routine = map[string]bool{
	"Starting": true, "NodeHasSufficientMemory": true, "NodeHasNoDiskPressure": true, "NodeHasSufficientPID": true,
	"NodeAllocatableEnforced": true, "CgroupV1": true, "RegisteredNode": true,
}
