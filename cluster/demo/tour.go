package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
)

// tour is one run of the demo.
type tour struct {
	Config
	rec      *recording
	began    time.Time
	deployed time.Duration // from the tour's begin until the application was ready
	user     string        // the worker from which the Service is used
	acts     []Act
}

// run drives the lab while it is watched and used. What watches ends with it.
func (t *tour) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watching, ctx := errgroup.WithContext(ctx)
	defer func() {
		cancel(errTourOver)
		if watched := watching.Wait(); err == nil {
			err = watched
		}
	}()
	after := t.rec.world.Seq
	watching.Go(func() error { return unlessOver(ctx, t.Client.Follow(ctx, after, t.rec.journal)) })
	address, err := t.deploy(ctx)
	if err != nil {
		return err
	}
	pid, err := t.chooseUser()
	if err != nil {
		return err
	}
	users, err := apiUsers(t.REST, t.rec.client)
	if err != nil {
		return err
	}
	ns, err := namespace.NetOf(pid)
	if err != nil {
		return fmt.Errorf("use the Service from %s: %w", t.user, err)
	}
	watching.Go(func() error {
		serviceUser(ns, address, t.rec.client).use(ctx)
		return ns.Close()
	})
	for _, u := range users {
		watching.Go(func() error {
			u.use(ctx)
			return nil
		})
	}
	if err := t.steady(ctx); err != nil {
		return err
	}
	return t.perform(ctx)
}

// errTourOver is why what watches and uses the lab ends.
var errTourOver = errors.New("the tour is over")

func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (t *tour) deploy(ctx context.Context) (string, error) {
	t.sayf("deploy the application: %d replicas behind a Service", t.Replicas)
	address, err := deploy(ctx, t.REST, t.Replicas)
	if err != nil {
		return "", err
	}
	err = t.rec.await(ctx, func(w *state.World, _ []event.Event) bool {
		ready := 0
		for _, s := range w.Kube.Slices {
			if s.Namespace != appNamespace || s.Service != appName {
				continue
			}
			for _, endpoint := range s.Endpoints {
				if endpoint.Ready {
					ready++
				}
			}
		}
		return ready >= t.Replicas && len(appPods(w, "", true)) >= t.Replicas
	})
	if err != nil {
		return "", fmt.Errorf("wait for the application: %w", err)
	}
	t.deployed = time.Since(t.began)
	t.sayf("the application is ready after %d ms: %s", t.deployed.Milliseconds(), t.spread())
	return address, nil
}

// chooseUser picks the last worker as the place of the Service's user; another
// one is killed.
func (t *tour) chooseUser() (pid int, err error) {
	workers := 0
	t.user = t.see(func(w *state.World) (last string) {
		for _, n := range w.Topology.Nodes {
			if n.Role == event.Worker {
				workers++
				last, pid = n.Name, w.Nodes[n.Name].PID
			}
		}
		return last
	})
	if workers < 2 || pid == 0 {
		return 0, fmt.Errorf("the lab has %d workers, the last one with init %d; failover needs 2 that run", workers, pid)
	}
	return pid, nil
}

// steady waits until all clients' requests have succeeded for a while.
func (t *tour) steady(ctx context.Context) error {
	t.sayf("use it: a request to the Service every %v from %s, API reads and writes every %v from the host", serviceInterval, t.user, apiInterval)
	began := time.Now()
	err := t.rec.await(ctx, func(_ *state.World, events []event.Event) bool {
		for _, target := range targets {
			var h Hop
			if h.settle(began, requests(events, target, began)); !h.Observed() {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("wait until requests succeed: %w", err)
	}
	return nil
}

// perform kills and brings back the leader's node and a worker.
func (t *tour) perform(ctx context.Context) error {
	leader := t.see(func(w *state.World) string { return w.Raft.Leader() })
	if leader == "" {
		return errors.New("no Raft member leads")
	}
	if err := t.act(ctx, LeaderKilled, leader); err != nil {
		return err
	}
	if err := t.act(ctx, LeaderReturned, leader); err != nil {
		return err
	}
	victim := t.see(func(w *state.World) string {
		most, name := 0, ""
		for _, n := range w.Topology.Nodes {
			if pods := len(appPods(w, n.Name, false)); n.Role == event.Worker && n.Name != t.user && pods > most {
				most, name = pods, n.Name
			}
		}
		return name
	})
	if victim == "" {
		return fmt.Errorf("no worker but %s runs pods of the application", t.user)
	}
	if err := t.act(ctx, WorkerKilled, victim); err != nil {
		return err
	}
	return t.act(ctx, WorkerReturned, victim)
}

// see reads one thing from the world.
func (t *tour) see(look func(*state.World) string) string {
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	return look(t.rec.world)
}

// act does something to a node and waits until the lab has recovered, telling
// each hop once.
func (t *tour) act(ctx context.Context, kind Kind, node string) error {
	a := t.prepare(kind, node)
	verb := "node.kill"
	if kind == LeaderReturned || kind == WorkerReturned {
		verb = "node.start"
	}
	t.say("", "%s  (workbench %s)", title(a), strings.ReplaceAll(verb, ".", " ")+" "+node)
	a.Began = time.Now()
	t.acts = append(t.acts, a)
	if err := t.Client.Act(ctx, api.Request{Verb: verb, Target: node}); err != nil {
		return fmt.Errorf("%s %s: %w", verb, node, err)
	}
	told := map[string]bool{}
	var missing []string
	err := t.rec.await(ctx, func(_ *state.World, events []event.Event) bool {
		missing = nil
		for _, h := range a.Hops(events) {
			if !h.Observed() {
				missing = append(missing, h.Name)
			} else if !told[h.Name] {
				told[h.Name] = true
				t.Say(hopLine(h))
			}
		}
		return len(missing) == 0
	})
	if err != nil {
		return fmt.Errorf("%s: not observed: %s: %w", title(a), strings.Join(missing, "; "), err)
	}
	return nil
}

// prepare notes what an act is measured by.
func (t *tour) prepare(kind Kind, node string) Act {
	a := Act{Kind: kind, Node: node, Replicas: t.Replicas, Leases: map[string]string{}}
	t.see(func(w *state.World) string {
		a.Components = w.Nodes[node].TopologyNode.Components
		a.Pods, a.All = appPods(w, node, false), appPods(w, "", false)
		for _, m := range w.Raft.Members {
			a.Commit = max(a.Commit, m.Commit)
		}
		for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
			key := "kube-system/" + name
			if l := w.Kube.Leases[key]; l != nil && strings.HasPrefix(l.Holder, node+"_") {
				a.Leases[key] = l.Holder
			}
		}
		return ""
	})
	return a
}

// appPods are the application's pods on a node, or all of them, that are not
// being deleted or, on a node, whatever they are.
func appPods(w *state.World, node string, ready bool) []string {
	var out []string
	for key, p := range w.Kube.Pods {
		if isApp(*p) && (node == "" || p.Node == node) && (!ready || p.Ready && p.Deleting.IsZero()) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// spread says where the application's pods are.
func (t *tour) spread() string {
	return t.see(func(w *state.World) string {
		var parts []string
		for _, n := range w.Topology.Nodes {
			if n.Role == event.Worker {
				parts = append(parts, fmt.Sprintf("%d on %s", len(appPods(w, n.Name, true)), n.Name))
			}
		}
		return strings.Join(parts, ", ")
	})
}

func (t *tour) sayf(format string, args ...any) { t.Say(fmt.Sprintf(format, args...)) }

func (t *tour) say(before, format string, args ...any) {
	t.Say(before)
	t.sayf(format, args...)
}
