package provider

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	v1 "k8s.io/api/core/v1"
	cloudprovider "k8s.io/cloud-provider"

	"workbench/cluster/cloud"
)

// balancers are those of Services of type LoadBalancer.
type balancers struct{ client *cloud.Client }

// proxyHealthPort and healthPath are where kube-proxy says whether a node can
// take connections (KEP-3836); with externalTrafficPolicy Local it is asked at
// the Service's own port whether the node has an endpoint.
const (
	proxyHealthPort = 10256
	healthPath      = "/healthz"
)

// GetLoadBalancer implements cloudprovider.LoadBalancer.
func (b balancers) GetLoadBalancer(ctx context.Context, cluster string, service *v1.Service) (*v1.LoadBalancerStatus, bool, error) {
	have, err := b.client.Balancer(ctx, b.GetLoadBalancerName(ctx, cluster, service))
	if errors.Is(err, cloud.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return status(have), true, nil
}

// GetLoadBalancerName implements cloudprovider.LoadBalancer: the name is made of
// the Service's UID.
func (b balancers) GetLoadBalancerName(_ context.Context, _ string, service *v1.Service) string {
	return cloudprovider.DefaultLoadBalancerName(service)
}

// EnsureLoadBalancer implements cloudprovider.LoadBalancer.
func (b balancers) EnsureLoadBalancer(ctx context.Context, cluster string, service *v1.Service, nodes []*v1.Node) (*v1.LoadBalancerStatus, error) {
	want := cloud.Want{Balancer: cloud.Balancer{
		ID: b.GetLoadBalancerName(ctx, cluster, service), Service: service.Namespace + "/" + service.Name, Check: check(service),
	}}
	if service.Spec.LoadBalancerIP != "" {
		var err error
		if want.Address, err = netip.ParseAddr(service.Spec.LoadBalancerIP); err != nil {
			return nil, fmt.Errorf("spec.loadBalancerIP: %w", err)
		}
	}
	for _, n := range nodes {
		want.Nodes = append(want.Nodes, n.Name)
	}
	have, err := b.client.SetBalancer(ctx, want)
	if err != nil {
		return nil, err
	}
	return status(have), nil
}

// UpdateLoadBalancer implements cloudprovider.LoadBalancer.
func (b balancers) UpdateLoadBalancer(ctx context.Context, cluster string, service *v1.Service, nodes []*v1.Node) error {
	_, err := b.EnsureLoadBalancer(ctx, cluster, service, nodes)
	return err
}

// EnsureLoadBalancerDeleted implements cloudprovider.LoadBalancer.
func (b balancers) EnsureLoadBalancerDeleted(ctx context.Context, cluster string, service *v1.Service) error {
	return b.client.RemoveBalancer(ctx, b.GetLoadBalancerName(ctx, cluster, service))
}

func check(service *v1.Service) cloud.Check {
	if service.Spec.ExternalTrafficPolicy == v1.ServiceExternalTrafficPolicyLocal && service.Spec.HealthCheckNodePort != 0 {
		return cloud.Check{Port: int(service.Spec.HealthCheckNodePort), Path: healthPath}
	}
	return cloud.Check{Port: proxyHealthPort, Path: healthPath}
}

// status says that kube-proxy may take the address for its own (VIP): what is
// sent to it keeps it as the destination up to the node.
func status(b cloud.Balancer) *v1.LoadBalancerStatus {
	mode := v1.LoadBalancerIPModeVIP
	return &v1.LoadBalancerStatus{Ingress: []v1.LoadBalancerIngress{{IP: b.Address.String(), IPMode: &mode}}}
}
