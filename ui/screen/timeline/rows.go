package timeline

import (
	"maps"
	"slices"
	"strings"

	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// row is a line of the screen: one lane, or several that are told as one.
type row struct {
	name   string // of the first lane
	kind   string
	label  string
	indent int
	node   string // set for rows that open
	lanes  []*state.Lane
}

// lanes are those of the newest that is known, when it is of the run that is shown.
func lanes(cx *screen.Context) map[string]*state.Lane {
	if l := cx.Clock.Latest; l != nil && l.Started.Equal(cx.World.Started) && l.Seq >= cx.World.Seq {
		return l.Timeline.Lanes
	}
	return cx.World.Timeline.Lanes
}

// order is the kinds of lanes from top to bottom.
func order() []string {
	return []string{state.LaneYou, state.LaneFaults, state.LaneLab, state.LanePulse, state.LaneRaft, state.LaneLease, state.LaneNode, state.LaneReady,
		state.LaneBinds, state.LanePods, state.LaneEndpoints, state.LaneWarnings, state.LaneSource}
}

// rows are the lanes to draw, from top to bottom.
func (t *Timeline) rows(cx *screen.Context) []row {
	all := lanes(cx)
	place := map[string]int{} // of nodes, by the topology
	for i, n := range cx.World.Topology.Nodes {
		place[n.Name] = i
	}
	kinds := map[string][]string{}
	for name := range all {
		kind, _, _ := strings.Cut(name, "/")
		kinds[kind] = append(kinds[kind], name)
	}
	var out []row
	add := func(r row) {
		if cx.Filter == "" || strings.Contains(strings.ToLower(r.label), strings.ToLower(cx.Filter)) {
			out = append(out, r)
		}
	}
	known := map[string]bool{state.LaneComponent: true}
	for _, kind := range append(order(), others(kinds)...) {
		if known[kind] {
			continue
		}
		known[kind] = true
		names := kinds[kind]
		slices.SortFunc(names, func(a, b string) int {
			if d := place[after(a)] - place[after(b)]; d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		for _, name := range names {
			r := row{name: name, kind: kind, label: label(name), lanes: []*state.Lane{all[name]}}
			if kind != state.LaneNode {
				add(r)
				continue
			}
			components := componentsOf(all, after(name))
			r.node = after(name)
			if !t.opened[r.node] {
				for _, c := range components {
					r.lanes = append(r.lanes, all[c])
				}
			}
			add(r)
			for _, c := range components {
				if t.opened[r.node] {
					add(row{name: c, kind: state.LaneComponent, label: after(after(c)), indent: 2, node: r.node, lanes: []*state.Lane{all[c]}})
				}
			}
		}
	}
	return out
}

// others are the kinds of lanes that this screen has no place for: they come last.
func others(kinds map[string][]string) []string { return slices.Sorted(maps.Keys(kinds)) }

func componentsOf(all map[string]*state.Lane, node string) []string {
	var names []string
	for name := range all {
		if strings.HasPrefix(name, state.LaneComponent+"/"+node+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// after is the part of a name behind the first slash.
func after(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	return rest
}

// label is a lane's name for people, short where it is that of a component.
func label(name string) string {
	kind, what, _ := strings.Cut(name, "/")
	switch kind {
	case state.LaneLease:
		what = pane.ShortName(what)
	case state.LaneComponent:
		node, component, _ := strings.Cut(what, "/")
		return widget.Clean(node + " " + pane.ShortName(component))
	}
	return widget.Clean(strings.TrimSpace(kind + " " + what))
}
