package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// show prints a part of the world in short lines, for transcripts.
func show(w *World, what string) (string, error) {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	if service, ok := strings.CutPrefix(what, "truth:"); ok {
		showTruth(line, w.Truth(service))
		return b.String(), nil
	}
	switch what {
	case "proxy":
		showProxy(line, w)
	case "lab":
		line("%s %q since %s %s", w.Topology.Name, w.Phase, after(w.PhaseSince), w.PhaseDetail)
		line("seq %d, now %s, started %s", w.Seq, after(w.Now), after(w.Started))
	case "steps":
		for _, s := range w.Steps {
			line("step %s %q done=%t took=%v %s", s.ID, s.Title, s.Done, s.Took, s.Error)
		}
	case "nodes":
		for _, name := range slices.Sorted(maps.Keys(w.Nodes)) {
			showNode(line, w.Nodes[name])
		}
	case "shutdown":
		for _, name := range slices.Sorted(maps.Keys(w.Nodes)) {
			s := &w.Nodes[name].Shutdown
			line("%s held by %v for up to %v; %q at %s, waits for %v, took %v", name, s.Inhibitors, s.Limit, s.Phase, after(s.Announced), s.Waits, s.Took)
		}
	case "usage":
		for _, name := range slices.Sorted(maps.Keys(w.Nodes)) {
			showUsage(line, w.Nodes[name])
		}
	case "metrics":
		for _, name := range slices.Sorted(maps.Keys(w.Nodes)) {
			showMetrics(line, w.Nodes[name])
		}
	case "raft":
		showRaft(line, w)
	case "messages":
		showMessages(line, w)
	case "entries":
		showEntries(line, w)
	case "kube":
		showKube(line, &w.Kube)
	case "sched":
		showSched(line, &w.Sched)
	case "changes":
		showChanges(line, &w.Changes)
	case "probes":
		for _, target := range slices.Sorted(maps.Keys(w.Probes)) {
			p := w.Probes[target]
			line("probe %s: %d samples, failing %s, last outage %v at %s, last error %q",
				target, len(p.Samples), after(p.Failing), p.LastOutage, after(p.LastOutageAt), p.LastError)
		}
	case "actions":
		for _, a := range w.Actions {
			line("action %s %s at %s (%s) %s", a.Verb, a.Target, after(a.At), a.Equivalent, a.Error)
		}
	case "scenario":
		if s := w.Scenario; s != nil {
			line("%s %q %s of %d steps since %s, ended %s: %q", s.Run, s.Title, s.Phase, s.Steps, after(s.Began), after(s.Ended), s.Detail)
			for _, d := range s.Done {
				line("  %d %q %s at %s took %v %q", d.Index, d.Text, d.Outcome, after(d.At), d.Took, d.Detail)
			}
		}
		if l := w.Timeline.Lanes[LaneScenario]; l != nil {
			for _, m := range l.Marks {
				line("  mark %s %s %q key %t", after(m.At), m.Class, m.Text, m.Key)
			}
		}
	case "images":
		for _, i := range w.Images.Rows() {
			line("%s %.10s %d bytes, %d/%d layers shared, from %q, on %v", i.Name, i.Digest, i.Bytes, i.Shared, i.Layers, i.From, i.On)
			for _, p := range i.Pulls {
				line("  pulls %s %s: %d of %d for %v, told %s", p.Part, p.Image, p.Bytes, p.Size, p.Nodes, after(p.At))
			}
			if f := i.Failure; f != nil {
				line("  failed %d times, last %s for %s at %s: %s", f.Count, f.Part, f.Node, after(f.At), f.Error)
			}
		}
	case "faults":
		showFaults(line, &w.Faults)
	case "lost":
		for _, source := range slices.Sorted(maps.Keys(w.Lost)) {
			line("lost %s since %s: %s", source, after(w.Lost[source].Since), w.Lost[source].Detail)
		}
		if len(w.Lost) == 0 {
			line("nothing lost")
		}
	case "timeline":
		for _, name := range slices.Sorted(maps.Keys(w.Timeline.Lanes)) {
			var marks []string
			for _, m := range w.Timeline.Lanes[name].Marks {
				text := fmt.Sprintf("%s %s", after(m.At), m.Class)
				if m.Key {
					text = "!" + text
				}
				if m.Text != "" {
					text += fmt.Sprintf(" (%s)", m.Text)
				}
				if m.N > 1 {
					text += fmt.Sprintf(" x%d to %s", m.N, after(m.To))
				}
				marks = append(marks, text)
			}
			line("%s: %s", name, strings.Join(marks, ", "))
		}
	default:
		return "", fmt.Errorf("show %s: no such part of the world", what)
	}
	return b.String(), nil
}

// after gives a time as the transcripts do.
func after(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return "+" + t.Sub(start).String()
}

type printer func(format string, args ...any)

func showNode(line printer, n *Node) {
	line("%s %s %s %q since %s pid %d %s", n.Name, n.Role, n.IP, n.State, after(n.Since), n.PID, n.Cause)
	for _, name := range slices.Sorted(maps.Keys(n.Components)) {
		c := n.Components[name]
		line("  %s %s since %s pid %d restarts %d backoff %v %s", name, c.State, after(c.Since), c.PID, c.Restarts, c.Backoff, c.Cause)
	}
}

