package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/scenario"
	"workbench/ui/screen"
)

// scenarioEntries are the palette's entries for the scenarios that are built in.
// How a run goes is on the Timeline; its last line goes to the status line.
func scenarioEntries() []entry {
	all, err := scenario.Builtin()
	if err != nil {
		return nil // a test holds that all of them load
	}
	var out []entry
	for _, s := range all {
		name := s.Metadata.Name
		out = append(out, entry{text: "run scenario " + name, detail: s.Metadata.Title, do: func(m *app) tea.Cmd {
			return m.do(screen.Command{Question: "Run " + name + "?", Detail: strings.TrimSuffix(s.Spec.Description, "."), Args: []string{"scenario", "run", name, "--yes"}})
		}})
	}
	return out
}
