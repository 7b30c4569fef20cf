package pane

import (
	"strconv"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/plain"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Components is a table of the components of nodes. With named, the first
// column is the node.
func Components(cx *screen.Context, list []*state.Component, named bool) widget.Table {
	t := widget.Table{Columns: []widget.Column{
		{Title: "COMPONENT"}, {Title: "STATE"}, {Title: "PID", Right: true, Drop: 4},
		{Title: "RESTARTS", Right: true, Drop: 1}, {Title: "SINCE", Right: true, Drop: 3},
		{Title: "CPU", Right: true}, {Title: "MEM", Right: true}, {Title: "LAST CAUSE", Grow: true, Min: 12, Drop: 2},
	}}
	if named {
		t.Columns = append([]widget.Column{{Title: "NODE"}}, t.Columns...)
	}
	st := cx.Styles
	for _, c := range list {
		lamp := widget.ComponentLamp(st, c)
		usage, restarts := c.Usage.Last(), widget.Cell{Text: strconv.Itoa(c.Restarts), Style: st.Text}
		if c.Restarts > 0 {
			restarts.Style = st.Warn
		}
		row := []widget.Cell{
			{Text: c.Component, Style: st.Strong}, {Text: lamp.Glyph + " " + lamp.Word, Style: lamp.Style},
			{Text: widget.Count(int64(c.PID)), Style: st.Muted}, restarts,
			{Text: widget.Since(cx.Now, c.Since), Style: st.Text},
			{Text: "-", Style: st.Muted}, {Text: "-", Style: st.Muted},
			{Text: Cause(cx, c), Style: st.Muted},
		}
		if c.PID != 0 && !usage.At.IsZero() {
			row[5] = widget.Cell{Text: widget.Cores(usage.Cores), Style: st.Text}
			row[6] = widget.Cell{Text: widget.Bytes(usage.MemoryBytes), Style: st.Text}
		}
		if named {
			row = append([]widget.Cell{{Text: c.Node, Style: st.Text}}, row...)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// Cause says why a component is in its state, in words.
func Cause(cx *screen.Context, c *state.Component) string {
	parts := make([]string, 0, 2)
	switch c.State {
	case event.ComponentExited:
		if c.Backoff > 0 {
			parts = append(parts, "starts in "+widget.Seconds(c.Since.Add(c.Backoff).Sub(cx.Now)))
		} else if c.PID == 0 && c.Cause == "" {
			parts = append(parts, plain.Exit(c.ComponentState))
		}
	case event.ComponentReady:
		if c.Took > 0 && c.Cause == "" {
			parts = append(parts, "ready after "+widget.Short(c.Took))
		}
	}
	if c.Cause != "" {
		parts = append(parts, widget.Clean(c.Cause))
	}
	return strings.Join(parts, ", ")
}

// List is the components of a node in start order.
func List(n *state.Node) []*state.Component {
	list := make([]*state.Component, 0, len(n.TopologyNode.Components))
	for _, name := range n.TopologyNode.Components {
		if c := n.Components[name]; c != nil {
			list = append(list, c)
		}
	}
	return list
}

// ShortName is a component's name where there is little room.
func ShortName(component string) string {
	switch component {
	case "kube-apiserver":
		return "api"
	case "kube-controller-manager":
		return "kcm"
	case "cloud-controller-manager":
		return "ccm"
	case "kube-scheduler":
		return "sched"
	case "kube-proxy":
		return "proxy"
	case "containerd":
		return "ctrd"
	}
	if strings.Contains(component, "balancer") {
		return "lb"
	}
	return strings.TrimPrefix(component, "kube-")
}
