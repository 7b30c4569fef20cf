// Package provider is the lab's cloud as Kubernetes's cloud-controller-manager
// wants it: instances, routes and load balancers by way of the cloud's API.
// All that is decided is decided by upstream's controllers and by the cloud.
package provider

import (
	"encoding/json"
	"fmt"
	"os"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	cloudprovider "k8s.io/cloud-provider"

	"workbench/cluster/cloud"
)

// Name of the cloud, with which its instances' IDs begin.
const Name = "workbench"

// Config is the content of the file of --cloud-config.
type Config struct {
	// Socket of the cloud's API.
	Socket string `json:"socket"`
}

// Provider implements cloudprovider.Interface.
type Provider struct {
	client *cloud.Client
	pace   *pace
}

var (
	_ cloudprovider.Interface    = (*Provider)(nil)
	_ cloudprovider.InformerUser = (*Provider)(nil)
)

// Open reads the file of --cloud-config.
func Open(file string) (*Provider, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("configure cloud: %w", err)
	}
	var cfg Config
	if err := json.Unmarshal(raw, &cfg); err != nil {
		return nil, fmt.Errorf("configure cloud by %s: %w", file, err)
	}
	return New(cloud.NewClient(cfg.Socket)), nil
}

// New is a provider of one cloud.
func New(client *cloud.Client) *Provider { return &Provider{client: client, pace: newPace()} }

// Initialize implements cloudprovider.Interface; there is nothing to start.
func (p *Provider) Initialize(cloudprovider.ControllerClientBuilder, <-chan struct{}) {}

// SetInformers lets routes follow the nodes, and keeps of objects in memory only
// what is looked at.
func (p *Provider) SetInformers(factory informers.SharedInformerFactory) {
	nodes := factory.Core().V1().Nodes().Informer()
	// Both fail only when the informer has started or stopped, which comes later.
	_ = nodes.SetTransform(lean)
	_ = factory.Core().V1().Services().Informer().SetTransform(lean)
	_, _ = nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { p.pace.changed() },
		UpdateFunc: func(old, now any) { p.pace.compare(old, now) },
		DeleteFunc: func(any) { p.pace.changed() },
	})
}

// lean drops what no controller here reads.
func lean(object any) (any, error) {
	switch o := object.(type) {
	case *v1.Node:
		o.ManagedFields, o.Status.Images = nil, nil
	case *v1.Service:
		o.ManagedFields = nil
	}
	return object, nil
}

// LoadBalancer implements cloudprovider.Interface.
func (p *Provider) LoadBalancer() (cloudprovider.LoadBalancer, bool) {
	return balancers{p.client}, true
}

// InstancesV2 implements cloudprovider.Interface.
func (p *Provider) InstancesV2() (cloudprovider.InstancesV2, bool) {
	return instances{p.client}, true
}

// Routes implements cloudprovider.Interface.
func (p *Provider) Routes() (cloudprovider.Routes, bool) { return routes{p.client, p.pace}, true }

// Instances implements cloudprovider.Interface; InstancesV2 took its place.
func (p *Provider) Instances() (cloudprovider.Instances, bool) { return nil, false }

// Zones implements cloudprovider.Interface: one machine has none.
func (p *Provider) Zones() (cloudprovider.Zones, bool) { return nil, false }

// Clusters implements cloudprovider.Interface.
func (p *Provider) Clusters() (cloudprovider.Clusters, bool) { return nil, false }

// ProviderName implements cloudprovider.Interface.
func (p *Provider) ProviderName() string { return Name }

// HasClusterID implements cloudprovider.Interface: a cloud has one cluster.
func (p *Provider) HasClusterID() bool { return true }
