package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/cluster/plan"
	"workbench/cluster/state"
)

// Why a member has to be replaced before it can take part again; kept in the
// node's damage file, so that whatever ends the supervisor, the next start of
// the node makes the member whole.
const (
	memberLost    = "lost"    // a fault emptied its data directory
	memberCorrupt = "corrupt" // a fault changed its write-ahead log
	memberJoining = "joining" // it is new, or being replaced
	memberOut     = "removed" // a user removed it
)

// damage is why the member on a node has to be replaced; "" when it need not be.
func (s *Supervisor) damage(node string) string {
	raw, err := os.ReadFile(s.place.Damage(node))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// setDamage notes why a member has to be replaced, or with "" that it need not be.
func (s *Supervisor) setDamage(node, why string) error {
	if why == "" {
		if err := os.Remove(s.place.Damage(node)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("note that etcd of %s is whole: %w", node, err)
		}
		return nil
	}
	return layout.WriteFile(s.place.Damage(node), []byte(why+"\n"), 0o600)
}

// dataDir is the data directory of the member on a node, as seen from here.
func (s *Supervisor) dataDir(node string) string {
	return filepath.Join(s.place.Root(node), plan.EtcdDir)
}

// rejoin replaces the member of a node by a new one with an empty data directory:
// what etcd documents for a member whose data is gone. The old one is removed, the
// new one is added as a learner, which has no vote while it copies the leader's
// data, and with promotes it becomes a voter.
func (s *Supervisor) rejoin(ctx context.Context, n plan.Node, say func(string, ...any), promote bool) error {
	s.membership.Lock()
	defer s.membership.Unlock()
	if s.damage(n.Name) == "" {
		return nil // somebody else was quicker
	}
	m, err := s.machine(n.Name)
	if err != nil {
		return err
	}
	c, err := s.awaitQuorum(ctx, n.Name)
	if err != nil {
		return err
	}
	if err := s.holdDown(ctx, m, n.Name, "etcd"); err != nil {
		return err
	}
	if old, ok := c.Of(n.Name); ok {
		if err := c.Removable(old); err != nil {
			return err
		}
		say("remove member %s of %s: a member that lost what it acknowledged must not vote under its old name  =  etcdctl member remove %s", old.HexID(), n.Name, old.HexID())
		if err := s.patiently(ctx, upURLs(c, n.Name), func(ctx context.Context, client *clientv3.Client) error {
			_, err := client.MemberRemove(ctx, old.ID)
			return err
		}); err != nil {
			return fmt.Errorf("remove member %s of %s: %w", old.HexID(), n.Name, err)
		}
	}
	if _, err := member.Lose(s.dataDir(n.Name)); err != nil {
		return err
	}
	added, initial, err := s.addMember(ctx, n, upURLs(c, n.Name))
	if err != nil {
		return err
	}
	say("add member %x of %s as a learner: it takes the leader's log and counts for no quorum yet  =  etcdctl member add %s --learner --peer-urls=%s",
		added, n.Name, n.Name, n.PeerURL())
	joining, err := n.Joining(initial)
	if err != nil {
		return err
	}
	if err := m.handle.Start(ctx, joining); err != nil {
		return err
	}
	if err := s.awaitLearner(ctx, n, m.handle.PID); err != nil {
		return err
	}
	if !promote {
		return nil
	}
	return s.promoteMember(ctx, n, added, say)
}

// addMember adds the member of a node as a learner and gives all that are members
// then, in the form that etcd starts with.
func (s *Supervisor) addMember(ctx context.Context, n plan.Node, endpoints []string) (id uint64, initial []string, err error) {
	err = s.patiently(ctx, endpoints, func(ctx context.Context, client *clientv3.Client) error {
		a, err := client.MemberAddAsLearner(ctx, []string{n.PeerURL()})
		if err != nil {
			return err
		}
		id = a.Member.GetID()
		initial = nil
		for _, one := range a.Members {
			name := one.GetName()
			if one.GetID() == id {
				name = n.Name
			}
			for _, u := range one.GetPeerURLs() {
				initial = append(initial, name+"="+u)
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("add the member of %s: %w", n.Name, err)
	}
	return id, initial, nil
}

// promoteMember gives a learner its vote, once it has the leader's log.
func (s *Supervisor) promoteMember(ctx context.Context, n plan.Node, id uint64, say func(string, ...any)) error {
	began := time.Now()
	c, err := s.members(ctx)
	if err != nil {
		return err
	}
	if err := s.patiently(ctx, upURLs(c, n.Name), func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.MemberPromote(ctx, id)
		return err
	}); err != nil {
		return fmt.Errorf("promote the member of %s: %w", n.Name, err)
	}
	if err := s.setDamage(n.Name, ""); err != nil {
		return err
	}
	if c, err = s.members(ctx); err != nil {
		return err
	}
	say("promote %s to a voter: it has the leader's log, which took %v; now %s  =  etcdctl member promote %x",
		n.Name, time.Since(began).Round(time.Millisecond), c.Tolerance(), id)
	m, err := s.machine(n.Name)
	if err != nil {
		return err
	}
	return s.awaitComponent(ctx, n.Name, "etcd", m.handle.PID)
}

// membershipTimeout bounds how long etcd is waited for to change its membership.
const membershipTimeout = 2 * time.Minute

// patiently asks etcd for a change of its membership, again while it says that it
// is not the time: it wants its members connected for 5 s before it adds one, and a
// learner to have caught up before it votes.
func (s *Supervisor) patiently(ctx context.Context, endpoints []string, do func(context.Context, *clientv3.Client) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, membershipTimeout, fmt.Errorf("not within %v", membershipTimeout))
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.withEtcd(ctx, memberTimeout, do, endpoints...)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, rpctypes.ErrUnhealthy), errors.Is(err, rpctypes.ErrMemberLearnerNotReady), errors.Is(err, rpctypes.ErrTooManyLearners),
			errors.Is(err, rpctypes.ErrMemberNotEnoughStarted):
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// awaitQuorum waits until enough voters besides that of a node are up to change
// the membership, as while a lab boots.
func (s *Supervisor) awaitQuorum(ctx context.Context, but string) (member.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := s.members(ctx)
		if err == nil {
			old, _ := c.Of(but)
			if _, leads := c.Leader(); !leads {
				err = errors.New("etcd has no leader")
			} else {
				err = c.Removable(old)
			}
			if err == nil {
				return c, nil
			}
		}
		var booting bool
		s.rec.See(func(w *state.World) { booting = w.Phase == event.Booting })
		if !booting {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("replace etcd of %s: %w", but, err)
		case <-tick.C:
		}
	}
}

// awaitLearner waits until the new member of a node answers; a learner is never
// ready by etcd's own account.
func (s *Supervisor) awaitLearner(ctx context.Context, n plan.Node, init int) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.withEtcd(ctx, time.Second, func(ctx context.Context, client *clientv3.Client) error {
			_, err := client.Status(ctx, n.ClientURL())
			return err
		}, n.ClientURL())
		if err == nil {
			return nil
		}
		var cause string
		s.rec.See(func(w *state.World) {
			if node := w.Nodes[n.Name]; node.PID != init {
				cause = fmt.Sprintf("node %s is %s", n.Name, node.State)
			} else if c := node.Components["etcd"]; c.Restarts > 3 {
				cause = c.Cause
			}
		})
		if cause != "" {
			return fmt.Errorf("start the new member on %s: %s; see: workbench logs %s/etcd", n.Name, cause, n.Name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start the new member on %s: %w; see: workbench logs %s/etcd", n.Name, err, n.Name)
		case <-tick.C:
		}
	}
}

