package ui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
)

// typed is a command that the palette takes: some words, and perhaps an argument
// that the user types after them.
type typed struct {
	words, argument string // argument is "" where there is none
	detail          string
	// options are arguments that the palette completes.
	options []string
	// intent is what comes of it.
	intent func(argument string) screen.Intent
}

// commands are the commands of the palette that are not about one thing on screen.
func (m *app) commands() []typed {
	ask := func(question, detail string, yes bool, words ...string) func(string) screen.Intent {
		return func(argument string) screen.Intent {
			args := with(words, argument)
			if yes {
				args = append(args, "--yes") // this asks
			}
			return screen.Command{Question: strings.TrimSpace(question+" "+argument) + "?", Detail: detail, Args: args}
		}
	}
	page := func(title string, words ...string) func(string) screen.Intent {
		return func(argument string) screen.Intent {
			return screen.Page{Title: strings.TrimSpace(title + " " + argument), Args: with(words, argument)}
		}
	}
	var nodes, reports []string
	for _, n := range m.world.Topology.Nodes {
		nodes = append(nodes, n.Name)
	}
	for _, r := range m.world.Recovery.List {
		reports = append(reports, r.ID)
	}
	out := []typed{
		{words: "scene save", argument: "NAME", detail: "keep the whole lab as of now", intent: ask("Save scene",
			"Every process of the lab stands still while its files are copied. A scene of that name stays as it is", false, "scene", "save")},
		{words: "scene load", argument: "NAME", detail: "bring the lab back to a scene", intent: ask("Load scene",
			"The lab goes down and boots with the scene's data: what it did since is lost. This app is connected again when it is up", true, "scene", "load")},
		{words: "scene rm", argument: "NAME", detail: "delete a scene", intent: ask("Delete scene", "It cannot be loaded any more", true, "scene", "rm")},
		{words: "scene list", detail: "the scenes that there are", intent: page("Scenes", "scene", "list")},
		{words: "etcd snapshot save", argument: "FILE", detail: "all that etcd holds, in a file", intent: ask("Save a snapshot to",
			"All that etcd holds, as of one revision. A file of that name stays as it is", false, "etcd", "snapshot", "save")},
		{words: "etcd restore", argument: "FILE", detail: "a new etcd cluster from a snapshot", intent: ask("Restore etcd from",
			"All members begin anew with the snapshot's data: what was written after it is lost. It needs no quorum", true, "etcd", "restore")},
		{words: "etcd status", detail: "term, log, revision and database of members", intent: page("etcd", "etcd", "status")},
		{words: "node add", argument: "ROLE", detail: "boot one more node into the lab", options: []string{string(event.Worker), string(event.ControlPlane)},
			intent: ask("Add a", "It is booted into the lab while that runs, and written to its file", false, "node", "add")},
		{words: "node remove", argument: "NODE", detail: "take a node out of the lab", options: nodes, intent: ask("Remove",
			"A worker is drained, the member of a control plane leaves etcd; then all that was on it is deleted. What would cost the quorum is refused", true, "node", "remove")},
		{words: "report", argument: "FAULT", detail: "how the lab recovered from a fault, hop by hop", options: append([]string{"last"}, reports...), intent: page("Report", "report")},
	}
	if s := m.world.Scenario; s.Runs() {
		kind := "scenario"
		if s.Name == state.Campaign {
			kind = s.Name
		}
		out = append(out, typed{words: "abort " + s.Name, detail: fmt.Sprintf("%s, by %s", s.Title, s.Owner), intent: ask("Stop "+s.Name,
			"Whoever runs it heals its faults and deletes what it applied", false, kind, "stop")})
	}
	return out
}

// with are the words of a command and its argument, unless that is "".
func with(words []string, argument string) []string {
	if argument == "" {
		return slices.Clone(words)
	}
	return append(slices.Clone(words), argument)
}

// commandEntries begin a command in the palette, or do it.
func (m *app) commandEntries() []entry {
	var out []entry
	for _, c := range m.commands() {
		if c.argument == "" {
			out = append(out, c.entry(""))
			continue
		}
		out = append(out, entry{text: c.words + " " + c.argument, detail: c.detail, complete: c.words + " "})
	}
	return out
}

func (c typed) entry(argument string) entry {
	return entry{text: strings.TrimSpace(c.words + " " + argument), detail: c.detail, do: func(m *app) tea.Cmd { return m.do(c.intent(argument)) }}
}

// typedCommand is what the palette makes of a command that is being typed.
func (m *app) typedCommand(query string) []entry {
	var out []entry
	for _, c := range m.commands() {
		argument, ok := strings.CutPrefix(query, c.words+" ")
		if !ok || c.argument == "" {
			continue
		}
		argument = strings.TrimSpace(argument)
		for _, o := range c.options {
			if strings.HasPrefix(o, argument) {
				out = append(out, c.entry(o))
			}
		}
		if len(c.options) == 0 && argument != "" {
			out = append(out, c.entry(argument))
		}
	}
	return out
}
