package demo

import (
	"slices"
	"time"

	"workbench/cluster/event"
)

// Kind is what is done to a node, and so what is expected to follow.
type Kind string

// The acts of the tour.
const (
	LeaderKilled   Kind = "leader-killed"
	LeaderReturned Kind = "leader-returned"
	WorkerKilled   Kind = "worker-killed"
	WorkerReturned Kind = "worker-returned"
)

// Act is something done to a node, with what was known when it was done.
type Act struct {
	Kind Kind
	Node string
	// Began is when it was asked for; hops count from here.
	Began time.Time
	// Components of the node.
	Components []string
	// Leases of leaders that ran on the node: lease key -> holder.
	Leases map[string]string
	// Commit is the highest commit index of any member.
	Commit uint64
	// Pods of the application on the node, and all of it, by key.
	Pods, All []string
	Replicas  int
}

// rule tells which events show that a hop of a recovery happened.
type rule struct {
	name string
	// of is how many different keys must be seen; 0 is 1.
	of int
	// after names an earlier rule: only what follows it counts.
	after string
	// see gives the keys that an event shows, or none.
	see func(event.Event) []string
	// clean marks the rule that waits for a target's requests to succeed again.
	clean string
}

// rules of an act, in the order in which they are expected.
func (a Act) rules() []rule {
	switch a.Kind {
	case LeaderKilled:
		return a.leaderKilled()
	case LeaderReturned:
		return a.leaderReturned()
	case WorkerKilled:
		return a.workerKilled()
	}
	return a.workerReturned()
}

const elected = "a new Raft leader is elected"

func (a Act) leaderKilled() []rule {
	role := func(roles ...event.RaftRoleName) func(event.Event) []string {
		return func(e event.Event) []string {
			b, ok := e.Body.(event.RaftRole)
			return keyIf(ok && b.Node != a.Node && slices.Contains(roles, b.Role), b.Node)
		}
	}
	rules := []rule{
		{name: "the node is gone", see: a.nodeState(event.NodeKilled)},
		{name: "a follower calls an election", see: role(event.RaftPreCandidate, event.RaftCandidate)},
		{name: "a candidate asks for votes in a new term", see: role(event.RaftCandidate)},
		{name: elected, see: role(event.RaftLeader)},
		{name: "the API accepts a write", after: elected, see: answered(APIWrite)},
		{name: "the API answers a read", after: elected, see: answered(APIRead)},
		{name: "API writes succeed steadily", clean: APIWrite},
		{name: "API reads succeed steadily", clean: APIRead},
	}
	for _, key := range sortedKeys(a.Leases) {
		rules = append(rules, rule{name: "another " + leaseName(key) + " takes the lead", see: func(e event.Event) []string {
			b, ok := e.Body.(event.KubeLease)
			return keyIf(ok && b.Key() == key && b.Holder != "" && b.Holder != a.Leases[key], b.Holder)
		}})
	}
	return rules
}

func (a Act) leaderReturned() []rule {
	return []rule{
		{name: "the node runs", see: a.nodeState(event.NodeRunning)},
		{name: "its etcd follows the leader", see: func(e event.Event) []string {
			b, ok := e.Body.(event.RaftStatus)
			return keyIf(ok && b.Node == a.Node && b.Role == event.RaftFollower && b.Lead != "", b.Lead)
		}},
		{name: "its etcd applied all that was committed when it started", see: func(e event.Event) []string {
			b, ok := e.Body.(event.RaftStatus)
			return keyIf(ok && b.Node == a.Node && b.Applied >= a.Commit, b.Node)
		}},
		{name: "its etcd is ready", see: a.ready("etcd")},
		{name: "its kube-apiserver is ready", see: a.ready("kube-apiserver")},
		{name: "all its components are ready", of: len(a.Components), see: a.ready(a.Components...)},
		{name: "API writes succeed steadily", clean: APIWrite},
	}
}

const unreachable = "node.kubernetes.io/unreachable"

