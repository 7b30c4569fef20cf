package provider_test

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	cloudprovider "k8s.io/cloud-provider"

	"workbench/cluster/cloud"
	"workbench/cluster/cloud/provider"
)

// nowhere is a network that takes all.
type nowhere struct{}

func (nowhere) Route(map[netip.Prefix]string) error     { return nil }
func (nowhere) Balance(map[string]cloud.Balancer) error { return nil }

// open serves a cloud of two nodes, w2 without power, and connects to it.
func open(t *testing.T) (*provider.Provider, *cloud.Cloud) {
	t.Helper()
	dir := t.TempDir()
	c, err := cloud.Open(cloud.Config{
		Range: netip.MustParsePrefix("10.64.0.0/28"), File: filepath.Join(dir, "cloud.json"), Network: nowhere{},
		Instances: func() []cloud.Instance {
			return []cloud.Instance{
				{ID: "lab/w1", Name: "w1", Address: netip.MustParseAddr("10.10.0.101"), Type: "machine"},
				{ID: "lab/w2", Name: "w2", Address: netip.MustParseAddr("10.10.0.102"), Type: "machine", Shutdown: true},
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(cloud.Handler(c))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return provider.New(cloud.NewClient(filepath.Join(dir, "sock"))), c
}

func node(name, id string) *v1.Node {
	return &v1.Node{ObjectMeta: meta.ObjectMeta{Name: name}, Spec: v1.NodeSpec{ProviderID: id}}
}

func TestInstances(t *testing.T) {
	p, _ := open(t)
	instances, _ := p.InstancesV2()
	for _, c := range []struct {
		node             *v1.Node
		exists, shutdown bool
		fails            bool
	}{
		{node("w1", ""), true, false, false},
		{node("w1", "workbench://lab/w1"), true, false, false},
		{node("renamed", "workbench://lab/w2"), true, true, false},
		{node("w3", "workbench://lab/w3"), false, false, false},
		{node("w3", ""), false, false, false},
		// Not ours to delete.
		{node("w1", "aws:///eu/i-1"), false, false, true},
	} {
		exists, err := instances.InstanceExists(t.Context(), c.node)
		if exists != c.exists || (err != nil) != c.fails {
			t.Errorf("%s %s: exists %v, %v", c.node.Name, c.node.Spec.ProviderID, exists, err)
		}
		if !exists {
			continue
		}
		if off, err := instances.InstanceShutdown(t.Context(), c.node); err != nil || off != c.shutdown {
			t.Errorf("%s: shut down %v, %v", c.node.Name, off, err)
		}
	}
	m, err := instances.InstanceMetadata(t.Context(), node("w1", ""))
	if err != nil || m.ProviderID != "workbench://lab/w1" || m.InstanceType != "machine" || m.Zone != "" ||
		len(m.NodeAddresses) != 2 || m.NodeAddresses[0].Address != "10.10.0.101" || m.NodeAddresses[1].Address != "w1" {
		t.Errorf("metadata %+v, %v", m, err)
	}
	if _, err := instances.InstanceMetadata(t.Context(), node("w3", "")); !errors.Is(err, cloudprovider.InstanceNotFound) {
		t.Errorf("metadata of no instance: %v", err)
	}
}

func TestRoutesFollowTheNodes(t *testing.T) {
	p, c := open(t)
	routes, _ := p.Routes()
	if err := routes.CreateRoute(t.Context(), "", "", &cloudprovider.Route{TargetNode: "w1", DestinationCIDR: "10.244.1.0/24"}); err != nil {
		t.Fatal(err)
	}
	// One that fails makes the next round begin soon.
	if err := routes.CreateRoute(t.Context(), "", "", &cloudprovider.Route{TargetNode: "w9", DestinationCIDR: "10.244.2.0/24"}); err == nil {
		t.Error("a route to no node is made")
	}
	have, err := routes.ListRoutes(t.Context(), "")
	if err != nil || len(have) != 1 || have[0].TargetNode != "w1" || have[0].DestinationCIDR != "10.244.1.0/24" {
		t.Fatalf("routes %v, %v", have, err)
	}
	// With nothing to do it waits.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := routes.ListRoutes(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("asked when nothing has changed: %v, want to wait", err)
	}
	if err := routes.DeleteRoute(t.Context(), "", have[0]); err != nil || len(c.Routes()) != 0 {
		t.Errorf("deleted (%v), and there are %v", err, c.Routes())
	}
}

func TestBalancers(t *testing.T) {
	p, c := open(t)
	balancers, _ := p.LoadBalancer()
	service := &v1.Service{ObjectMeta: meta.ObjectMeta{Name: "web", Namespace: "default", UID: types.UID("0b0c7f50-0000-4000-8000-000000000001")}}
	if _, exists, err := balancers.GetLoadBalancer(t.Context(), "", service); exists || err != nil {
		t.Errorf("before it is made it exists %v, %v", exists, err)
	}
	status, err := balancers.EnsureLoadBalancer(t.Context(), "", service, []*v1.Node{node("w1", ""), node("w2", "")})
	if err != nil || status.Ingress[0].IP != "10.64.0.1" || *status.Ingress[0].IPMode != v1.LoadBalancerIPModeVIP {
		t.Fatalf("status %+v, %v", status, err)
	}
	id := balancers.GetLoadBalancerName(t.Context(), "", service)
	if b, err := c.Balancer(id); err != nil || b.Service != "default/web" || len(b.Nodes) != 2 || b.Check != (cloud.Check{Port: 10256, Path: "/healthz"}) {
		t.Errorf("balancer %+v, %v", b, err)
	}
	service.Spec.ExternalTrafficPolicy, service.Spec.HealthCheckNodePort = v1.ServiceExternalTrafficPolicyLocal, 32001
	if err := balancers.UpdateLoadBalancer(t.Context(), "", service, []*v1.Node{node("w1", "")}); err != nil {
		t.Fatal(err)
	}
	if b, err := c.Balancer(id); err != nil || len(b.Nodes) != 1 || b.Check.Port != 32001 {
		t.Errorf("balancer %+v, %v; want the Service's own check", b, err)
	}
	service.Spec.LoadBalancerIP = "192.168.0.1"
	if _, err := balancers.EnsureLoadBalancer(t.Context(), "", service, nil); !errors.Is(err, cloud.ErrConflict) {
		t.Errorf("an address of another network: %v", err)
	}
	if err := balancers.EnsureLoadBalancerDeleted(t.Context(), "", service); err != nil {
		t.Error(err)
	}
	if _, exists, err := balancers.GetLoadBalancer(t.Context(), "", service); exists || err != nil {
		t.Errorf("deleted it exists %v, %v", exists, err)
	}
}
