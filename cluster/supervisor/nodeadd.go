package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/plan"
	"workbench/cluster/spec"
	"workbench/cluster/state"
)

// addNode boots one more node into the lab, by the same plan as a boot.
func (o *operation) addNode(ctx context.Context) error {
	before := o.specification()
	lab, n, err := before.Add(spec.Addition{
		ControlPlane: o.Role == event.ControlPlane, Name: o.Target, CPUs: spec.Cores(o.CPUs), Memory: spec.Bytes(o.MemoryBytes),
	})
	if err != nil {
		return err
	}
	o.Target = n.Name
	if _, have := machineSize(); have > 0 && int64(lab.MemoryNeed()) > have {
		return fmt.Errorf("add %s: the lab would need about %s of memory, and this machine has %s", n.Name, lab.MemoryNeed(), spec.Bytes(have))
	}
	if err := o.refuseLeftovers(n.Name); err != nil {
		return err
	}
	if n.ControlPlane {
		if c, err := o.members(ctx); err != nil {
			return err
		} else if need, voters, up := c.Quorum(); up < need {
			return fmt.Errorf("add %s: etcd has no quorum, %d of %d voters are up and %d are needed to add one", n.Name, up, voters, need)
		}
	}
	began := time.Now()
	o.say("%s gets %s, which no node had before, and is written to the lab's file: the next up boots it as well", n.Name, n.Address)
	if n.ControlPlane {
		// Its member joins a cluster that runs, and so it is if this is cut short.
		if err := os.MkdirAll(o.place.Node(n.Name), 0o755); err != nil {
			return fmt.Errorf("add %s: %w", n.Name, err)
		}
		if err := o.setDamage(n.Name, memberJoining); err != nil {
			return err
		}
	}
	o.links.know(peer{n.Name, n.Address})
	if err := o.replan(lab); err != nil {
		return err
	}
	for _, t := range o.current().Topology.Nodes {
		if t.Name == n.Name {
			o.rec.Emit(event.NodeAdded{TopologyNode: t})
		}
	}
	steps, err := o.current().Join(n.Name)
	if err != nil {
		return err
	}
	if err := execute(ctx, steps, o.rec.Emit, o.step); err != nil {
		return fmt.Errorf("add %s: %w; it belongs to the lab: try again with workbench node start %s, or take it out with workbench node remove %s", n.Name, err, n.Name, n.Name)
	}
	o.settle(n.Name)
	if err := o.tellOthers(ctx, n.ControlPlane); err != nil {
		return err
	}
	if n.ControlPlane {
		return o.sayControlPlane(ctx, n, began)
	}
	o.say("%s is Ready after %v: its kubelet registered it, kube-controller-manager gave it %s for its pods, and all nodes have the route  =  kubectl get node %s",
		n.Name, time.Since(began).Round(100*time.Millisecond), o.podCIDR(n.Name), n.Name)
	return nil
}

// refuseLeftovers refuses a name whose node left something behind.
func (o *operation) refuseLeftovers(name string) error {
	if _, err := os.Stat(o.place.Root(name)); err == nil {
		return fmt.Errorf("add %s: %s is there, of another node of that name; choose another", name, o.place.Root(name))
	}
	return nil
}

func (o *operation) sayControlPlane(ctx context.Context, n spec.Node, began time.Time) error {
	c, err := o.members(ctx)
	if err != nil {
		return err
	}
	m, _ := c.Of(n.Name)
	o.same = fmt.Sprintf("etcdctl member add %s --learner, etcdctl member promote %s", n.Name, m.HexID())
	o.say("%s is a control plane after %v: member %s votes, etcd has %s  =  %s", n.Name, time.Since(began).Round(100*time.Millisecond), m.HexID(), c.Tolerance(), o.same)
	return nil
}

func (o *operation) podCIDR(name string) (cidr string) {
	o.rec.See(func(w *state.World) {
		if n := w.Kube.Nodes[name]; n != nil {
			cidr = n.PodCIDR
		}
	})
	return cidr
}

// tellOthers lets the nodes that run know the nodes of now: names in /etc/hosts, and
// with other control planes the balancers, which read their list when they start.
func (o *operation) tellOthers(ctx context.Context, controlPlanes bool) error {
	var restarted []string
	var errs []error
	for _, n := range o.current().Nodes {
		if err := o.writeHosts(n); err != nil {
			errs = append(errs, err)
			continue
		}
		m, err := o.machine(n.Name)
		if err != nil || n.ControlPlane || !controlPlanes {
			continue // one that does not run reads it when it starts
		}
		if o.isPaused(m) {
			errs = append(errs, fmt.Errorf("%s is paused: its balancer knows the control planes of now after: workbench node resume %s; workbench node stop %s; workbench node start %s", n.Name, n.Name, n.Name, n.Name))
			continue
		}
		if err := o.restartWith(ctx, m, n, "api-balancer"); err != nil {
			errs = append(errs, err)
			continue
		}
		restarted = append(restarted, n.Name)
	}
	if controlPlanes {
		o.say("the API's port on this machine follows by itself. Restarted: api-balancer on %s, which knows the control planes by its arguments; kubelet and kube-proxy there connect anew. Not restarted: any kube-apiserver, as each asks the etcd member on its own node alone",
			orNone(restarted))
	}
	return errors.Join(errs...)
}

// orNone lists names.
func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// restartWith restarts a component of a node with the arguments of the plan of now.
func (o *operation) restartWith(ctx context.Context, m *machine, n plan.Node, name string) error {
	c, err := n.Component(name)
	if err != nil {
		return err
	}
	if d := o.faults.desired().Component(n.Name + "/" + name); d.Down || d.Frozen {
		return fmt.Errorf("a fault holds %s/%s: it knows the control planes of before until it is restarted", n.Name, name)
	}
	if err := o.holdDown(ctx, m, n.Name, name); err != nil {
		return err
	}
	if err := m.handle.Start(ctx, c); err != nil {
		return err
	}
	return o.awaitComponent(ctx, n.Name, name, m.handle.PID)
}

// hostsFile names all nodes, on each.
const hostsFile = "/etc/hosts"

func (o *operation) writeHosts(n plan.Node) error {
	root, err := os.OpenRoot(o.place.Root(n.Name))
	if err != nil {
		return err
	}
	defer root.Close()
	f := n.Files[hostsFile]
	return replace(root, hostsFile, []byte(f.Content), os.FileMode(f.Mode))
}
