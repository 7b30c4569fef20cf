// Package proxy is the screen of kube-proxy's rules: how a node turns the address
// of a Service into one of its endpoints, what went where, who still believes in
// which endpoints, and the way of one traced connection.
package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Proxy is the screen.
type Proxy struct {
	keys    keys
	service string // key of the selected service port
	client  string // chosen for traces: namespace/pod or a node; "" is the first
	pane    int    // what the lower part shows where there is room for one
}

type keys struct {
	list                                           screen.ListKeys
	node, service, client, trace, raw, rawAll, tab key.Binding
}

// New is the screen at its start.
func New() *Proxy {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return &Proxy{keys: keys{
		list:    screen.NewListKeys(),
		node:    bind("n", "next node", "n"),
		service: bind("s", "next service", "s"),
		client:  bind("c", "next client for a trace", "c"),
		trace:   bind("t", "trace a connection", "t"),
		raw:     bind("r", "raw rules of the service", "r"),
		rawAll:  bind("a", "all raw rules of the node", "a"),
		tab:     bind("tab", "rules, trace, changes", "tab"),
	}}
}

// About implements screen.Screen.
func (p *Proxy) About() screen.About {
	return screen.About{Number: 5, ID: "proxy", Title: "Proxy", Filters: true,
		Text: "kube-proxy's rules per node, what they do, and one connection traced through them"}
}

// Keys implements screen.Screen.
func (p *Proxy) Keys() []key.Binding {
	k := p.keys
	return []key.Binding{k.node, k.service, k.trace, k.client, k.raw, k.rawAll, k.tab, k.list.Up, k.list.Down}
}

// Handle implements screen.Screen.
func (p *Proxy) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	n := node(cx)
	if n == nil {
		return nil
	}
	services := p.services(cx, n)
	at := p.selected(services)
	if click, ok := msg.(screen.Click); ok {
		p.click(click.Zone, cx, services)
		return nil
	}
	if to, ok := p.keys.list.Move(msg, max(at, 0), len(services)); ok && len(services) > 0 {
		p.service = services[to].Key
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch k := p.keys; {
	case key.Matches(press, k.node):
		names := nodes(cx.World)
		cx.Selection.Node = names[(slices.Index(names, n.Node)+1)%len(names)]
	case key.Matches(press, k.tab):
		p.pane = (p.pane + 1) % panes
	case key.Matches(press, k.rawAll):
		return screen.Page{Title: "rules on " + n.Node, Args: []string{"proxy", "rules", n.Node}}
	case at < 0:
	case key.Matches(press, k.service):
		p.service = services[(at+1)%len(services)].Key
	case key.Matches(press, k.client):
		p.client = p.nextClient(cx)
	case key.Matches(press, k.raw):
		return screen.Page{Title: "rules on " + n.Node + " for " + services[at].Key, Args: []string{"proxy", "rules", n.Node, services[at].Key}}
	case key.Matches(press, k.trace):
		return p.trace(cx, services[at])
	}
	return nil
}

func (p *Proxy) click(zone string, cx *screen.Context, services []*state.ProxyService) {
	kind, name, _ := strings.Cut(zone, "/")
	switch kind {
	case "node":
		cx.Selection.Node = name
	case "service":
		if i, err := strconv.Atoi(name); err == nil && i < len(services) {
			p.service = services[i].Key
		}
	case "pane":
		if i, err := strconv.Atoi(name); err == nil && i < panes {
			p.pane = i
		}
	}
}

// nodes are the names of the nodes whose rules are known, in the order of the
// topology.
func nodes(w *state.World) []string {
	var names []string
	for _, n := range w.Topology.Nodes {
		if w.Proxy.Nodes[n.Name] != nil {
			names = append(names, n.Name)
		}
	}
	return names
}

// node is the selected node, or the first; nil when none is known.
func node(cx *screen.Context) *state.ProxyNode {
	if n := cx.World.Proxy.Nodes[cx.Selection.Node]; n != nil {
		return n
	}
	if names := nodes(cx.World); len(names) > 0 {
		return cx.World.Proxy.Nodes[names[0]]
	}
	return nil
}

// services are the service ports on a node that pass the filter, in order.
func (p *Proxy) services(cx *screen.Context, n *state.ProxyNode) []*state.ProxyService {
	var out []*state.ProxyService
	for _, name := range slices.Sorted(maps.Keys(n.Services)) {
		s := n.Services[name]
		text := s.Key
		for _, f := range s.Frontends {
			text += " " + f.IP + ":" + strconv.Itoa(f.Port)
		}
		if strings.Contains(strings.ToLower(text), strings.ToLower(cx.Filter)) {
			out = append(out, s)
		}
	}
	return out
}

// selected is the index of the selected service; the first when there is none;
// -1 without services.
func (p *Proxy) selected(services []*state.ProxyService) int {
	at := slices.IndexFunc(services, func(s *state.ProxyService) bool { return s.Key == p.service })
	if at < 0 && len(services) > 0 {
		return 0
	}
	return at
}

