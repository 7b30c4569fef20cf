package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"workbench/cluster/event"
	"workbench/cluster/plan"
)

// removeNode takes a node out of the lab, with all that only it had.
func (o *operation) removeNode(ctx context.Context) error {
	n, err := o.planned(o.Target)
	if err != nil {
		return err
	}
	if err := o.refuseInFaults(n); err != nil {
		return err
	}
	began := time.Now()
	if n.ControlPlane {
		err = o.leaveEtcd(ctx, n)
	} else {
		err = o.leaveKubernetes(ctx, n)
	}
	if err != nil {
		return err
	}
	if err := o.endNode(ctx, n); err != nil {
		return err
	}
	lab, err := o.specification().Remove(n.Name)
	if err != nil {
		return err
	}
	if err := o.replan(lab); err != nil {
		return err
	}
	o.rec.Emit(event.NodeRemoved{Node: n.Name})
	if err := os.RemoveAll(o.place.Node(n.Name)); err != nil {
		return fmt.Errorf("delete the files of %s: %w", n.Name, err)
	}
	_, err = PruneImages(ctx, o.place) // of what only the node had pulled
	err = errors.Join(err, o.reroute(), o.tellOthers(ctx, n.ControlPlane))
	o.say("%s is no node of the lab any more, after %v; its name and %s are not given again by themselves  =  %s", n.Name, time.Since(began).Round(100*time.Millisecond), n.Address, o.same)
	return err
}

// refuseInFaults refuses to remove what a fault is about: nothing could heal it.
func (o *operation) refuseInFaults(n plan.Node) error {
	for _, f := range o.faults.active() {
		about := contains(f.Nodes, n.Name)
		for _, c := range f.Components {
			about = about || strings.HasPrefix(c, n.Name+"/")
		}
		for _, l := range f.Links {
			about = about || l.From == n.Name || l.To == n.Name
		}
		if about {
			return fmt.Errorf("remove %s: fault %s (%s) is about it; heal that first: workbench heal %s", n.Name, f.ID, f.Text, f.ID)
		}
	}
	return nil
}

// leaveEtcd takes the node's member out of the cluster.
func (o *operation) leaveEtcd(ctx context.Context, n plan.Node) error {
	if len(o.controlPlanes()) == 1 {
		return fmt.Errorf("remove %s: it is the only control plane; workbench down --purge deletes the lab", n.Name)
	}
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	m, isMember := c.Of(n.Name)
	if !isMember {
		o.same = "rm -r, nothing of etcd"
		return o.ask(n.Name + " is deleted with all that is on it; etcd has no member there")
	}
	if err := c.Removable(m); err != nil {
		return fmt.Errorf("remove %s: %w", n.Name, err)
	}
	after := c.Without(m.ID)
	if err := o.ask(n.Name+" is deleted with its copy of etcd's data", "after it etcd has "+after.Tolerance()); err != nil {
		return err
	}
	o.same = "etcdctl member remove " + m.HexID()
	o.say("remove member %s (%s) before its node goes: a member that is only gone would still count for the quorum; then etcd has %s", m.HexID(), m.Role(), after.Tolerance())
	if err := o.patiently(ctx, upURLs(c, n.Name), func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.MemberRemove(ctx, m.ID)
		return err
	}); err != nil {
		return fmt.Errorf("remove the member of %s: %w", n.Name, err)
	}
	return o.setDamage(n.Name, memberOut) // were this cut short, it would join anew
}

// leaveKubernetes drains a worker and deletes its Node object.
func (o *operation) leaveKubernetes(ctx context.Context, n plan.Node) error {
	o.same = fmt.Sprintf("kubectl drain %s, kubectl delete node %s", n.Name, n.Name)
	reasons := []string{n.Name + " is drained and deleted with all that is on it"}
	if len(o.workers()) == 1 {
		reasons = append(reasons, "it is the last worker: its pods have nowhere to go")
	}
	if err := o.ask(reasons...); err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	if err := setCordon(ctx, client, n.Name, true); err != nil {
		return fmt.Errorf("cordon %s: %w", n.Name, err)
	}
	if _, err := o.machine(n.Name); err == nil {
		count, err := o.evict(ctx, n.Name)
		if err != nil {
			return fmt.Errorf("drain %s: %w; it is cordoned: workbench kubectl uncordon %s takes that back", n.Name, err, n.Name)
		}
		o.say("drained: %s, which their controllers start elsewhere", plural(count, "pod was evicted", "pods were evicted"))
	} else {
		o.say("%s does not run: its pods are not evicted, and end with its Node object", n.Name)
	}
	return nil
}

// endNode shuts the node down, and deletes its Node object once no kubelet is left
// to make it again.
func (o *operation) endNode(ctx context.Context, n plan.Node) error {
	if m, err := o.machine(n.Name); err == nil {
		if o.isPaused(m) {
			err = o.killNode(n.Name)
		} else {
			err = o.shutDown(ctx, n.Name, m)
		}
		if err != nil {
			return err
		}
		<-m.handle.Gone()
	}
	if err := o.closeDisk(n.Name); err != nil {
		return err
	}
	if n.ControlPlane {
		return nil
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if err := client.CoreV1().Nodes().Delete(ctx, n.Name, meta.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete Node %s: %w", n.Name, err)
	}
	o.say("shut down, and its Node object deleted: kube-controller-manager deletes the pods that are still bound to it, and its pod network is free again")
	return nil
}
