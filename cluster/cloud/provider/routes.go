package provider

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	cloudprovider "k8s.io/cloud-provider"

	"workbench/cluster/cloud"
)

// pace is when the route controller looks at its nodes. Upstream's looks every
// 10 s, and logs a line for each node each time; at this pace it looks when a
// node's networks changed or a route could not be made, and every 10 s.
type pace struct {
	due    chan struct{}
	period time.Duration
}

func newPace() *pace { return &pace{due: make(chan struct{}, 1), period: 10 * time.Second} }

func (p *pace) changed() {
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// retryAfter is how long after a failure the next round begins.
const retryAfter = time.Second

// failed makes a round begin soon, but not at once: what failed may go on to.
func (p *pace) failed() { time.AfterFunc(retryAfter, p.changed) }

// compare notes a change of what routes are made of.
func (p *pace) compare(old, now any) {
	a, ok := old.(*v1.Node)
	b, ok2 := now.(*v1.Node)
	if ok && ok2 && (!reflect.DeepEqual(a.Spec.PodCIDRs, b.Spec.PodCIDRs) || !reflect.DeepEqual(a.Status.Addresses, b.Status.Addresses)) {
		p.changed()
	}
}

// await returns when it is time to look; the error is that of ctx.
func (p *pace) await(ctx context.Context) error {
	late := time.NewTimer(p.period)
	defer late.Stop()
	select {
	case <-p.due:
	case <-late.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// routes lead to the pods of the nodes.
type routes struct {
	client *cloud.Client
	pace   *pace
}

// ListRoutes implements cloudprovider.Routes. It begins each round of the route
// controller, which reads the nodes after it: waiting here sets the pace.
func (r routes) ListRoutes(ctx context.Context, _ string) ([]*cloudprovider.Route, error) {
	if err := r.pace.await(ctx); err != nil {
		return nil, err
	}
	have, err := r.client.Routes(ctx)
	if err != nil {
		r.pace.failed()
		return nil, err
	}
	var out []*cloudprovider.Route
	for _, route := range have {
		out = append(out, &cloudprovider.Route{
			Name: route.CIDR.String(), TargetNode: types.NodeName(route.Node), DestinationCIDR: route.CIDR.String(),
		})
	}
	return out, nil
}

// CreateRoute implements cloudprovider.Routes.
func (r routes) CreateRoute(ctx context.Context, _, _ string, route *cloudprovider.Route) error {
	return r.change(route, func(cidr netip.Prefix) error {
		return r.client.SetRoute(ctx, cloud.Route{CIDR: cidr, Node: string(route.TargetNode)})
	})
}

// DeleteRoute implements cloudprovider.Routes.
func (r routes) DeleteRoute(ctx context.Context, _ string, route *cloudprovider.Route) error {
	return r.change(route, func(cidr netip.Prefix) error { return r.client.RemoveRoute(ctx, cidr) })
}

// change is tried again in the next round when it fails.
func (r routes) change(route *cloudprovider.Route, do func(netip.Prefix) error) error {
	cidr, err := netip.ParsePrefix(route.DestinationCIDR)
	if err != nil {
		return fmt.Errorf("route to %s: %w", route.TargetNode, err)
	}
	err = do(cidr)
	if err != nil {
		r.pace.failed()
	}
	return err
}
