package watch

import (
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
)

// kind is one kind of object that is watched, in all namespaces.
type kind struct {
	name     string // as in event.KubeDeleted
	resource string // as in the URL
	client   func(*clients) rest.Interface
	object   runtime.Object
	list     func() runtime.Object
	project  func(object any) event.Body
}

func kinds() []kind {
	core := func(c *clients) rest.Interface { return c.core }
	apps := func(c *clients) rest.Interface { return c.apps }
	coordination := func(c *clients) rest.Interface { return c.coordination }
	discovery := func(c *clients) rest.Interface { return c.discovery }
	networking := func(c *clients) rest.Interface { return c.networking }
	return []kind{
		{"Node", "nodes", core, &corev1.Node{}, empty[corev1.NodeList], as(projectNode)},
		{"Pod", "pods", core, &corev1.Pod{}, empty[corev1.PodList], as(projectPod)},
		{"Lease", "leases", coordination, &coordinationv1.Lease{}, empty[coordinationv1.LeaseList], as(projectLease)},
		{"Deployment", "deployments", apps, &appsv1.Deployment{}, empty[appsv1.DeploymentList], as(projectDeployment)},
		{"Service", "services", core, &corev1.Service{}, empty[corev1.ServiceList], as(projectService)},
		{"EndpointSlice", "endpointslices", discovery, &discoveryv1.EndpointSlice{}, empty[discoveryv1.EndpointSliceList], as(projectSlice)},
		{"NetworkPolicy", "networkpolicies", networking, &networkingv1.NetworkPolicy{}, empty[networkingv1.NetworkPolicyList], as(projectNetworkPolicy)},
		{"Event", "events", core, &corev1.Event{}, empty[corev1.EventList], as(projectEvent)},
	}
}

// empty makes a new T, which *T says is an API object.
func empty[T any, P interface {
	*T
	runtime.Object
}]() runtime.Object {
	return P(new(T))
}

// as lifts a projection of one type to all objects. The reflector has checked the
// type of what a watch delivered.
func as[T any, B event.Body](project func(*T) B) func(any) event.Body {
	return func(object any) event.Body { return project(object.(*T)) }
}