func showUsage(line printer, n *Node) {
	show := func(name string, u UsageSeries) {
		l, network := u.Last(), ""
		if len(u.Received) > 0 {
			network = fmt.Sprintf(", %d samples of the network, last %d in %d out", len(u.Received), l.Received, l.Sent)
		}
		line("%s: %d samples over %v, last %.3f cores %d bytes%s", name, len(u.Milli), u.Span(), l.Cores, l.MemoryBytes, network)
	}
	for _, name := range slices.Sorted(maps.Keys(n.Components)) {
		if u := n.Components[name].Usage; len(u.Milli) > 0 {
			show(n.Name+"/"+name, u)
		}
	}
	show(n.Name+" pods", n.Pods)
	for _, uid := range slices.Sorted(maps.Keys(n.PodUsage)) {
		show(n.Name+" pod "+uid, *n.PodUsage[uid])
	}
	show(n.Name, n.Usage)
}

func showMetrics(line printer, n *Node) {
	for _, name := range slices.Sorted(maps.Keys(n.Components)) {
		m := n.Components[name].Metrics
		if m == nil {
			line("%s/%s: nothing", n.Name, name)
			continue
		}
		line("%s/%s: at %s since %s, history %v", n.Name, name, after(m.At), after(m.Since), m.Span())
		for _, metric := range slices.Sorted(maps.Keys(m.Figures)) {
			for _, label := range m.Figures.Labels(metric) {
				line("  %s %q %g, %g/s", metric, label, m.Figures[metric][label], m.Rates[metric][label])
			}
		}
		for _, r := range Readings(name) {
			line("  %s %v", r.Name, m.History[r.Name])
		}
	}
}

func showRaft(line printer, w *World) {
	need, up, _ := w.Raft.Quorum()
	line("leader %q, %d of %d up, quorum %d", w.Raft.Leader(), up, len(w.Raft.Members), need)
	for _, name := range slices.Sorted(maps.Keys(w.Raft.Members)) {
		m := w.Raft.Members[name]
		line("  %s %q term %d lead %q commit %d progress %d", name, m.Role, m.Term, m.Lead, m.Commit, len(m.Progress))
		var swim []string
		for _, s := range m.Swim {
			role := string(s.Role)
			if role == "" {
				role = "down"
			}
			swim = append(swim, fmt.Sprintf("%s %s/%d", after(s.At), role, s.Term))
		}
		if len(swim) > 0 {
			line("    %s", strings.Join(swim, ", "))
		}
	}
	for _, l := range w.Raft.Log {
		line("  log %s %s %s", after(l.At), l.Node, l.Text)
	}
}

func showKube(line printer, k *Kube) {
	for _, key := range slices.Sorted(maps.Keys(k.Nodes)) {
		n := k.Nodes[key]
		line("node %s ready=%s %s taints=%d lease=%t pods=%s", key, n.Ready, n.Reason, len(n.Taints), k.NodeLease(key) != nil, strings.Join(k.PodsOn(key), ","))
	}
	for _, key := range slices.Sorted(maps.Keys(k.Leases)) {
		l := k.Leases[key]
		line("lease %s held by %s renewed %s seen %s", key, l.Holder, after(l.Renewed), after(l.At))
	}
	for _, key := range slices.Sorted(maps.Keys(k.Pods)) {
		p := k.Pods[key]
		line("pod %s %s on %q ready=%t rv=%s", key, p.Status, p.Node, p.Ready, p.ResourceVersion)
	}
	for _, key := range slices.Sorted(maps.Keys(k.Deployments)) {
		d := k.Deployments[key]
		line("deployment %s %d/%d", key, d.Ready, d.Replicas)
	}
	for _, key := range slices.Sorted(maps.Keys(k.Services)) {
		s := k.Services[key]
		line("service %s %s %s", key, s.ClusterIP, strings.Join(s.Ports, ","))
	}
	for _, key := range slices.Sorted(maps.Keys(k.Slices)) {
		s := k.Slices[key]
		line("slice %s of %s: %d endpoints", key, s.Service, len(s.Endpoints))
	}
	for _, e := range k.Events {
		line("event %s %s %s: %s", e.EventType, e.Reason, e.Regarding, e.Message)
	}
}

func showMessages(line printer, w *World) {
	for _, key := range slices.Sorted(maps.Keys(w.Raft.Pairs)) {
		p := w.Raft.Pairs[key]
		line("%s heard %s waiting %d dropped %d", key, after(p.Heard), p.Waiting, p.Dropped)
		for _, m := range p.Marks {
			lost := ""
			if m.Lost {
				lost = "lost"
			}
			line("  %s %s %s", after(time.UnixMicro(m.At).UTC()), m.Kind, lost)
		}
	}
}

func showEntries(line printer, w *World) {
	for _, name := range slices.Sorted(maps.Keys(w.Raft.Members)) {
		m := w.Raft.Members[name]
		line("%s last %d", name, m.Last)
		for _, run := range m.Log {
			line("  %d-%d term %d", run.First, run.Last, run.Term)
		}
	}
	for _, e := range w.Raft.Entries {
		line("%d term %d %s %s if=%t more=%d bytes=%d rev=%d", e.Index, e.Term, e.Op, e.Key, e.If, e.More, e.Bytes, e.Revision)
	}
}

func showFaults(line func(string, ...any), f *Faults) {
	for _, list := range [][]*Fault{f.Active, f.Ended} {
		for _, one := range list {
			line("fault %s %q since %s lease %v verdict %q at %s %v ended %s %s %s", one.ID, one.Text, after(one.At), one.Lease,
				one.Verdict, after(one.VerifiedAt), one.Evidence, after(one.EndedAt), one.Cause, one.Error)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Links)) {
		c := f.Links[key]
		line("link %s cut=%t loss=%g delay=%v jitter=%v rate=%d dropped=%d delayed=%d", key, c.Cut, c.Loss, c.Delay, c.Jitter, c.Rate, c.Dropped, c.Delayed)
	}
	if len(f.Active)+len(f.Ended)+len(f.Links) == 0 {
		line("nothing is broken")
	}
}
