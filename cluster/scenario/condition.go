package scenario

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// forms are all forms of conditions, in the order of the documentation.
func forms() []form {
	return slices.Concat(labForms(), raftForms(), kubeForms(), pulseForms())
}

func labForms() []form {
	return []form{
		{usage: "lab whole", text: "every node runs, every component is ready, every Node is Ready, etcd has a leader that all members follow", check: func(v View, _ args) string { return Broken(v.Now) }},
		{usage: "node NODE Ready", text: "Kubernetes has it Ready", check: func(v View, a args) string { return nodeIs(v.Now, a["NODE"], true) }},
		{usage: "node NODE NotReady", text: "Kubernetes has it not Ready", check: func(v View, a args) string { return nodeIs(v.Now, a["NODE"], false) }},
		{usage: "nodes Ready", text: "Kubernetes has every worker Ready", check: func(v View, _ args) string {
			for _, n := range nodesOf(v.Now, event.Worker) {
				if why := nodeIs(v.Now, n, true); why != "" {
					return why
				}
			}
			return ""
		}},
		{usage: "machine NODE STATE", text: "the node as the kernel has it: running, paused, stopped, killed", valid: oneOf("STATE", "running", "paused", "stopped", "killed"), check: func(v View, a args) string {
			n := v.Now.Nodes[a["NODE"]]
			if n == nil {
				return noNode(v.Now, a["NODE"])
			}
			return unless(string(n.State) == a["STATE"], "%s is %s", n.Name, n.State)
		}},
		{usage: "component COMPONENT STATE", text: "of a component such as c1/etcd: ready, unready, paused, stopped, exited", valid: oneOf("STATE", "ready", "unready", "paused", "stopped", "exited"), check: func(v View, a args) string {
			node, name, _ := strings.Cut(a["COMPONENT"], "/")
			n := v.Now.Nodes[node]
			if n == nil || n.Components[name] == nil {
				return "there is no component " + a["COMPONENT"]
			}
			return unless(string(n.Components[name].State) == a["STATE"], "%s is %s", a["COMPONENT"], n.Components[name].State)
		}},
		{usage: "faults landed", text: "every fault that is on was verified to have landed", check: func(v View, _ args) string {
			for _, f := range v.Now.Faults.Active {
				if f.Verdict != event.FaultLanded {
					return fmt.Sprintf("%s %s: %s", f.ID, f.Text, orNone(string(f.Verdict)))
				}
			}
			return ""
		}},
	}
}

func raftForms() []form {
	return []form{
		{usage: "leader", text: "etcd has a leader that a quorum of members follow", check: func(v View, _ args) string { return led(v.Now) }},
		{usage: "no leader", text: "no etcd member that runs leads a quorum", check: func(v View, _ args) string {
			return unless(led(v.Now) != "", "%s leads", v.Now.Raft.Leader())
		}},
		{usage: "leader changed", text: "another etcd member leads than before the last action", check: func(v View, _ args) string {
			if why := led(v.Now); why != "" {
				return why
			}
			return unless(v.Now.Raft.Leader() != v.Base.Leader, "%s leads still", v.Base.Leader)
		}},
		{usage: "leader unchanged", text: "the same etcd member leads, in the same term, as before the last action", check: func(v View, _ args) string {
			now := NewBase(v.Now, v.Now.Now)
			return unless(now.Leader == v.Base.Leader && now.Term == v.Base.Term, "%s in term %d, was %s in term %d", orNone(now.Leader), now.Term, orNone(v.Base.Leader), v.Base.Term)
		}},
		{usage: "member NODE leads", text: "that node's etcd leads", check: func(v View, a args) string {
			return unless(v.Now.Raft.Leader() == a["NODE"], "%s leads", orNone(v.Now.Raft.Leader()))
		}},
		{usage: "member NODE follows", text: "that node's etcd follows the leader", check: func(v View, a args) string { return follows(v.Now, a["NODE"]) }},
		{usage: "member NODE caught up", text: "it follows, and has applied all that was committed before the last action", check: func(v View, a args) string {
			if why := follows(v.Now, a["NODE"]); why != "" {
				return why
			}
			m := v.Now.Raft.Members[a["NODE"]]
			return unless(m.Applied >= v.Base.Commit, "%s has applied %d of %d", a["NODE"], m.Applied, v.Base.Commit)
		}},
		{usage: "lease LEASE moved", text: "of kube-system, such as kube-scheduler: another holds it than before the last action", check: func(v View, a args) string {
			name := a["LEASE"]
			l := v.Now.Kube.Leases["kube-system/"+name]
			if l == nil || l.Holder == "" {
				return "nobody holds the lease " + name
			}
			return unless(l.Holder != v.Base.Holders[name], "%s holds the lease %s still", l.Holder, name)
		}},
		{usage: "lease LEASE kept", text: "the same holds it as before the last action", check: func(v View, a args) string {
			name, now := a["LEASE"], ""
			if l := v.Now.Kube.Leases["kube-system/"+name]; l != nil {
				now = l.Holder
			}
			return unless(now != "" && now == v.Base.Holders[name], "%s holds the lease %s, before it was %s", orNone(now), name, orNone(v.Base.Holders[name]))
		}},
	}
}