// Draw implements screen.Screen.
func (p *Proxy) Draw(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	n := node(cx)
	if n == nil {
		s.Fit(1, 0, w-2, cx.Styles.Muted, "no rules have been read yet: kube-proxy runs on workers, and none has started")
		return
	}
	services := p.services(cx, n)
	at := p.selected(services)
	p.headline(s, cx, n)
	top := 2
	if text := unenforced(cx.World); text != "" {
		s.Fit(1, 1, w-2, cx.Styles.Warn, text)
		top = 3
	}
	_, s = s.Top(top)
	h -= top
	if cx.Room == screen.Three {
		left, right := s.Left(min(w*2/5, 78))
		p.table(cx, services, at).Draw(left, cx.Styles)
		_, right = right.Left(2)
		p.detail(right, cx, n, services, at, false)
		return
	}
	rows := min(len(services)+1, max(h/3, 4))
	p.table(cx, services, at).Draw(s.Sub(0, 0, w, rows), cx.Styles)
	p.detail(s.Sub(0, rows+1, w, h-rows-1), cx, n, services, at, h < 30)
}

// headline says which node is shown and when its kube-proxy last synced.
func (p *Proxy) headline(s widget.Surface, cx *screen.Context, n *state.ProxyNode) {
	st := cx.Styles
	w, _ := s.Size()
	x := 1
	for _, name := range nodes(cx.World) {
		style := st.Muted
		if name == n.Node {
			style = st.Reverse
		}
		from := x
		x = s.Text(x, 0, style, " "+name+" ")
		s.Sub(from, 0, x-from, 1).Zone("node/" + name)
	}
	x = s.Text(x+1, 0, st.Strong, n.Mode) + 2
	switch sync := n.LastSync(); {
	case n.Idle() && !cx.World.NodeDown(n.Node):
		x = s.Fit(x, 0, w-x-1, st.Bad, fmt.Sprintf("kube-proxy is down for %s: nothing listens, clients are refused", widget.Short(cx.Now.Sub(n.Stale))))
	case frozen(cx, n):
		x = s.Fit(x, 0, w-x-1, st.Paused, "kube-proxy is frozen: the kernel takes connections for it, and they hang")
	case !n.Stale.IsZero():
		x = s.Fit(x, 0, w-x-1, st.Bad, fmt.Sprintf("unreachable for %s: rules as of before", widget.Short(cx.Now.Sub(n.Stale))))
	case cx.World.Lost["proxy/"+n.Node].Detail != "":
		x = s.Fit(x, 0, w-x-1, st.Bad, "rules cannot be read: "+cx.World.Lost["proxy/"+n.Node].Detail)
	case sync == nil || sync.Synced.IsZero():
		x = s.Fit(x, 0, w-x-1, st.Muted, "kube-proxy has not synced yet")
	default:
		x = s.Text(x, 0, st.Muted, "last sync ")
		x = s.Text(x, 0, st.Strong, widget.Age(cx.Now.Sub(sync.Synced))+" ago")
		x = s.Text(x+1, 0, changeStyle(cx, sync.Added, sync.Removed), fmt.Sprintf("+%d -%d", sync.Added, sync.Removed))
		x = s.Fit(x+2, 0, w-x-3, st.Muted, widget.Plural(sync.Rules, "rule"))
		if !sync.Healthy {
			x = s.Fit(x+2, 0, w-x-3, st.Warn, "kube-proxy calls itself unhealthy")
		}
	}
	if cx.Filter != "" {
		s.Fit(x+2, 0, w-x-3, st.Accent, "filter “"+cx.Filter+"”")
	}
}

// frozen says that a kube-proxy sleeps that carries connections itself.
func frozen(cx *screen.Context, n *state.ProxyNode) bool {
	node := cx.World.Nodes[n.Node]
	if node == nil || n.Mode != event.ProxyUserspace {
		return false
	}
	c := node.Components["kube-proxy"]
	return node.State == event.NodePaused || c != nil && c.State == event.ComponentPaused
}

// table is the list of services on the node.
func (p *Proxy) table(cx *screen.Context, services []*state.ProxyService, at int) widget.Table {
	st := cx.Styles
	t := widget.Table{Selected: at, Focused: true, Zone: "service/", Empty: "no service" + because(cx), Columns: []widget.Column{
		{Title: "SERVICE", Grow: true}, {Title: "ADDRESS", Drop: 2}, {Title: "ENDPOINTS", Right: true}, {Title: "CONNS", Right: true},
		{Title: "RATE", Right: true, Drop: 1}, {Title: "ENTRIES", Right: true, Drop: 3},
	}}
	for _, s := range services {
		endpoints := widget.Cell{Text: strconv.Itoa(len(s.Endpoints)), Style: st.OK}
		if len(s.Endpoints) == 0 {
			endpoints = widget.Cell{Text: dash(s.Refused), Style: st.Bad}
		}
		address := "-"
		if len(s.Frontends) > 0 {
			address = frontend(s.Frontends[0]) + "/" + s.Protocol
		}
		t.Rows = append(t.Rows, []widget.Cell{
			{Text: s.Key, Style: st.Strong}, {Text: address, Style: st.Text}, endpoints,
			{Text: widget.Count(s.Count.Conns), Style: st.Text}, {Text: rateText(cx, s), Style: st.Text},
			{Text: widget.Count(s.Count.Entries), Style: st.Text},
		})
	}
	return t
}

func because(cx *screen.Context) string {
	if cx.Filter != "" {
		return " passes the filter; esc clears it"
	}
	return " has rules on this node yet"
}

func dash(v string) string {
	if v == "" {
		return "-"
	}
	return v
}
