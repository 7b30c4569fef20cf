package raft

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
	"workbench/ui/screen"
)

// operation is a key that operates the selected member, and its verb.
type operation struct {
	binding key.Binding
	verb    string
}

func operations() []operation {
	bind := func(k, help string) key.Binding {
		return key.NewBinding(key.WithKeys(k), key.WithHelp(k, help))
	}
	return []operation{
		{bind("m", "make leader"), "move-leader"},
		{bind("d", "defragment"), "defrag"},
		{bind("c", "compact"), "compact"},
		{bind("x", "remove member"), "remove"},
		{bind("a", "add as learner"), "add-learner"},
		{bind("v", "give the vote"), "promote"},
	}
}

// operate turns a key into an operation on a member, which the app asks to
// confirm; nil when the key is none.
func operate(msg tea.KeyPressMsg, w *state.World, node string) screen.Intent {
	for _, o := range operations() {
		if key.Matches(msg, o.binding) {
			return screen.Operate(w, o.verb, node)
		}
	}
	return nil
}
