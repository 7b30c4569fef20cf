package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/member"
	"workbench/cluster/plan"
)

func isDisk(kind string) bool { return kind == fault.EtcdLoseDisk || kind == fault.EtcdCorrupt }

func contains(list []string, one string) bool { return slices.Contains(list, one) }

// errMembership says that a member's data cannot be touched now.
var errMembership = errors.New("a member of etcd is being replaced; wait until that is done")

// reconcileDisk damages the data of a node's etcd member where a fault wants it
// and it is whole. To mend it takes the other members: see keepMembers.
func (s *Supervisor) reconcileDisk(n plan.Node, m *machine, want fault.ComponentCondition) error {
	if want.Disk == "" || s.damage(n.Name) != "" {
		return nil
	}
	if !s.membership.TryRLock() {
		return errMembership
	}
	defer s.membership.RUnlock()
	ctx, cancel := context.WithTimeoutCause(s.background, requestTimeout, errors.New("its init does not answer"))
	defer cancel()
	if m != nil {
		if err := s.refusePaused(n.Name, m); err != nil {
			return err
		}
		if err := s.holdDown(ctx, m, n.Name, "etcd"); err != nil {
			return err
		}
	}
	why := memberLost
	if want.Disk == fault.EtcdCorrupt {
		why = memberCorrupt
	}
	// Before the deed: whatever ends it midway, the member is replaced.
	if err := s.setDamage(n.Name, why); err != nil {
		return err
	}
	var err error
	if why == memberLost {
		_, err = member.Lose(s.dataDir(n.Name))
	} else {
		_, err = member.Corrupt(s.dataDir(n.Name))
	}
	if err != nil {
		return err
	}
	if m == nil || want.Down || !s.mayStart(ctx, n) {
		return nil
	}
	return m.handle.Release(ctx, "etcd")
}

// mayStart says whether a damaged member may try to start. An empty one may only
// while another answers, which refuses it: alone it would begin a cluster of its
// own. The others refuse the ID that its flags give it; one that joined later has
// an ID that no flag tells, and would begin or join without its log.
func (s *Supervisor) mayStart(ctx context.Context, n plan.Node) bool {
	if s.damage(n.Name) != memberLost {
		return true
	}
	first, err := firstID(n)
	if err != nil {
		return false
	}
	c, err := s.members(ctx)
	if err != nil || len(upURLs(c, n.Name)) == 0 {
		return false
	}
	m, ok := c.Of(n.Name)
	return ok && m.ID == first
}

// firstID is the ID of the node's member in the cluster that its flags describe.
func firstID(n plan.Node) (uint64, error) {
	c, err := n.Component("etcd")
	if err != nil {
		return 0, err
	}
	flags := map[string]string{}
	for _, arg := range c.Args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		flags[name] = value
	}
	urls, err := types.NewURLs(strings.Split(flags["initial-advertise-peer-urls"], ","))
	if err != nil {
		return 0, fmt.Errorf("ID of the member of %s: %w", n.Name, err)
	}
	return uint64(membership.NewMember(n.Name, urls, flags["initial-cluster-token"], nil).ID), nil
}

// verifyDisk looks at how a member fares whose data is damaged.
func (s *Supervisor) verifyDisk(a activeFault, n string, now event.ComponentState) (finding, bool) {
	what := "its data directory was emptied"
	if s.damage(n) == memberCorrupt {
		what = "a byte of its write-ahead log was inverted"
	}
	switch {
	case s.damage(n) == "":
		return mismatch("its data is whole"), false
	case now.State == event.ComponentReady:
		return mismatch("%s, but it is ready", what), false
	case now.State == event.ComponentExited && now.Cause != "":
		return landed("%s; etcd exits with %d: %s", what, now.ExitCode, now.Cause), true
	case now.State == event.ComponentStopped:
		return landed("%s; it is held down: nobody would refuse it, and without its log it would begin a cluster of its own or vote again", what), true
	}
	return landed("%s; it is not ready", what), false
}
