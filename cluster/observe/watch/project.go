package watch

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"workbench/cluster/event"
)

func projectMeta(o metav1.Object) event.Meta {
	m := event.Meta{
		Namespace:       o.GetNamespace(),
		Name:            o.GetName(),
		UID:             string(o.GetUID()),
		ResourceVersion: o.GetResourceVersion(),
		Created:         o.GetCreationTimestamp().UTC(),
		Labels:          o.GetLabels(),
		Deleting:        instant(o.GetDeletionTimestamp()),
	}
	if owner := metav1.GetControllerOfNoCopy(o); owner != nil {
		m.Owner = owner.Kind + "/" + owner.Name
	}
	return m
}

func projectNode(n *corev1.Node) event.KubeNode {
	b := event.KubeNode{
		Meta:              projectMeta(n),
		Unschedulable:     n.Spec.Unschedulable,
		PodCIDR:           n.Spec.PodCIDR,
		Version:           n.Status.NodeInfo.KubeletVersion,
		AllocatableCPU:    n.Status.Allocatable.Cpu().MilliValue(),
		AllocatableMemory: n.Status.Allocatable.Memory().Value(),
		AllocatablePods:   n.Status.Allocatable.Pods().Value(),
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			b.Ready, b.Reason, b.Since = string(c.Status), c.Reason, c.LastTransitionTime.UTC()
			if c.Status != corev1.ConditionTrue {
				b.Message = c.Message
			}
		}
		switch c.Type {
		case corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure:
			if c.Status == corev1.ConditionTrue {
				b.Pressures = append(b.Pressures, event.Pressure{Type: string(c.Type), Message: c.Message, Since: c.LastTransitionTime.UTC()})
			}
		}
	}
	for _, t := range n.Spec.Taints {
		b.Taints = append(b.Taints, event.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect), Added: instant(t.TimeAdded)})
	}
	return b
}

func projectLease(l *coordinationv1.Lease) event.KubeLease {
	b := event.KubeLease{
		Meta:        projectMeta(l),
		Holder:      or(l.Spec.HolderIdentity, ""),
		Seconds:     or(l.Spec.LeaseDurationSeconds, 0),
		Transitions: or(l.Spec.LeaseTransitions, 0),
	}
	if l.Spec.RenewTime != nil {
		b.Renewed = l.Spec.RenewTime.UTC()
	}
	return b
}

func projectDeployment(d *appsv1.Deployment) event.KubeDeployment {
	b := event.KubeDeployment{
		Meta:      projectMeta(d),
		Replicas:  or(d.Spec.Replicas, 1),
		Updated:   d.Status.UpdatedReplicas,
		Ready:     d.Status.ReadyReplicas,
		Available: d.Status.AvailableReplicas,
	}
	for _, c := range d.Spec.Template.Spec.Containers {
		b.Images = append(b.Images, c.Image)
	}
	return b
}

func projectService(s *corev1.Service) event.KubeService {
	b := event.KubeService{
		Meta:        projectMeta(s),
		ServiceType: string(s.Spec.Type),
		ClusterIP:   s.Spec.ClusterIP,
		ExternalIPs: s.Spec.ExternalIPs,
		Selector:    s.Spec.Selector,
		Pulse:       s.Annotations[event.PulseAnnotation],
	}
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			b.LoadBalancer = append(b.LoadBalancer, ingress.IP)
		}
	}
	for _, p := range s.Spec.Ports {
		port := fmt.Sprint(p.Port)
		if p.NodePort > 0 {
			port = fmt.Sprintf("%d:%d", p.Port, p.NodePort)
		}
		b.Ports = append(b.Ports, port+"/"+string(p.Protocol))
	}
	return b
}

func projectSlice(s *discoveryv1.EndpointSlice) event.KubeEndpointSlice {
	b := event.KubeEndpointSlice{Meta: projectMeta(s), Service: s.Labels[discoveryv1.LabelServiceName]}
	for _, e := range s.Endpoints {
		// What an absent condition means is the API's definition.
		ready := or(e.Conditions.Ready, true)
		endpoint := event.KubeEndpoint{
			Node:        or(e.NodeName, ""),
			Ready:       ready,
			Serving:     or(e.Conditions.Serving, ready),
			Terminating: or(e.Conditions.Terminating, false),
		}
		if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
			endpoint.Pod = e.TargetRef.Name
		}
		for _, address := range e.Addresses {
			endpoint.Address = address
			b.Endpoints = append(b.Endpoints, endpoint)
		}
	}
	for _, p := range s.Ports {
		port := "*"
		if p.Port != nil {
			port = fmt.Sprint(*p.Port)
		}
		b.Ports = append(b.Ports, port+"/"+string(or(p.Protocol, corev1.ProtocolTCP)))
	}
	return b
}

// projectEvent reads both generations of Events: the older counts itself, the
// newer has a series.
func projectEvent(e *corev1.Event) event.KubeEvent {
	b := event.KubeEvent{
		Meta:      projectMeta(e),
		EventType: e.Type,
		Reason:    e.Reason,
		Message:   strings.TrimSpace(e.Message),
		Regarding: e.InvolvedObject.Kind + "/" + event.Meta{Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name}.Key(),
		Source:    e.Source.Component,
		Count:     e.Count,
		Last:      e.LastTimestamp.UTC(),
	}
	if b.Source == "" {
		b.Source = e.ReportingController
	}
	if e.Series != nil {
		b.Count, b.Last = e.Series.Count, e.Series.LastObservedTime.UTC()
	}
	for _, t := range []time.Time{e.EventTime.UTC(), e.FirstTimestamp.UTC(), b.Created} {
		if b.Last.IsZero() {
			b.Last = t
		}
	}
	return b
}

// instant is the time, or zero when there is none.
func instant(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// or is what p points to, or a default.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func projectNetworkPolicy(p *networkingv1.NetworkPolicy) event.KubeNetworkPolicy {
	b := event.KubeNetworkPolicy{Meta: projectMeta(p)}
	for _, t := range p.Spec.PolicyTypes {
		b.Types = append(b.Types, string(t))
	}
	return b
}