// holdDown ends a component and keeps it down; one that is down stays so.
func (s *Supervisor) holdDown(ctx context.Context, m *machine, node, component string) error {
	var now event.ComponentPhase
	s.rec.See(func(w *state.World) {
		if c := w.Nodes[node].Components[component]; c != nil {
			now = c.State
		}
	})
	if now == event.ComponentWaiting || now == event.ComponentStopped || now == "" {
		return nil
	}
	if err := m.handle.KillComponent(ctx, component, "held down for an operation"); err != nil {
		return err
	}
	return s.rec.Await(ctx, func(w *state.World) (bool, error) {
		c := w.Nodes[node].Components[component]
		return c.State == event.ComponentStopped || c.State == event.ComponentExited, nil
	})
}

// keepMembers replaces members whose damage no fault wants any more, until ctx
// ends. It works apart from other faults, which never wait for etcd.
func (s *Supervisor) keepMembers(ctx context.Context) {
	for {
		pending := false
		for _, n := range s.controlPlanes() {
			if !s.repairable(n) {
				continue
			}
			o := &operation{Supervisor: s, tell: func(string) {}}
			o.Verb, o.Target = "etcd.replace", n.Name
			if err := s.rejoin(ctx, n, o.say, true); err != nil && ctx.Err() == nil {
				s.log.Warn("replace etcd member", "node", n.Name, "cause", err)
				pending = true
			}
		}
		wait := time.Hour
		if pending {
			wait = retryEvery
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.faults.member:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// repairable says that a fault left a member to be replaced, and that it can be.
func (s *Supervisor) repairable(n plan.Node) bool {
	if why := s.damage(n.Name); why != memberLost && why != memberCorrupt {
		return false
	}
	want := s.faults.desired().Component(n.Name + "/etcd")
	node := s.faults.desired().Node(n.Name)
	var running bool
	s.rec.See(func(w *state.World) {
		running = w.Phase == event.Running && w.Nodes[n.Name].State == event.NodeRunning
	})
	return running && want.Disk == "" && !want.Down && !want.Frozen && node.Down == "" && !node.Frozen
}

// awaitRepairs waits until members that a fault had damaged are whole, for a
// while: a heal is done when what it heals works.
func (s *Supervisor) awaitRepairs(ctx context.Context, healed []event.FaultInjected) error {
	var nodes []plan.Node
	for _, f := range healed {
		for _, n := range s.controlPlanes() {
			if isDisk(f.Kind) && contains(f.Components, n.Name+"/etcd") && s.repairable(n) {
				nodes = append(nodes, n)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for _, n := range nodes {
		for s.damage(n.Name) != "" {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("the member of %s is not replaced after %v; it is tried again every %v; without a quorum only a snapshot helps: workbench etcd restore FILE",
					n.Name, repairTimeout, retryEvery)
			}
		}
	}
	return nil
}

// repairTimeout is how long a heal waits for members to be replaced.
const repairTimeout = 30 * time.Second
