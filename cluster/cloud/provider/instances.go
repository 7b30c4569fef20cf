package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	cloudprovider "k8s.io/cloud-provider"

	"workbench/cluster/cloud"
)

// instances are the lab's nodes.
type instances struct{ client *cloud.Client }

// instance is the one behind a Node object: by its ID, LAB/NODE after the name of
// the cloud, or while it has none by its name.
func (i instances) instance(ctx context.Context, node *v1.Node) (cloud.Instance, error) {
	name := node.Name
	if id := node.Spec.ProviderID; id != "" {
		rest, ours := strings.CutPrefix(id, Name+"://")
		_, instance, ok := strings.Cut(rest, "/")
		if !ours || !ok {
			return cloud.Instance{}, fmt.Errorf("node %s: provider ID %q is not one of this cloud", node.Name, id)
		}
		name = instance
	}
	return i.client.Instance(ctx, name)
}

// InstanceExists implements cloudprovider.InstancesV2.
func (i instances) InstanceExists(ctx context.Context, node *v1.Node) (bool, error) {
	_, err := i.instance(ctx, node)
	if errors.Is(err, cloud.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// InstanceShutdown implements cloudprovider.InstancesV2.
func (i instances) InstanceShutdown(ctx context.Context, node *v1.Node) (bool, error) {
	instance, err := i.instance(ctx, node)
	return instance.Shutdown, err
}

// InstanceMetadata implements cloudprovider.InstancesV2. One machine has no zones:
// those of nodes are what the lab file says.
func (i instances) InstanceMetadata(ctx context.Context, node *v1.Node) (*cloudprovider.InstanceMetadata, error) {
	instance, err := i.instance(ctx, node)
	if errors.Is(err, cloud.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", cloudprovider.InstanceNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	return &cloudprovider.InstanceMetadata{
		ProviderID:   Name + "://" + instance.ID,
		InstanceType: instance.Type,
		NodeAddresses: []v1.NodeAddress{
			{Type: v1.NodeInternalIP, Address: instance.Address.String()},
			{Type: v1.NodeHostName, Address: instance.Name},
		},
	}, nil
}
