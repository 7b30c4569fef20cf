package screen

import (
	"fmt"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// EtcdVerbs are the operations on one etcd member.
func EtcdVerbs() []string {
	return []string{"move-leader", "defrag", "compact", "remove", "add-learner", "promote"}
}

// Operate is the intent to operate the etcd member on a node, or a note saying why
// that makes no sense now.
func Operate(w *state.World, verb, node string) Intent {
	m := w.Raft.Members[node]
	if m == nil {
		return Note{"no etcd member is selected"}
	}
	leader := w.Raft.Leader()
	switch {
	case m.Out && verb != "add-learner" && verb != "compact":
		return Note{node + " is no member of etcd: a adds it as a learner"}
	case !m.Out && verb == "add-learner":
		return Note{node + " is a member already; x removes it"}
	case verb == "promote" && !w.Raft.Learner(node):
		return Note{node + " votes already: only a learner can be given the vote"}
	case verb == "move-leader" && w.Raft.Learner(node):
		return Note{node + " is a learner and cannot lead; v gives it the vote"}
	case verb == "move-leader" && leader == node:
		return Note{node + " leads already; choose a follower"}
	case verb != "add-learner" && verb != "remove" && m.Role == "":
		return Note{node + "'s etcd is down"}
	}
	c := Command{Args: []string{"etcd", verb, node}}
	switch verb {
	case "move-leader":
		c.Question = "Make " + node + " the leader?"
		c.Detail = fmt.Sprintf("%s hands over: %s. Writes wait for a few ms meanwhile", leader, behind(w, node))
	case "defrag":
		c.Question = "Defragment " + node + "?"
		c.Detail = node + " rewrites its database file with what is in use, and answers nothing until it is done"
		if leader == node {
			c.Detail += ". It leads: no write commits meanwhile"
		}
	case "compact":
		c.Question, c.Args = "Compact etcd?", []string{"etcd", "compact"}
		c.Detail = "all members forget the values that keys had before the newest revision; who watches from an older one lists anew"
	case "remove":
		c.Question = "Remove the member of " + node + "?"
		need, up, _ := w.Raft.Quorum()
		c.Detail = fmt.Sprintf("etcd has %d members up and needs %d now; kube-apiserver on %s serves no more. It is refused where the quorum would be lost", up, need, node)
		c.Args = append(c.Args, "--yes") // this asks
	case "add-learner":
		c.Question = "Add " + node + " to etcd again?"
		c.Detail = "as a learner, with an empty data directory: it copies the leader's data and has no vote until v gives it"
	case "promote":
		c.Question = "Give " + node + " the vote?"
		c.Detail = fmt.Sprintf("%s. etcd refuses a learner that has less than 90 %% of the leader's log", behind(w, node))
	}
	return c
}

// behind says what the leader knows of a follower's log.
func behind(w *state.World, node string) string {
	lead := w.Raft.Members[w.Raft.Leader()]
	if lead == nil {
		return "there is no leader now"
	}
	p, ok := lead.Progress[node]
	if !ok {
		return "the leader has not told how far " + node + " is"
	}
	last := max(lead.Last, lead.Commit)
	return fmt.Sprintf("%s has matched %d of its %d entries", node, p.Match, last)
}

// Operations are what the palette offers of etcd and the pulse: by the words that the
// user types.
func Operations(w *state.World) map[string]Intent {
	out := map[string]Intent{}
	pulse := "off"
	if w.PulseOff {
		pulse = "on"
	}
	out["pulse "+pulse] = Command{Args: []string{"pulse", pulse}}
	for _, n := range w.Topology.Nodes {
		if n.Role != event.ControlPlane || w.Raft.Members[n.Name] == nil {
			continue
		}
		for _, verb := range EtcdVerbs() {
			intent := Operate(w, verb, n.Name)
			if c, ok := intent.(Command); ok {
				out[strings.Join(c.Args, " ")] = intent
			}
		}
	}
	return out
}
