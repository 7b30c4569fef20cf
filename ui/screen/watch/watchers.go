package watch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// watchers draws who is told of changes of the selected object's resource, and
// how far each API server is behind etcd.
func watchers(surface widget.Surface, cx *screen.Context, r *row) {
	st := cx.Styles
	w, h := surface.Size()
	resource := ""
	if r.change != nil {
		resource = r.change.Resource
	} else {
		resource = r.aside.Resource
	}
	groups, total := watcherGroups(cx, resource)
	surface.Rule(0, st, fmt.Sprintf("WATCHERS of %s: %d of %d watches", resource, total, len(cx.World.Changes.Watches)))
	y := 1
	for _, node := range slices.Sorted(maps.Keys(cx.World.Changes.Lag)) {
		text, style := serverLag(cx, cx.World.Changes.Lag[node])
		x := surface.Fit(1, y, w-2, st.Strong, "API server "+node)
		surface.Fit(x+1, y, w-x-2, style, text)
		y++
	}
	for i, g := range groups {
		if y == h-1 && i < len(groups)-1 {
			surface.Fit(1, y, w-2, st.Muted, fmt.Sprintf("… %d more: enter shows them", len(groups)-i))
			break
		}
		if y >= h {
			break
		}
		g.draw(surface.Sub(0, y, w, 1), cx)
		y++
	}
}

// serverLag says how far an API server is behind etcd.
func serverLag(cx *screen.Context, lag state.Lag) (string, themes.Style) {
	switch {
	case lag.Error != "":
		return "not measured: " + widget.Clean(lag.Error), cx.Styles.Warn
	case lag.Behind > 0:
		return fmt.Sprintf("LAGGING: %s not delivered for %s", widget.Plural(lag.Behind, "revision"), widget.Short(lag.Waiting+max(0, cx.Now.Sub(lag.At)))), cx.Styles.Bad
	}
	return fmt.Sprintf("delivered rv %d %s after etcd", lag.Revision, widget.Short(lag.Lag)), cx.Styles.Text
}

// watcherGroup are the watches of one client at one API server.
type watcherGroup struct {
	who, node string
	count     int
	since     time.Time
	behind    state.Behind // of the one that is furthest behind
}

// watcherGroups are the watchers of a resource, those that lag first, and how
// many watches that are.
func watcherGroups(cx *screen.Context, resource string) (groups []*watcherGroup, total int) {
	known := map[string]*watcherGroup{}
	for _, id := range slices.Sorted(maps.Keys(cx.World.Changes.Watches)) {
		one := cx.World.Changes.Watches[id]
		if one.Resource != resource {
			continue
		}
		total++
		name := who(cx, one)
		g := known[name+"|"+one.Node]
		if g == nil {
			g = &watcherGroup{who: name, node: one.Node, since: one.Since}
			known[name+"|"+one.Node] = g
			groups = append(groups, g)
		}
		if g.count++; one.Since.Before(g.since) {
			g.since = one.Since
		}
		if b := cx.World.Behind(one, cx.Now); b.For > g.behind.For {
			g.behind = b
		}
	}
	slices.SortFunc(groups, func(a, b *watcherGroup) int {
		return cmp.Or(cmp.Compare(b.behind.For, a.behind.For), cmp.Compare(b.count, a.count), cmp.Compare(a.who, b.who), cmp.Compare(a.node, b.node))
	})
	return groups, total
}

func (g *watcherGroup) draw(s widget.Surface, cx *screen.Context) {
	st := cx.Styles
	w, _ := s.Size()
	text := g.who
	if g.count > 1 {
		text += fmt.Sprintf(" ×%d", g.count)
	}
	x := s.Fit(1, 0, max(w*2/5, w-34), st.Text, text)
	if b := g.behind; b.Why != "" {
		mark := ""
		if b.Guessed {
			mark = "?"
		}
		s.Fit(x+1, 0, w-x-2, st.Bad, fmt.Sprintf("LAGGING%s rv-%d for %s: %s", mark, b.Revisions, widget.Short(b.For), b.Why))
		return
	}
	text = "at " + g.node
	if lag, ok := cx.World.Changes.Lag[g.node]; ok && lag.Error == "" {
		text += " rv-0 " + widget.Short(lag.Lag)
	}
	s.Fit(x+1, 0, w-x-2, st.Muted, text+" for "+widget.Since(cx.Now, g.since))
}

// who is a watcher in few words.
func who(cx *screen.Context, watch state.Watch) string {
	r := state.Request{KubeRequest: event.KubeRequest{User: watch.User}}
	a := r.Actor()
	text := laneTitle(a.Lane)
	if a.Name != "" {
		text += " " + a.Name
	} else if node := cx.World.NodeAt(watch.Source); node != nil {
		text += " " + node.Name
	}
	if program := agent(watch.Agent); a.Lane == "user" || a.Lane == "pods" || a.Lane == "workbench" {
		text += " " + program
	}
	return text
}
