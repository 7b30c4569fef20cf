// Package components is the screen of all components of all nodes: a table of them,
// and of the selected one what it says of itself at its /metrics.
package components

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Components is the screen.
type Components struct {
	list         screen.ListKeys
	sort, expand key.Binding
	by           int
	detail       bool // asked for where there is little room
}

// orders are what the table can be sorted by.
func orders() []string { return []string{"node", "state", "cpu", "memory", "restarts"} }

// New is the screen at its start.
func New() *Components {
	return &Components{
		list:   screen.NewListKeys(),
		sort:   key.NewBinding(key.WithKeys("o"), key.WithHelp("o", "sort by the next column")),
		expand: key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "details")),
	}
}

// About implements screen.Screen.
func (c *Components) About() screen.About {
	return screen.About{Number: 7, ID: "components", Title: "Components", Short: "Comps", Filters: true,
		Text: "every process of the cluster: state, use, restarts, leases, and what it says of itself"}
}

// Keys implements screen.Screen.
func (c *Components) Keys() []key.Binding {
	return append(screen.FaultKeys(), c.expand, c.sort, c.list.Up, c.list.Down)
}

// Handle implements screen.Screen.
func (c *Components) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	rows := c.rows(cx)
	choose := func(i int) {
		if i >= 0 && i < len(rows) {
			cx.Selection.Node, cx.Selection.Component = rows[i].Node, rows[i].Component
		}
	}
	if click, ok := msg.(screen.Click); ok {
		if text, ok := strings.CutPrefix(click.Zone, "row/"); ok {
			if i, err := strconv.Atoi(text); err == nil {
				choose(i)
			}
		}
		return nil
	}
	at := c.selected(cx, rows)
	if to, ok := c.list.Move(msg, max(at, 0), len(rows)); ok {
		choose(to)
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	switch {
	case !ok:
	case key.Matches(press, c.expand):
		c.detail = !c.detail
	case key.Matches(press, c.sort):
		c.by = (c.by + 1) % len(orders())
	case at >= 0:
		return screen.HandleFault(press, cx.World, rows[at].Node+"/"+rows[at].Component)
	}
	return nil
}

// rows are the components that pass the filter, in order.
func (c *Components) rows(cx *screen.Context) []*state.Component {
	var list []*state.Component
	for _, n := range cx.Order() {
		for _, one := range pane.List(n) {
			text := strings.ToLower(n.Name + "/" + one.Component + " " + string(one.State) + " " + one.Cause)
			if strings.Contains(text, strings.ToLower(cx.Filter)) {
				list = append(list, one)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *state.Component) int {
		switch orders()[c.by] {
		case "state":
			return cmp.Compare(severity(a), severity(b))
		case "cpu":
			return cmp.Compare(b.Usage.Last().Cores, a.Usage.Last().Cores)
		case "memory":
			return cmp.Compare(b.Usage.Last().MemoryBytes, a.Usage.Last().MemoryBytes)
		case "restarts":
			return cmp.Compare(b.Restarts, a.Restarts)
		}
		return 0
	})
	return list
}

// severity sorts what needs attention first.
func severity(c *state.Component) int {
	return slices.Index([]event.ComponentPhase{event.ComponentStopped, event.ComponentExited, event.ComponentUnready,
		event.ComponentPaused, event.ComponentStarted, event.ComponentWaiting, event.ComponentReady}, c.State)
}

func (c *Components) selected(cx *screen.Context, rows []*state.Component) int {
	i := slices.IndexFunc(rows, func(r *state.Component) bool {
		return r.Node == cx.Selection.Node && r.Component == cx.Selection.Component
	})
	if i < 0 && len(rows) > 0 {
		return 0
	}
	return i
}

// Draw implements screen.Screen.
func (c *Components) Draw(s widget.Surface, cx *screen.Context) {
	st, rows := cx.Styles, c.rows(cx)
	w, h := s.Size()
	counts := map[string]int{}
	for _, r := range rows {
		counts[string(r.State)]++
	}
	x := s.Text(1, 0, st.Strong, widget.Plural(len(rows), "component"))
	for _, phase := range []event.ComponentPhase{event.ComponentReady, event.ComponentStarted, event.ComponentUnready,
		event.ComponentPaused, event.ComponentExited, event.ComponentStopped, event.ComponentWaiting} {
		if n := counts[string(phase)]; n > 0 {
			lamp := widget.ComponentLamp(st, &state.Component{ComponentState: event.ComponentState{State: phase}})
			x = s.Text(x+2, 0, lamp.Style, lamp.Glyph+" "+strconv.Itoa(n)+" "+lamp.Word)
		}
	}
	x = s.Fit(x+3, 0, w-x-4, st.Muted, "sorted by "+orders()[c.by])
	if cx.Filter != "" {
		s.Fit(x+2, 0, w-x-3, st.Accent, "filter “"+cx.Filter+"”")
	}
	drawLeases(s.Sub(0, 1, w, 1), cx)
	rest := s.Sub(0, 2, w, h-2)
	if at := c.selected(cx, rows); at >= 0 && (c.detail || h >= leastForBoth) {
		var below widget.Surface
		rest, below = rest.Bottom(c.detailHeight(len(rows), h-2))
		drawDetail(below, cx, rows[at])
	}
	t := withHeadlines(cx, pane.Components(cx, rows, true), rows)
	t.Selected, t.Focused, t.Zone, t.Empty = c.selected(cx, rows), true, "row/", "no component passes the filter"
	t.Draw(rest, st)
}

// leastForBoth is from which height on the details are beside the table without
// being asked for.
const leastForBoth = 28

// detailHeight is how much of h lines the details get: what the table leaves, at
// least half, and on a low screen nearly all.
func (c *Components) detailHeight(rows, h int) int {
	if h < leastForBoth {
		return h - min(6, h/3)
	}
	return max(h/2, h-rows-2)
}
