package screen

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// faultKeys are the keys that break and mend the selection, and their verbs.
func faultKeys() []struct {
	binding key.Binding
	verb    string
} {
	bind := func(k, help string) key.Binding {
		return key.NewBinding(key.WithKeys(k), key.WithHelp(k, help))
	}
	return []struct {
		binding key.Binding
		verb    string
	}{
		{bind("K", "kill"), "kill"},
		{bind("P", "pause"), "pause"},
		{bind("S", "start"), "start"},
		{bind("D", "shut down"), "stop"},
		{bind("R", "restart"), "restart"},
		{bind("C", "cut, slow down"), "cut"},
	}
}

// FaultKeys are the keys HandleFault knows.
func FaultKeys() []key.Binding {
	var keys []key.Binding
	for _, f := range faultKeys() {
		keys = append(keys, f.binding)
	}
	return keys
}

// HandleFault turns a fault key into an intent on a target, which is a node or
// node/component; nil when the key is none.
func HandleFault(msg tea.KeyPressMsg, w *state.World, target string) Intent {
	for _, f := range faultKeys() {
		if key.Matches(msg, f.binding) && f.verb == "cut" {
			node, _, _ := strings.Cut(target, "/")
			return Ask{"cut " + node + " "}
		}
		if key.Matches(msg, f.binding) {
			return FaultOn(w, f.verb, target)
		}
	}
	return nil
}

// FaultOn is the intent to kill, pause (or resume), start, stop or restart a
// target, or a note saying why that makes no sense now.
func FaultOn(w *state.World, verb, target string) Intent {
	name, component, isComponent := strings.Cut(target, "/")
	n := w.Nodes[name]
	if n == nil {
		return Note{"nothing is selected"}
	}
	if !isComponent {
		return nodeFault(n, verb)
	}
	c := n.Components[component]
	if c == nil {
		return Note{"nothing is selected"}
	}
	return componentFault(n, c, verb)
}

func nodeFault(n *state.Node, verb string) Intent {
	down := n.State == event.NodeKilled || n.State == event.NodeStopped
	switch {
	case verb == "restart":
		return Note{"R restarts a component; press tab to choose one of " + n.Name}
	case verb == "start" && !down:
		return Note{fmt.Sprintf("%s is %s; only a node that is down can be started", n.Name, NodeWord(n))}
	case verb == "start":
		return Act{"node.start", n.Name}
	case down || n.State == "":
		return Note{fmt.Sprintf("%s is %s already; S starts it", n.Name, NodeWord(n))}
	case verb == "pause" && n.State == event.NodePaused:
		return Act{"node.resume", n.Name}
	}
	return Fault{"node." + verb, n.Name}
}

func componentFault(n *state.Node, c *state.Component, verb string) Intent {
	target := n.Name + "/" + c.Component
	down := c.State == event.ComponentExited || c.State == event.ComponentStopped
	switch {
	case n.State == event.NodeKilled || n.State == event.NodeStopped:
		return Note{fmt.Sprintf("%s is %s: start the node first", n.Name, NodeWord(n))}
	case verb == "stop":
		return Note{"D stops whole nodes; K kills " + target + " and holds it down"}
	case verb == "start" && !down:
		return Note{fmt.Sprintf("%s is %s; only a component that is down can be started", target, c.State)}
	case verb == "start":
		return Act{"component.start", target}
	case verb == "pause" && c.State == event.ComponentPaused:
		return Act{"component.resume", target}
	case verb != "restart" && (c.State == event.ComponentStopped || c.PID == 0):
		return Note{fmt.Sprintf("%s is %s already; S starts it", target, c.State)}
	}
	return Fault{"component." + verb, target}
}

// NodeWord is the state of a node in a word.
func NodeWord(n *state.Node) string {
	if n.State == "" {
		return "not started"
	}
	return string(n.State)
}

// Equivalent is the command that does the same as a verb, and what it means to
// the kernel where that is a signal.
func Equivalent(w *state.World, verb, target string) (command, meaning string) {
	kind, what, found := strings.Cut(verb, ".")
	if !found {
		return fmt.Sprintf("workbench %s %s", verb, target), "" // fault, heal
	}
	command = fmt.Sprintf("workbench %s %s %s", kind, what, target)
	name, component, _ := strings.Cut(target, "/")
	n := w.Nodes[name]
	if n == nil || n.PID == 0 {
		return command, ""
	}
	signal := map[string]string{"kill": "KILL", "pause": "STOP", "resume": "CONT", "stop": "TERM"}[what]
	if signal == "" {
		return command, ""
	}
	if c := n.Components[component]; c != nil {
		if c.PID == 0 {
			return command, ""
		}
		return command, fmt.Sprintf("nsenter -t %d -p kill -%s %d", n.PID, signal, c.PID)
	}
	switch what {
	case "kill":
		return command, fmt.Sprintf("kill -9 %d", n.PID)
	case "stop":
		return command, fmt.Sprintf("kill -TERM %d", n.PID)
	default:
		return command, fmt.Sprintf("nsenter -t %d -p kill -%s -1", n.PID, signal)
	}
}

// Consequence says in a sentence what a verb does to a target.
func Consequence(verb, target string) string {
	return map[string]string{
		"node.kill":         "its init gets SIGKILL: power loss, every process on it is gone at once",
		"node.stop":         "its init ends every component in order, as a shutdown does",
		"node.pause":        "every process on it is frozen; to the others it just falls silent",
		"component.kill":    "its process gets SIGKILL and stays down until you start it",
		"component.pause":   "its process is frozen: connections stay open, nothing answers",
		"component.restart": "its process is ended and started again",
	}[verb]
}

// Inverse is the verb that takes back another one; "" when there is none.
func Inverse(verb string) string {
	return map[string]string{
		"node.kill": "node.start", "node.stop": "node.start", "node.pause": "node.resume",
		"component.kill": "component.start", "component.pause": "component.resume",
	}[verb]
}

// Undo is the action that takes back the last one that still stands; nil when
// there is none.
func Undo(w *state.World) Intent {
	mended := map[string]bool{}
	for i := len(w.Actions) - 1; i >= 0; i-- {
		a := w.Actions[i]
		inverse := Inverse(a.Verb)
		switch {
		case a.Verb == "fault":
			if f := standing(w, a.Target); f != nil && a.Error == "" {
				return Act{"heal", f.ID}
			}
		case inverse != "" && len(w.Faults.Active)+len(w.Faults.Ended) > 0 && len(w.Faults.On(a.Target)) == 0:
			// its lease is over, or it was healed
		case a.Error != "" || mended[a.Target]:
		case inverse != "":
			return Act{inverse, a.Target}
		case strings.HasSuffix(a.Verb, ".start") || strings.HasSuffix(a.Verb, ".resume") || strings.HasSuffix(a.Verb, ".restart"):
			mended[a.Target] = true
		}
	}
	return nil
}

// standing is the fault with that text that is still on; nil when none is.
func standing(w *state.World, text string) *state.Fault {
	for _, f := range w.Faults.Active {
		if f.Text == text {
			return f
		}
	}
	return nil
}
