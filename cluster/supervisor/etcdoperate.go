package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"

	"workbench/cluster/member"
)

// longTimeout bounds what reads or rewrites a whole database.
const longTimeout = 5 * time.Minute

func (o *operation) listMembers(ctx context.Context) error {
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	o.tell(c.Members())
	o.tell(c.Tolerance())
	return nil
}

func (o *operation) memberStatus(ctx context.Context) error {
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	o.tell(c.Status())
	o.tell(c.Tolerance())
	return nil
}

// target is the member on the node that the request names.
func (o *operation) targeted(c member.Cluster) (member.Member, error) {
	n, err := o.planned(o.Target)
	if err != nil {
		return member.Member{}, err
	}
	if !n.ControlPlane {
		return member.Member{}, fmt.Errorf("%s is a worker: etcd's members are on control planes", o.Target)
	}
	m, ok := c.Of(o.Target)
	if !ok {
		return m, fmt.Errorf("etcd has no member on %s; add it with: workbench etcd add-learner %s", o.Target, o.Target)
	}
	return m, nil
}

func (o *operation) moveLeader(ctx context.Context) error {
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	leader, ok := c.Leader()
	if !ok {
		return errors.New("etcd has no leader that could hand over; see: workbench etcd status")
	}
	var heir member.Member
	if o.Target == "" {
		if heir, err = c.Heir(); err == nil {
			o.Target = heir.Node
		}
	} else if heir, err = o.targeted(c); err == nil {
		err = c.CanLead(heir)
	}
	if err != nil {
		return err
	}
	o.same = "etcdctl move-leader " + heir.HexID()
	o.say("%s leads term %d and has committed %d; %s has matched %d, %d behind. A leader waits until its heir has all of its log before it hands over",
		leader.Name(), leader.Term, leader.Index, heir.Name(), heir.Match(), leader.Index-min(heir.Match(), leader.Index))
	began := time.Now()
	if err := o.withEtcd(ctx, memberTimeout, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.MoveLeader(ctx, heir.ID)
		return err
	}, leader.ClientURL); err != nil {
		return fmt.Errorf("move the leadership to %s: %w", heir.Name(), err)
	}
	took := time.Since(began)
	now, err := o.members(ctx)
	if err != nil {
		return err
	}
	new, ok := now.Leader()
	if !ok || new.ID != heir.ID {
		return fmt.Errorf("%s was asked to lead, but %s does: it lost the election", heir.Name(), new.Name())
	}
	o.say("%s leads term %d after %v: %s told it to campaign at once (MsgTimeoutNow), without an election timeout  =  %s",
		heir.Name(), new.Term, took.Round(time.Millisecond), leader.Name(), o.same)
	return nil
}

func (o *operation) defragment(ctx context.Context) error {
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	var order, last []member.Member // the leader last: its pause is felt by all writes
	for _, m := range c {
		switch {
		case o.Target != "" && m.Node != o.Target || o.Target == "" && !m.Up():
		case m.Leads:
			last = append(last, m)
		default:
			order = append(order, m)
		}
	}
	if o.Target != "" {
		if _, err := o.targeted(c); err != nil {
			return err
		}
	}
	order, freed := append(order, last...), int64(0)
	o.same = "etcdctl defrag --cluster"
	if o.Target != "" {
		o.same = "etcdctl defrag --endpoints " + order[0].ClientURL
	}
	for _, m := range order {
		if !m.Up() {
			return fmt.Errorf("defragment %s: it does not answer: %s", m.Name(), m.Problem)
		}
		o.say("%s (%s): its file has %s, of which %s are in use. It copies what is in use to a new file and answers nothing meanwhile",
			m.Name(), m.Role(), member.Bytes(m.DBBytes), member.Bytes(m.DBUsed))
		began := time.Now()
		var after *clientv3.StatusResponse
		if err := o.withEtcd(ctx, longTimeout, func(ctx context.Context, client *clientv3.Client) error {
			if _, err := client.Defragment(ctx, m.ClientURL); err != nil {
				return err
			}
			var err error
			after, err = client.Status(ctx, m.ClientURL)
			return err
		}, m.ClientURL); err != nil {
			return fmt.Errorf("defragment %s: %w", m.Name(), err)
		}
		freed += m.DBBytes - after.DbSize
		o.say("%s: %s now, after %v", m.Name(), member.Bytes(after.DbSize), time.Since(began).Round(time.Millisecond))
	}
	o.say("%s given back to the disk  =  %s", member.Bytes(freed), o.same)
	return nil
}

func (o *operation) compact(ctx context.Context) error {
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	rev := o.Revision
	if rev == 0 {
		rev = c.Revision()
	}
	o.Target = fmt.Sprint(rev)
	o.same = fmt.Sprintf("etcdctl compact %d --physical", rev)
	o.say("the newest revision is %d. Of every key, older values than the one at revision %d are forgotten; who watches from an older one has to list anew. kube-apiserver does the same every 5 minutes",
		c.Revision(), rev)
	began := time.Now()
	if err := o.withEtcd(ctx, longTimeout, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Compact(ctx, rev, clientv3.WithCompactPhysical())
		return err
	}, upURLs(c, "")...); err != nil {
		return fmt.Errorf("compact to revision %d: %w", rev, err)
	}
	took := time.Since(began)
	now, err := o.members(ctx)
	if err != nil {
		return err
	}
	for _, m := range now {
		if m.Up() {
			o.say("%s: %s of %s in use; the file keeps its size until it is defragmented", m.Name(), member.Bytes(m.DBUsed), member.Bytes(m.DBBytes))
		}
	}
	o.say("compacted to revision %d after %v  =  %s", rev, took.Round(time.Millisecond), o.same)
	return nil
}

func (o *operation) snapshot(ctx context.Context) error {
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(o.File); err == nil {
		if err := o.ask(o.File + " exists and is replaced"); err != nil {
			return err
		}
	}
	from, err := c.Heir()
	why := "a follower, so that the leader has nothing to do with it"
	if err != nil {
		var ok bool
		if from, ok = c.Leader(); !ok {
			return errors.New("no voter of etcd is up to take a snapshot of; see: workbench etcd status")
		}
		why = "the only voter that is up"
	}
	cfg, err := o.etcdConfig(from.ClientURL)
	if err != nil {
		return err
	}
	o.Target, o.same = from.Node, "etcdctl snapshot save "+o.File+" --endpoints "+from.ClientURL
	o.say("%s sends its database as of one revision: %s", from.Name(), why)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, longTimeout)
	defer cancel()
	if _, err := snapshot.NewV3(zap.NewNop()).Save(ctx, cfg, o.File); err != nil {
		return fmt.Errorf("save a snapshot of %s to %s: %w", from.Name(), o.File, err)
	}
	took := time.Since(began)
	st, err := snapshotStatus(o.File)
	if err != nil {
		return err
	}
	o.say("%s: revision %d, %d keys, %s, hash %x, after %v  =  %s",
		o.File, st.Revision, st.TotalKey, member.Bytes(st.TotalSize), st.Hash, took.Round(time.Millisecond), o.same)
	return nil
}

// snapshotStatus reads a snapshot through, or says why it is none.
func snapshotStatus(file string) (snapshot.Status, error) {
	st, err := snapshot.NewV3(zap.NewNop()).Status(file)
	if err != nil {
		return st, fmt.Errorf("read snapshot %s: %w; a whole one comes from: workbench etcd snapshot save FILE", file, err)
	}
	return st, nil
}
