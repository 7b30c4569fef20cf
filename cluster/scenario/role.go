package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// role is a part that a node plays; what plays it is looked up when a step first
// names it, and then stays the same for the whole run.
type role struct {
	name, text string
	find       func(w *state.World, taken Roles) []string
	missing    string // why there may be none
}

// Roles are the nodes that were found to play roles, by role.
type Roles map[string]string

// roles are all roles. It is a function for its finders name it.
func roles() []role {
	first := func(list []string) []string { return list[:min(len(list), 1)] }
	return []role{
		{"leader", "the control plane whose etcd leads", func(w *state.World, _ Roles) []string {
			if l := w.Raft.Leader(); l != "" {
				return []string{l}
			}
			return nil
		}, "no etcd member leads"},
		{"follower", "the first control plane whose etcd follows", func(w *state.World, t Roles) []string { return first(followers(w, t)) }, "no etcd member follows: the lab has one control plane"},
		{"followers", "all of them, with commas", func(w *state.World, t Roles) []string { return followers(w, t) }, "no etcd member follows: the lab has one control plane"},
		{"control-planes", "all control planes, with commas", func(w *state.World, _ Roles) []string { return nodesOf(w, event.ControlPlane) }, "the lab has no control plane"},
		{"scheduler", "the control plane whose kube-scheduler holds the lease", leaseHolder("kube-scheduler"), "no kube-scheduler leads"},
		{"controller-manager", "the control plane whose kube-controller-manager holds the lease", leaseHolder("kube-controller-manager"), "no kube-controller-manager leads"},
		{"worker", "the worker with most pods", func(w *state.World, _ Roles) []string { return first(busiest(w)) }, "the lab has no worker"},
		{"other-worker", "the worker with most pods but that one", func(w *state.World, t Roles) []string {
			all := busiest(w)
			not := t["worker"]
			if not == "" && len(all) > 0 {
				not = all[0]
			}
			return first(slices.DeleteFunc(all, func(n string) bool { return n == not }))
		}, "the lab has one worker"},
		{"workers", "all workers, with commas", func(w *state.World, _ Roles) []string { return nodesOf(w, event.Worker) }, "the lab has no worker"},
	}
}

// RoleText is a role and what plays it, for documentation.
type RoleText struct{ Name, Text string }

// RoleTexts are all roles.
func RoleTexts() []RoleText {
	var out []RoleText
	for _, r := range roles() {
		out = append(out, RoleText{r.name, r.text})
	}
	return out
}

func roleNames() string {
	var names []string
	for _, r := range roles() {
		names = append(names, "${"+r.name+"}")
	}
	return strings.Join(names, ", ")
}

func nodesOf(w *state.World, of event.Role) []string {
	var out []string
	for _, n := range w.Topology.Nodes {
		if n.Role == of {
			out = append(out, n.Name)
		}
	}
	return out
}

// followers are the members other than the leader that the run knows.
func followers(w *state.World, taken Roles) []string {
	leader := taken["leader"]
	if leader == "" {
		leader = w.Raft.Leader()
	}
	return slices.DeleteFunc(nodesOf(w, event.ControlPlane), func(n string) bool { return n == leader })
}

// busiest are the workers, that with most pods first.
func busiest(w *state.World) []string {
	out := nodesOf(w, event.Worker)
	slices.SortStableFunc(out, func(a, b string) int { return len(w.Kube.PodsOn(b)) - len(w.Kube.PodsOn(a)) })
	return out
}

func leaseHolder(lease string) func(*state.World, Roles) []string {
	return func(w *state.World, _ Roles) []string {
		if node := holder(w, lease); node != "" {
			return []string{node}
		}
		return nil
	}
}

// holder is the node of who holds a leader lease of kube-system, or "".
func holder(w *state.World, lease string) string {
	l := w.Kube.Leases["kube-system/"+lease]
	if l == nil {
		return ""
	}
	node, _, _ := strings.Cut(l.Holder, "_")
	return node
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// placeholder is a name to check the grammar of a text with.
func placeholder(name string) (string, error) {
	for _, r := range roles() {
		if r.name == name {
			return name, nil
		}
	}
	return "", fmt.Errorf("there is no role ${%s}", name)
}

// substitute replaces roles in a text.
func substitute(text string, find func(role string) (string, error)) (string, error) {
	var errs []error
	out := variable.ReplaceAllStringFunc(text, func(v string) string {
		name, err := find(v[2 : len(v)-1])
		errs = append(errs, err)
		return name
	})
	return out, errors.Join(errs...)
}

// Bind replaces the roles in a text by the nodes that play them in a world, and
// remembers those for the rest of the run.
func (r Roles) Bind(text string, w *state.World) (string, error) {
	return substitute(text, func(name string) (string, error) {
		if node := r[name]; node != "" {
			return node, nil
		}
		all := roles()
		i := slices.IndexFunc(all, func(one role) bool { return one.name == name })
		if i < 0 {
			return "", fmt.Errorf("there is no role ${%s}", name)
		}
		found := all[i].find(w, r)
		if len(found) == 0 {
			return "", fmt.Errorf("nothing plays ${%s}: %s", name, all[i].missing)
		}
		r[name] = strings.Join(found, ",")
		return r[name], nil
	})
}

// Fits says why a lab is too small for the scenario.
func (s Scenario) Fits(w *state.World) error {
	have := Needs{len(nodesOf(w, event.ControlPlane)), len(nodesOf(w, event.Worker))}
	if have.ControlPlanes < s.Spec.Needs.ControlPlanes || have.Workers < s.Spec.Needs.Workers {
		return fmt.Errorf("%s needs a lab of at least %d control planes and %d workers; this one has %d and %d; start one with: workbench --name big up --control-planes %d --workers %d",
			s.Metadata.Name, s.Spec.Needs.ControlPlanes, s.Spec.Needs.Workers, have.ControlPlanes, have.Workers,
			max(have.ControlPlanes, s.Spec.Needs.ControlPlanes), max(have.Workers, s.Spec.Needs.Workers))
	}
	return nil
}
