package supervisor

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"workbench/cluster/member"
)

// addLearner gives a control plane whose member was removed a new one, without a
// vote.
func (o *operation) addLearner(ctx context.Context) error {
	n, err := o.planned(o.Target)
	if err != nil {
		return err
	}
	if !n.ControlPlane {
		return fmt.Errorf("%s is a worker: etcd's members are on control planes", o.Target)
	}
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	if m, ok := c.Of(n.Name); ok {
		return fmt.Errorf("etcd has a member on %s already, a %s; remove it first: workbench etcd remove %s", n.Name, m.Role(), n.Name)
	}
	o.same = fmt.Sprintf("etcdctl member add %s --learner --peer-urls=%s", n.Name, n.PeerURL())
	if err := o.setDamage(n.Name, memberJoining); err != nil {
		return err
	}
	if err := o.rejoin(ctx, n, o.say, false); err != nil {
		return err
	}
	o.say("%s is a learner: it follows and is not counted; kube-apiserver there serves once it votes: workbench etcd promote %s  =  %s", n.Name, n.Name, o.same)
	return nil
}

// promote gives a learner its vote.
func (o *operation) promote(ctx context.Context) error {
	c, m, err := o.member(ctx)
	if err != nil {
		return err
	}
	if !m.Learner {
		return fmt.Errorf("%s votes already: it is a %s; only a learner can be promoted", m.Name(), m.Role())
	}
	n, err := o.planned(o.Target)
	if err != nil {
		return err
	}
	o.same = "etcdctl member promote " + m.HexID()
	if leader, ok := c.Leader(); ok {
		o.say("%s has matched %d of the leader's %d entries; etcd promotes a learner that has 90 %% of them", m.Name(), m.Match(), leader.Index)
	}
	o.membership.Lock()
	defer o.membership.Unlock()
	return o.promoteMember(ctx, n, m.ID, o.say)
}

// removeMember takes a control plane's member out of the cluster.
func (o *operation) removeMember(ctx context.Context) error {
	c, m, err := o.member(ctx)
	if err != nil {
		return err
	}
	if err := c.Removable(m); err != nil {
		return fmt.Errorf("remove %s: %w", m.Name(), err)
	}
	after := c.Without(m.ID)
	if err := o.ask(
		"after it etcd has "+after.Tolerance(),
		fmt.Sprintf("kube-apiserver on %s asks only the member on its own node and serves no more, until a new one is added (workbench etcd add-learner %s) or the node starts again", o.Target, o.Target),
	); err != nil {
		return err
	}
	o.same = "etcdctl member remove " + m.HexID()
	o.membership.Lock()
	defer o.membership.Unlock()
	o.say("remove member %s of %s (%s); a leader that is removed steps down when that is committed", m.HexID(), m.Name(), m.Role())
	if err := o.setDamage(o.Target, memberOut); err != nil {
		return err
	}
	if err := o.patiently(ctx, upURLs(c, o.Target), func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.MemberRemove(ctx, m.ID)
		return err
	}); err != nil {
		return errors.Join(fmt.Errorf("remove %s: %w", m.Name(), err), o.setDamage(o.Target, ""))
	}
	if machine, err := o.machine(o.Target); err == nil {
		if err := o.holdDown(ctx, machine, o.Target, "etcd"); err != nil {
			return err
		}
	}
	o.say("%s is no member any more, and its etcd is held down; etcd has %s  =  %s", m.Name(), after.Tolerance(), o.same)
	return nil
}

// member is etcd as it is, and its member on the target.
func (o *operation) member(ctx context.Context) (member.Cluster, member.Member, error) {
	c, err := o.members(ctx)
	if err != nil {
		return c, member.Member{}, err
	}
	m, err := o.targeted(c)
	return c, m, err
}