func (a Act) workerKilled() []rule {
	lost := len(a.Pods)
	return []rule{
		{name: "the node is gone", see: a.nodeState(event.NodeKilled)},
		{name: "the Node is NotReady", see: a.node(func(b event.KubeNode) bool { return b.Ready != "True" })},
		{name: "the Node is tainted " + unreachable + ":NoExecute", see: a.node(tainted)},
		{name: "its pods are out of the EndpointSlice", see: a.slice(func(_, here int) bool { return here == 0 })},
		{name: "requests to the Service succeed steadily", clean: Service},
		{name: "its pods are evicted", of: lost, see: func(e event.Event) []string {
			b, ok := e.Body.(event.KubePod)
			return keyIf(ok && slices.Contains(a.Pods, b.Key()) && !b.Deleting.IsZero(), b.Key())
		}},
		{name: "replacements exist", of: lost, see: a.replacement(func(event.KubePod) bool { return true })},
		{name: "replacements are bound to nodes", of: lost, see: a.replacement(func(b event.KubePod) bool { return b.Node != "" })},
		{name: "replacements are started", of: lost, see: a.replacement(func(b event.KubePod) bool {
			return slices.ContainsFunc(b.Containers, func(c event.KubeContainer) bool { return c.State == "running" })
		})},
		{name: "replacements are ready", of: lost, see: a.replacement(func(b event.KubePod) bool { return b.Ready })},
		{name: "the EndpointSlice is complete", see: a.slice(func(ready, here int) bool { return ready >= a.Replicas && here == 0 })},
	}
}

func (a Act) workerReturned() []rule {
	return []rule{
		{name: "the node runs", see: a.nodeState(event.NodeRunning)},
		{name: "its kubelet is ready", see: a.ready("kubelet")},
		{name: "the Node is Ready", see: a.node(func(b event.KubeNode) bool { return b.Ready == "True" })},
		{name: "the taint is gone", see: a.node(func(b event.KubeNode) bool { return b.Ready == "True" && !tainted(b) })},
		{name: "the evicted pods are removed", of: len(a.Pods), see: a.removed},
		{name: "all its components are ready", of: len(a.Components), see: a.ready(a.Components...)},
		{name: "requests to the Service succeed steadily", clean: Service},
	}
}

func (a Act) nodeState(state event.NodePhase) func(event.Event) []string {
	return func(e event.Event) []string {
		b, ok := e.Body.(event.NodeState)
		return keyIf(ok && b.Node == a.Node && b.State == state, b.Node)
	}
}

func (a Act) ready(components ...string) func(event.Event) []string {
	return func(e event.Event) []string {
		b, ok := e.Body.(event.ComponentState)
		return keyIf(ok && b.Node == a.Node && b.State == event.ComponentReady && slices.Contains(components, b.Component), b.Component)
	}
}

func (a Act) node(is func(event.KubeNode) bool) func(event.Event) []string {
	return func(e event.Event) []string {
		b, ok := e.Body.(event.KubeNode)
		return keyIf(ok && b.Name == a.Node && is(b), b.Name)
	}
}

func tainted(b event.KubeNode) bool {
	return slices.ContainsFunc(b.Taints, func(t event.Taint) bool { return t.Key == unreachable && t.Effect == "NoExecute" })
}

// slice counts the ready endpoints of the Service, in all and on the node.
func (a Act) slice(is func(ready, here int) bool) func(event.Event) []string {
	return func(e event.Event) []string {
		b, ok := e.Body.(event.KubeEndpointSlice)
		if !ok || b.Namespace != appNamespace || b.Service != appName {
			return nil
		}
		ready, here := 0, 0
		for _, endpoint := range b.Endpoints {
			if endpoint.Ready {
				ready++
				if endpoint.Node == a.Node {
					here++
				}
			}
		}
		return keyIf(is(ready, here), b.Name)
	}
}

// replacement is a pod of the application that did not exist before.
func (a Act) replacement(is func(event.KubePod) bool) func(event.Event) []string {
	return func(e event.Event) []string {
		b, ok := e.Body.(event.KubePod)
		return keyIf(ok && isApp(b) && !slices.Contains(a.All, b.Key()) && is(b), b.Key())
	}
}

// removed sees pods go, also those that a watch that was interrupted no longer
// lists.
func (a Act) removed(e event.Event) []string {
	switch b := e.Body.(type) {
	case event.KubeDeleted:
		return keyIf(b.Kind == "Pod" && slices.Contains(a.Pods, b.Key()), b.Key())
	case event.KubeSynced:
		if b.Kind != "Pod" {
			return nil
		}
		return slices.DeleteFunc(slices.Clone(a.Pods), func(key string) bool { return slices.Contains(b.Keys, key) })
	}
	return nil
}

// answered sees a client's request succeed.
func answered(target string) func(event.Event) []string {
	return func(e event.Event) []string {
		b, ok := e.Body.(event.Probe)
		return keyIf(ok && b.Target == target && b.OK, target)
	}
}

func keyIf(ok bool, key string) []string {
	if !ok {
		return nil
	}
	return []string{key}
}
