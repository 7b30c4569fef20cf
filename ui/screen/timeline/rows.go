package timeline

import (
	"fmt"
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
	name   string // of the first lane, or of the group
	kind   string
	label  string
	indent int
	// opens is what enter opens or closes: a node, for its components, or a group
	// of lanes; "" for nothing.
	opens string
	group bool // lanes are alike; else those after the first are parts of it
	lanes []*state.Lane
	names []string // of the lanes, in a group
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
	return []string{state.LaneYou, state.LaneFaults, state.LaneScenario, state.LaneLab, state.LanePulse, state.LaneRaft, state.LaneElections, state.LaneMessages, state.LaneLease,
		state.LaneNode, state.LaneReady, state.LaneChanges, state.LaneBinds, state.LanePods, state.LaneEndpoints, state.LaneProxy, state.LaneWarnings,
		state.LaneSource}
}

// fewReady is how many Ready conditions have lines of their own.
const fewReady = 6

// groupOf is the group that a lane is told in, of so many of its kind; "" when it
// has a line of its own.
func groupOf(name string, alike int) string {
	kind, what, parted := strings.Cut(name, "/")
	switch {
	case !parted:
	case kind == state.LanePulse:
		// One probe of all workers: service/w1, service/w2.
		if probe, _, ok := strings.Cut(what, "/"); ok {
			return kind + "/" + probe
		}
	case kind == state.LaneChanges, kind == state.LaneMessages, kind == state.LaneProxy, kind == state.LaneReady && alike > fewReady:
		return kind
	}
	return ""
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
	known := map[string]bool{state.LaneComponent: true}
	for _, kind := range append(order(), others(kinds)...) {
		if known[kind] {
			continue
		}
		known[kind] = true
		names := kinds[kind]
		slices.SortFunc(names, func(a, b string) int {
			if d := place[last(a)] - place[last(b)]; d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		out = append(out, t.kindRows(all, kind, names)...)
	}
	if cx.Filter == "" {
		return out
	}
	return slices.DeleteFunc(out, func(r row) bool {
		return !strings.Contains(strings.ToLower(r.label+" "+strings.ReplaceAll(r.name, "/", " ")), strings.ToLower(cx.Filter))
	})
}

// kindRows are the rows of the lanes of one kind.
func (t *Timeline) kindRows(all map[string]*state.Lane, kind string, names []string) []row {
	groups := map[string][]string{}
	for _, name := range names {
		if g := groupOf(name, len(names)); g != "" {
			groups[g] = append(groups[g], name)
		}
	}
	var out []row
	for _, name := range names {
		g := groupOf(name, len(names))
		members := groups[g]
		switch {
		case g == "" && kind == state.LaneNode:
			out = append(out, t.nodeRows(all, name)...)
		case g == "" || len(members) == 1:
			out = append(out, row{name: name, kind: kind, label: label(name), lanes: []*state.Lane{all[name]}})
		case name == members[0]: // the group stands where its first one does
			r := row{name: g, kind: kind, label: label(g), opens: g, group: true, names: members}
			for _, m := range members {
				r.lanes = append(r.lanes, all[m])
			}
			out = append(out, r)
			for i, m := range members {
				if t.opened[g] {
					out = append(out, row{name: m, kind: kind, label: strings.TrimPrefix(m, g+"/"), indent: 2, opens: g, lanes: r.lanes[i : i+1]})
				}
			}
		}
	}
	return out
}

// nodeRows are a node and, when it is open, its components; else they are told
// within its line.
func (t *Timeline) nodeRows(all map[string]*state.Lane, name string) []row {
	node := after(name)
	components := componentsOf(all, node)
	r := row{name: name, kind: state.LaneNode, label: label(name), opens: name, lanes: []*state.Lane{all[name]}}
	if !t.opened[name] {
		for _, c := range components {
			r.lanes = append(r.lanes, all[c])
		}
		return []row{r}
	}
	out := []row{r}
	for _, c := range components {
		out = append(out, row{name: c, kind: state.LaneComponent, label: last(c), indent: 2, opens: name, lanes: []*state.Lane{all[c]}})
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

// last is the part of a name behind the last slash.
func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// title is what stands at the left of the row: of a group, how many it is where
// there is room.
func (r row) title(room int) string {
	if n := fmt.Sprintf("%s ×%d", r.label, len(r.lanes)); r.group && widget.Width(n) <= room {
		return n
	}
	return widget.ClipMiddle(r.label, room)
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
