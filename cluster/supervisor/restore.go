package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/cluster/plan"
	"workbench/cluster/state"
)

// revisionBump is how far the revision of a restored cluster jumps ahead, as etcd's
// documentation has it: clients that saw revisions after the snapshot must not
// take new ones for those.
const revisionBump = 1_000_000_000

// restore brings all of etcd back to what a snapshot has, as after a loss of the
// quorum: it needs no member to be up.
func (o *operation) restore(ctx context.Context) error {
	st, err := snapshotStatus(o.File)
	if err != nil {
		return err
	}
	if err := o.refuseBroken(); err != nil {
		return err
	}
	nodes := o.controlPlanes()
	now, err := o.members(ctx)
	lost := "what was written after it is lost"
	if err == nil {
		lost = fmt.Sprintf("the cluster is at revision %d: what was written since, in %d revisions, is lost", now.Revision(), now.Revision()-st.Revision)
	}
	if err := o.ask(
		fmt.Sprintf("the snapshot has revision %d with %d keys; %s", st.Revision, st.TotalKey, lost),
		"etcd and kube-apiserver stop on all control planes, and a new etcd cluster begins with the snapshot's data; pods run on, those that the snapshot does not know end then",
	); err != nil {
		return err
	}
	o.Target, o.same = strings.Join(namesOf(nodes), ","), "etcdutl snapshot restore "+o.File+" --name … --initial-cluster … --bump-revision 1000000000 --mark-compacted, on each"
	o.membership.Lock()
	defer o.membership.Unlock()
	began := time.Now()
	o.say("stop kube-apiserver, then etcd, on %s: nothing may be written while the data is replaced", o.Target)
	running, err := o.stopStores(ctx, nodes)
	if err != nil {
		return errors.Join(err, o.startStores(ctx, running))
	}
	for _, n := range nodes {
		if err := restoreMember(o.place, n, nodes, o.File, began); err != nil {
			return errors.Join(err, o.startStores(ctx, running))
		}
		o.say("%s: data directory made of the snapshot, as a member of a cluster with a new ID; revisions go on from %d and older ones count as compacted, so that every watch lists anew",
			n.Name, st.Revision+revisionBump)
	}
	if err := o.startStores(ctx, running); err != nil {
		return err
	}
	o.endDiskFaults()
	o.say("etcd and kube-apiserver are ready on %s after %v, at revision %d of the snapshot  =  %s",
		strings.Join(namesOf(running), ", "), time.Since(began).Round(time.Millisecond), st.Revision, o.same)
	return nil
}

func namesOf(nodes []plan.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return out
}

// stores are the components that a restore stops, in this order.
var stores = []string{"kube-apiserver", "etcd"}

// refuseBroken is why no restore can be: a fault holds what it has to start.
func (o *operation) refuseBroken() error {
	d := o.faults.desired()
	for _, n := range o.controlPlanes() {
		if d.Node(n.Name).Frozen {
			return fmt.Errorf("%s is frozen: its data cannot be replaced under it; heal that first, or kill the node", n.Name)
		}
		for _, name := range stores {
			if c := d.Component(n.Name + "/" + name); c.Down || c.Frozen || c.Crash {
				return fmt.Errorf("a fault holds %s/%s: heal it first: workbench heal --all", n.Name, name)
			}
		}
	}
	return nil
}

// stopStores holds down what uses the data, on nodes that run, and gives those.
func (o *operation) stopStores(ctx context.Context, nodes []plan.Node) (running []plan.Node, err error) {
	for _, n := range nodes {
		if _, err := o.machine(n.Name); err == nil {
			running = append(running, n)
		}
	}
	for _, name := range stores {
		var all errgroup.Group
		for _, n := range running {
			all.Go(func() error {
				m, err := o.machine(n.Name)
				if err != nil {
					return err
				}
				return o.holdDown(ctx, m, n.Name, name)
			})
		}
		if err := all.Wait(); err != nil {
			return running, fmt.Errorf("stop %s: %w", name, err)
		}
	}
	return running, nil
}

// startStores starts them again, etcd first, and waits until they are ready.
func (o *operation) startStores(ctx context.Context, nodes []plan.Node) error {
	for _, name := range []string{"etcd", "kube-apiserver"} {
		var all errgroup.Group
		for _, n := range nodes {
			all.Go(func() error {
				m, err := o.machine(n.Name)
				if err != nil {
					return err
				}
				c, err := n.Component(name)
				if err != nil {
					return err
				}
				var held bool
				o.rec.See(func(w *state.World) { held = w.Nodes[n.Name].Components[name].PID == 0 })
				if held {
					if err := m.handle.Start(ctx, c); err != nil {
						return err
					}
				}
				return o.awaitComponent(ctx, n.Name, name, m.handle.PID)
			})
		}
		if err := all.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// endDiskFaults ends the faults whose damage a restore has undone.
func (o *operation) endDiskFaults() {
	for _, f := range o.faults.active() {
		if isDisk(f.Kind) {
			if _, ok := o.faults.remove(f.ID); ok {
				o.rec.Emit(event.FaultEnded{ID: f.ID, Cause: "restored from a snapshot"})
			}
		}
	}
}

// restoreMember makes the data directory of a node's member of a snapshot. The
// one there was is kept until the new one is whole.
func restoreMember(place layout.Lab, n plan.Node, all []plan.Node, file string, at time.Time) error {
	dir := filepath.Join(place.Root(n.Name), plan.EtcdDir)
	fresh := dir + ".restored"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("restore %s: %w", n.Name, err)
	}
	var initial []string
	for _, one := range all {
		initial = append(initial, one.Initial())
	}
	err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: file, Name: n.Name, OutputDataDir: fresh, PeerURLs: []string{n.PeerURL()},
		InitialCluster: strings.Join(initial, ","),
		// A token of its own: members of before must not be taken for these.
		InitialClusterToken: fmt.Sprintf("workbench-%s-restored-%d", place.Name, at.Unix()),
		RevisionBump:        revisionBump, MarkCompacted: true,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("restore %s from %s: %w", n.Name, file, err), os.RemoveAll(fresh))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("restore %s: %w", n.Name, err)
	}
	if _, err := member.Lose(dir); err != nil {
		return fmt.Errorf("restore %s: %w", n.Name, err)
	}
	if err := os.Rename(filepath.Join(fresh, "member"), filepath.Join(dir, "member")); err != nil {
		return fmt.Errorf("restore %s: %w", n.Name, err)
	}
	if err := os.Remove(place.Damage(n.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("restore %s: %w", n.Name, err)
	}
	return os.RemoveAll(fresh)
}

// RestoreStopped brings etcd of a lab that does not run back to what a snapshot
// has, such as one that cannot boot because too many members lost their data. It
// holds the lab's lock meanwhile.
func RestoreStopped(place layout.Lab, versions plan.Versions, file string, say io.Writer) error {
	lock, err := takeLock(place)
	if err != nil {
		return err
	}
	defer lock.Close()
	st, err := snapshotStatus(file)
	if err != nil {
		return err
	}
	saved, err := place.Load()
	if err != nil {
		return err
	}
	p, err := planOf(saved, versions)
	if err != nil {
		return err
	}
	s := &Supervisor{plan: p, place: place, log: slog.New(slog.DiscardHandler)}
	nodes := s.controlPlanes()
	for _, n := range nodes {
		if err := restoreMember(place, n, nodes, file, time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(say, "%s: data directory made of the snapshot\n", n.Name)
	}
	_, err = fmt.Fprintf(say, "lab %s has the data of revision %d; start it with: workbench up --name %s\n", place.Name, st.Revision, place.Name)
	return err
}