// Broken says what of a lab is not up, or "" when all is.
func Broken(w *state.World) string {
	if w.Phase != event.Running {
		return fmt.Sprintf("the lab is %s", w.Phase)
	}
	for _, t := range w.Topology.Nodes {
		n := w.Nodes[t.Name]
		if n == nil || n.State != event.NodeRunning {
			return t.Name + " does not run"
		}
		for _, name := range t.Components {
			if c := n.Components[name]; c == nil || c.State != event.ComponentReady {
				return fmt.Sprintf("%s/%s is not ready", t.Name, name)
			}
		}
		if t.Role == event.Worker {
			if why := nodeIs(w, t.Name, true); why != "" {
				return why
			}
			if why := pressed(w.Kube.Nodes[t.Name]); why != "" {
				return why
			}
			if l := w.Kube.NodeLease(t.Name); l == nil || !l.Renewed.After(n.Since) {
				return "the kubelet of " + t.Name + " has not renewed its lease"
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Raft.Members)) {
		if why := follows(w, name); why != "" && w.Raft.Leader() != name {
			return why
		}
	}
	return led(w)
}

// pressed says that a kubelet tells want of memory, disk or PIDs, so that no pod is
// scheduled to its node.
func pressed(n *state.KubeNode) string {
	for _, t := range n.Taints {
		if strings.HasPrefix(t.Key, "node.kubernetes.io/") && strings.HasSuffix(t.Key, "-pressure") {
			return fmt.Sprintf("%s is tainted %s", n.Name, t.Key)
		}
	}
	return ""
}

func nodeIs(w *state.World, name string, ready bool) string {
	n := w.Kube.Nodes[name]
	if n == nil {
		return noNode(w, name)
	}
	return unless((n.Ready == "True") == ready, "the Ready condition of %s is %s", name, orNone(n.Ready))
}

func noNode(w *state.World, name string) string {
	var names []string
	for _, n := range w.Topology.Nodes {
		names = append(names, n.Name)
	}
	return fmt.Sprintf("there is no node %q; there are %s", name, strings.Join(names, ", "))
}

// led says why etcd has no leader that can commit: a member that was partitioned
// from the others may believe for a moment that it leads.
func led(w *state.World) string {
	leader := w.Raft.Leader()
	if leader == "" {
		return "no etcd member leads"
	}
	need, _, _ := w.Raft.Quorum()
	term, with := w.Raft.Members[leader].Term, 0
	for name, m := range w.Raft.Members {
		if !m.Frozen && m.Role != "" && (name == leader || m.Lead == leader && m.Term == term) {
			with++
		}
	}
	return unless(with >= need, "%s leads %d of %d members", leader, with, len(w.Raft.Members))
}

func follows(w *state.World, name string) string {
	m := w.Raft.Members[name]
	switch leader := w.Raft.Leader(); {
	case m == nil:
		return "there is no etcd member " + name
	case leader == "":
		return "no etcd member leads"
	case m.Frozen:
		return "etcd on " + name + " is frozen"
	case m.Role != event.RaftFollower && m.Role != event.RaftLearner || m.Lead != leader:
		return fmt.Sprintf("etcd on %s is %s and does not follow %s", name, orNone(string(m.Role)), leader)
	}
	return ""
}

func pulseForms() []form {
	return []form{
		{usage: "pulse green", text: "every probe of the pulse succeeds, and has since the last action", check: func(v View, _ args) string { return probes(v, "*", true) }},
		{usage: "pulse TARGET ok", text: "those probes succeed: api-read, api-write, etcd-write, service/w1, dns/w1, or a pattern such as api-*", check: func(v View, a args) string { return probes(v, a["TARGET"], true) }},
		{usage: "pulse TARGET fails", text: "those probes fail", check: func(v View, a args) string { return probes(v, a["TARGET"], false) }},
		{usage: "no failed TARGET", text: "no probe of those has failed since the last action", check: func(v View, a args) string {
			return eachProbe(v, a["TARGET"], func(name string, since []state.ProbeSample) string {
				for _, s := range since {
					if !s.OK {
						return fmt.Sprintf("%s failed at %s: %s", name, s.At.Format("15:04:05.000"), v.Now.Probes[name].LastError)
					}
				}
				return ""
			})
		}},
		{usage: "outage TARGET at most DURATION", text: "those probes succeed, and since the last action none was without success for longer", valid: func(a args) error {
			_, err := time.ParseDuration(a["DURATION"])
			return err
		}, check: func(v View, a args) string {
			most, _ := time.ParseDuration(a["DURATION"])
			if why := probes(v, a["TARGET"], true); why != "" {
				return why
			}
			return eachProbe(v, a["TARGET"], func(name string, since []state.ProbeSample) string {
				longest := outage(since)
				return unless(longest <= most, "%s was without success for %v", name, longest.Round(time.Millisecond))
			})
		}},
	}
}

// outage is the longest time from when a failed probe was sent to the next success.
func outage(samples []state.ProbeSample) time.Duration {
	var longest time.Duration
	var down time.Time
	for _, s := range samples {
		switch {
		case !s.OK && down.IsZero():
			down = s.At.Add(-s.Latency)
		case s.OK && !down.IsZero():
			longest, down = max(longest, s.At.Sub(down)), time.Time{}
		}
	}
	return longest
}

// eachProbe asks about the samples since the base of every matching target.
func eachProbe(v View, pattern string, ask func(name string, since []state.ProbeSample) string) string {
	found := false
	for _, name := range slices.Sorted(maps.Keys(v.Now.Probes)) {
		whole, _ := path.Match(pattern, name)
		kind, _, _ := strings.Cut(name, "/")
		if part, _ := path.Match(pattern, kind); !whole && !part {
			continue
		}
		found = true
		samples := v.Now.Probes[name].Samples
		first, _ := slices.BinarySearchFunc(samples, v.Base.At, func(s state.ProbeSample, at time.Time) int { return s.At.Compare(at) })
		if why := ask(name, samples[first:]); why != "" {
			return why
		}
	}
	return unless(found, "there is no probe %s", pattern)
}

func probes(v View, pattern string, ok bool) string {
	return eachProbe(v, pattern, func(name string, since []state.ProbeSample) string {
		if len(since) == 0 {
			return name + " was not tried since"
		}
		if last := since[len(since)-1]; last.OK != ok {
			return unless(!ok, "%s fails: %s", name, v.Now.Probes[name].LastError) + unless(ok, "%s succeeds", name)
		}
		return ""
	})
}

func oneOf(arg string, known ...string) func(args) error {
	return func(a args) error {
		if !slices.Contains(known, a[arg]) {
			return fmt.Errorf("%q is no state", a[arg])
		}
		return nil
	}
}

func unless(held bool, format string, values ...any) string {
	if held {
		return ""
	}
	return fmt.Sprintf(format, values...)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func atLeast(a args) error {
	_, err := strconv.Atoi(a["N"])
	if err != nil {
		return fmt.Errorf("%q is no number", a["N"])
	}
	return nil
}
