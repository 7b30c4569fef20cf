// Package lab is the screen of the lab's nodes: what runs on them, how they are
// doing, what Kubernetes knows of it, and what it will do next.
package lab

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Lab is the screen.
type Lab struct {
	list  screen.ListKeys
	left  key.Binding
	right key.Binding
	focus key.Binding
	enter key.Binding
	leave key.Binding

	inside inside
}

// New is the screen at its start.
func New() *Lab {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	l := &Lab{
		list:  screen.NewListKeys(),
		left:  bind("←", "node to the left", "left"),
		right: bind("→", "node to the right", "right"),
		focus: bind("tab", "components", "tab", "shift+tab"),
		enter: bind("enter", "inside", "enter"),
		leave: bind("esc", "back to the nodes", "esc"),
	}
	l.list.Up.SetHelp("↑/k", "node or component above")
	l.list.Down.SetHelp("↓/j", "node or component below")
	return l
}

// About implements screen.Screen.
func (l *Lab) About() screen.About {
	return screen.About{Number: 1, ID: "lab", Title: "Lab", Filters: true,
		Text: "nodes, their components and pods, and what a failure leads to"}
}

// Keys implements screen.Screen.
func (l *Lab) Keys() []key.Binding {
	return append(append([]key.Binding{l.focus, l.enter}, screen.FaultKeys()...), l.left, l.right, l.list.Up, l.list.Down, l.leave)
}

// Inside implements screen.Deep.
func (l *Lab) Inside() bool { return l.inside.open }

// Handle implements screen.Screen.
func (l *Lab) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	switch msg := msg.(type) {
	case screen.Click:
		l.click(msg.Zone, cx)
	case tea.MouseWheelMsg:
		l.moveBy(msg, cx)
	case tea.KeyPressMsg:
		switch {
		case key.Matches(msg, l.enter):
			l.inside.open, cx.Selection.InComponents = !l.inside.open, false
		case key.Matches(msg, l.focus) && l.inside.open:
			l.inside.next()
		case key.Matches(msg, l.focus):
			cx.Selection.InComponents = !cx.Selection.InComponents
		case key.Matches(msg, l.leave):
			l.inside.open, cx.Selection.InComponents = false, false
		case key.Matches(msg, l.left):
			l.step(cx, -1)
		case key.Matches(msg, l.right):
			l.step(cx, 1)
		case l.moveBy(msg, cx):
		default:
			return screen.HandleFault(msg, cx.World, cx.Target())
		}
	}
	return nil
}

func (l *Lab) click(zone string, cx *screen.Context) {
	if name, ok := strings.CutPrefix(zone, "node/"); ok {
		cx.Selection.Node, cx.Selection.InComponents = name, false
	}
	if name, ok := strings.CutPrefix(zone, "component/"); ok {
		node, component, _ := strings.Cut(name, "/")
		cx.Selection.Node, cx.Selection.Component, cx.Selection.InComponents = node, component, true
	}
}

// moveBy moves among the components of a node, or from row to row of nodes.
func (l *Lab) moveBy(msg tea.Msg, cx *screen.Context) bool {
	n := cx.Node()
	if n == nil {
		return false
	}
	if l.inside.open {
		return l.moveInside(msg, cx, n)
	}
	if cx.Selection.InComponents {
		names := n.TopologyNode.Components
		at, ok := l.list.Move(msg, max(slices.Index(names, cx.Selection.Component), 0), len(names))
		if ok && len(names) > 0 {
			cx.Selection.Component = names[at]
		}
		return ok
	}
	order := cx.Order()
	from := slices.Index(order, n)
	to, ok := l.list.Move(msg, from, len(order))
	switch {
	case !ok:
	case to == from+1:
		cx.Selection.Node = below(order, from, 1).Name
	case to == from-1:
		cx.Selection.Node = below(order, from, -1).Name
	default:
		cx.Selection.Node = order[to].Name
	}
	return ok
}

// moveInside moves in the chosen part of the view into a node.
func (l *Lab) moveInside(msg tea.Msg, cx *screen.Context, n *state.Node) bool {
	_, t := insideTable(cx, n, l.inside.part)
	at := &l.inside.cursor[l.inside.part]
	to, ok := l.list.Move(msg, min(*at, max(len(t.Rows)-1, 0)), len(t.Rows))
	*at = max(to, 0)
	return ok
}

// below is the node in the same place of the other row where there are two rows
// of boxes, else the next one.
func below(order []*state.Node, from, direction int) *state.Node {
	split := slices.IndexFunc(order, func(n *state.Node) bool { return n.Role == event.Worker })
	switch {
	case split <= 0:
	case direction > 0 && from < split:
		return order[min(split+from, len(order)-1)]
	case direction < 0 && from >= split && from-split < split:
		return order[from-split]
	}
	return order[max(0, min(from+direction, len(order)-1))]
}

func (l *Lab) step(cx *screen.Context, by int) {
	order := cx.Order()
	if n := cx.Node(); n != nil {
		cx.Selection.Node = order[max(0, min(slices.Index(order, n)+by, len(order)-1))].Name
	}
}

// Draw implements screen.Screen.
func (l *Lab) Draw(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	if cx.Node() == nil {
		s.Fit(1, 0, w-2, cx.Styles.Muted, "the lab has no nodes yet")
		return
	}
	if l.inside.open {
		l.inside.draw(s, cx)
		return
	}
	switch cx.Room {
	case screen.Three:
		side := min(max(w*2/5, 66), 96)
		left, right := s.Left(w - side)
		boxes := min(h-8, tallControl+tallWorker)
		if len(cx.Order()) > 8 {
			boxes = h * 2 / 3
		}
		drawNodes(left.Sub(0, 0, w-side, boxes), cx)
		boxes = height(cx, w-side, boxes)
		feed := widget.Box{Title: "What happened", TitleStyle: cx.Styles.Title, Border: cx.Styles.Border}
		pane.Feed(feed.Draw(left.Sub(0, boxes, w-side, h-boxes)), cx)
		drawDetail(right, cx)
	case screen.Two:
		boxes := min(h*6/10, tallControl+tallWorker)
		if len(cx.Order()) > 8 {
			boxes = h * 2 / 3
		}
		boxes = height(cx, w, boxes)
		top, bottom := s.Top(boxes)
		drawNodes(top, cx)
		drawDetail(bottom, cx)
	default:
		if cx.Selection.InComponents && cx.Room == screen.One {
			drawDetail(s, cx)
			return
		}
		drawNodes(s, cx)
	}
}
