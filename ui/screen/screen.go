// Package screen is the contract between the app and its screens.
//
// A screen is a plain struct: Handle turns a key or click into a change of the
// screen's own state and an Intent for the app, Draw draws what it finds in the
// Context. Screens never ask the supervisor for anything themselves, so they can
// be tested with a world and a key.
//
// To add a screen: a folder beside the others and a line in the app's registry.
package screen

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/plain"
	"workbench/ui/widget"
)

// Screen is one screen of the app.
type Screen interface {
	About() About
	// Keys are the screen's own keys, for help and hints.
	Keys() []key.Binding
	// Handle reacts to a key press, a Click or a wheel turn; nil is no intent.
	Handle(msg tea.Msg, cx *Context) Intent
	// Draw draws the screen; it only reads.
	Draw(s widget.Surface, cx *Context)
}

// FilterHelper is a screen whose filter is more than words.
type FilterHelper interface {
	// FilterHelp are lines that the filter box shows while a filter is typed.
	FilterHelp() []string
}

// Deep is a screen with a view into a part of it.
type Deep interface {
	// Inside says that the view is open: esc is the screen's own then.
	Inside() bool
}

// About names a screen.
type About struct {
	// Number is its key, 1 to 9; 0 keeps it out of the tabs.
	Number int
	// ID is its stable name, such as "lab"; Title is what the tab says, and Short
	// what it says on a narrow terminal, where that is another word.
	ID, Title, Short string
	// Text says in a sentence what the screen shows.
	Text string
	// Filters says that `/` filters the screen.
	Filters bool
}

// Brief is what the tab says on a narrow terminal.
func (a About) Brief() string {
	if a.Short == "" {
		return a.Title
	}
	return a.Short
}

// Click is a mouse click on a zone the screen made.
type Click struct{ Zone string }

// Context is what a screen draws from and reacts in.
type Context struct {
	World *state.World
	// Now is the time of the frame: that of the last event, or a little later
	// while something counts down.
	Now    time.Time
	Styles *themes.Styles
	// Selection is shared by all screens.
	Selection *Selection
	// Filter is what the user typed after `/` on this screen.
	Filter string
	// Feed is what happened last, in words, oldest first.
	Feed []plain.Entry
	// Room says how much room the whole app has.
	Room Room
	// Clock is which instant that is. Screens need not care: World and Now are of it.
	Clock Clock
}

// Clock is which instant all screens show.
type Clock struct {
	// Live says that it is the present; Playing that it moves by itself; Replay
	// that it is a recording's.
	Live, Playing, Replay bool
	// Mark is the second cursor; zero for none.
	Mark time.Time
	// Latest is the newest that is known: what came after World is in its timeline.
	Latest *state.World
}

// Room is how many panes a terminal has room for.
type Room int

// The classes of terminals.
const (
	Tiny  Room = iota // less than 80x24: a summary
	One               // 80x24: one pane
	Two               // 100x30
	Three             // 160x45
)

// RoomFor is the class of a terminal of w x h cells.
func RoomFor(w, h int) Room {
	switch {
	case w >= 160 && h >= 45:
		return Three
	case w >= 100 && h >= 30:
		return Two
	case w >= 80 && h >= 24:
		return One
	default:
		return Tiny
	}
}

// Selection is what the user has chosen.
type Selection struct {
	Node string
	// Component of Node; it is meant by actions only while InComponents.
	Component    string
	InComponents bool
	Namespace    string // "" is all
	// Pod is namespace/name, or "" for none.
	Pod string
}

// Order is the nodes in the order of the topology.
func (cx *Context) Order() []*state.Node {
	nodes := make([]*state.Node, 0, len(cx.World.Topology.Nodes))
	for _, t := range cx.World.Topology.Nodes {
		if n := cx.World.Nodes[t.Name]; n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Node is the selected node: the first one when none is; nil when there are none.
func (cx *Context) Node() *state.Node {
	if n := cx.World.Nodes[cx.Selection.Node]; n != nil {
		return n
	}
	if order := cx.Order(); len(order) > 0 {
		return order[0]
	}
	return nil
}

// Component is the selected component of the selected node: its first one when
// none is; nil when it has none.
func (cx *Context) Component() *state.Component {
	n := cx.Node()
	if n == nil || len(n.TopologyNode.Components) == 0 {
		return nil
	}
	if c := n.Components[cx.Selection.Component]; c != nil {
		return c
	}
	return n.Components[n.TopologyNode.Components[0]]
}

// Target is what actions are meant for: "w2", or "c1/etcd" in components; "" for nothing.
func (cx *Context) Target() string {
	n := cx.Node()
	if n == nil {
		return ""
	}
	if c := cx.Component(); cx.Selection.InComponents && c != nil {
		return n.Name + "/" + c.Component
	}
	return n.Name
}
