package proxy

import (
	"fmt"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// panes is how many panes there are: rules, trace, changes.
const panes = 3

// detail draws what there is to say of the selected service: all of it, or where
// there is room for one part only, that of the pane.
func (p *Proxy) detail(s widget.Surface, cx *screen.Context, n *state.ProxyNode, services []*state.ProxyService, at int, one bool) {
	w, h := s.Size()
	if h < 1 {
		return
	}
	var flow, truth []line
	var chosen *state.ProxyService
	title := n.Node
	if at >= 0 {
		chosen = services[at]
		title = chosen.Key
		flow = flowLines(cx, n, chosen, w-2)
		truth = truthLines(cx, chosen.Owner(), w-2)
	}
	trace, changes := p.traceLines(cx, w-2, chosen), changeLines(cx, n)
	y := 0
	section := func(title string, lines []line, room int) {
		if room < 2 || len(lines) == 0 {
			return
		}
		s.Sub(0, y, w, 1).Rule(0, cx.Styles, title)
		y++
		for _, l := range lines[:min(len(lines), room-1)] {
			l.draw(s, y)
			y++
		}
	}
	if one {
		parts := [panes][]line{append(flow, truth...), trace, changes}
		names := [panes]string{title, "Trace" + p.hint(cx), "Changes on " + n.Node}
		section(names[p.pane]+fmt.Sprintf("  (%d of %d, tab)", p.pane+1, panes), parts[p.pane], h)
		return
	}
	section(title, flow, h)
	section("Chain of truth", truth, h-y)
	// The part that is in front gets the room; the other what is left.
	last := min(len(changes)+1, 8, max((h-y)/3, 0))
	section("Trace"+p.hint(cx), trace, h-y-last)
	section("Changes on "+n.Node, changes, h-y)
}

// flowLines draw how connections go from the service's addresses to endpoints.
func flowLines(cx *screen.Context, n *state.ProxyNode, s *state.ProxyService, w int) []line {
	st := cx.Styles
	var out []line
	for i, f := range s.Frontends {
		l := line{{st.Strong, pad(frontend(f)+"/"+s.Protocol, 24)}, {st.Muted, " " + frontendWords(cx.World.FrontendKind(s, f), f) + " "}}
		switch {
		case f.Problem != "":
			l = append(l, span{st.Bad, " not listening: " + f.Problem + " "})
		case n.Idle():
			l = append(l, span{st.Bad, " not listening "})
		}
		if i == 0 {
			l = append(l, span{st.Text, fmt.Sprintf("  %d conns", s.Count.Conns)}, span{st.Accent, "  " + rateText(cx, s) + "  "}, span{st.Accent, sparkline(cx, s, 20)})
		}
		out = append(out, l)
	}
	if s.Chain != "" {
		entry := "KUBE-SERVICES"
		switch n.Mode {
		case "nftables":
			entry = "map service-ips"
		case event.ProxyUserspace:
			entry = "socket"
		}
		out = append(out, line{{st.Muted, entry + " > "}, {st.Text, s.Chain}, {st.Muted, " > " + choice(s)}})
	}
	if s.Refused != "" {
		out = append(out, plain(st.Bad, refusedWords(n, s.Refused)))
	}
	most := uint64(1)
	for _, c := range s.Count.Endpoints {
		most = max(most, c.Conns)
	}
	for i, e := range s.Endpoints {
		branch := "├─ "
		if i == len(s.Endpoints)-1 && !more(s) {
			branch = "└─ "
		}
		out = append(out, endpointLine(cx, s, e, branch, most, w))
	}
	for _, address := range forgotten(s) {
		c := s.Count.Endpoints[address]
		out = append(out, line{{st.Border, "╌╌ "}, {st.Muted, pad(address, 22)}, {st.Warn, fmt.Sprintf("%s left to an endpoint the rules no longer have", entries(c.Entries))}})
	}
	return append(out, totalLine(cx, n, s))
}

// forgotten are endpoints with conntrack entries that the rules no longer name.
func forgotten(s *state.ProxyService) []string {
	var out []string
	for address, c := range s.Count.Endpoints {
		if c.Entries > 0 && !hasEndpoint(s, address) {
			out = append(out, address)
		}
	}
	sortStrings(out)
	return out
}

func more(s *state.ProxyService) bool { return len(forgotten(s)) > 0 }

func endpointLine(cx *screen.Context, s *state.ProxyService, e event.ProxyEndpoint, branch string, most uint64, w int) line {
	st := cx.Styles
	ip, _, _ := strings.Cut(e.Address, ":")
	name, place, word, style := whose(cx, ip)
	c := s.Count.Endpoints[e.Address]
	l := line{{st.Border, branch}, {st.Strong, pad(e.Address, 19)}}
	if w < 100 {
		l = append(l, span{st.Text, pad(widget.ClipMiddle(name, 13), 14)}, span{st.Muted, pad(place, 4)}, span{style, pad(word, 10)},
			span{st.Muted, strings.TrimPrefix(chance(e), "p ")}, span{st.Text, fmt.Sprintf("%5d conns ", c.Conns)})
		return append(l, unanswered(cx, c)...)
	}
	l = append(l, span{st.Text, pad(name, clamp(w-83, 16, 30)) + " "})
	l = append(l, span{st.Muted, pad(place, 4)}, span{style, pad(word, 10)}, span{st.Muted, chance(e)}, span{st.Text, fmt.Sprintf("%6d conns ", c.Conns)})
	if room := w - 86 - clamp(w-83, 16, 30); room > 4 {
		l = append(l, span{st.Accent, pad(strings.Repeat("▪", int(c.Conns*uint64(min(room, 30))/most)), min(room, 30))})
	}
	return append(l, unanswered(cx, c)...)
}

func unanswered(cx *screen.Context, c event.ProxyEndpointCount) line {
	if c.Silent == 0 && c.Unanswered == 0 {
		return nil
	}
	return line{{cx.Styles.Bad, fmt.Sprintf("no reply %d", uint64(c.Silent)+c.Unanswered)}}
}

// whose says whose IP an endpoint is, where that is, and in what state.
func whose(cx *screen.Context, ip string) (name, place, word string, style themes.Style) {
	st := cx.Styles
	p := cx.World.PodAt(ip)
	if p == nil {
		for _, n := range cx.World.Topology.Nodes {
			if n.IP == ip {
				if cx.World.NodeDown(n.Name) {
					return "node", n.Name, "NODE DOWN", st.Bad
				}
				return "node", n.Name, "running", st.OK
			}
		}
		return "no pod", "", "unknown", st.Muted
	}
	switch {
	case cx.World.NodeDown(p.Node):
		return p.Name, p.Node, "NODE DOWN", st.Bad
	case !p.Deleting.IsZero():
		return p.Name, p.Node, "leaving", st.Paused
	case p.Ready:
		return p.Name, p.Node, "ready", st.OK
	}
	return p.Name, p.Node, "not ready", st.Warn
}

// totalLine sums up what else there is to count.
func totalLine(cx *screen.Context, n *state.ProxyNode, s *state.ProxyService) line {
	st := cx.Styles
	c := s.Count
	dead := 0
	for _, address := range addresses(s) {
		ip, _, _ := strings.Cut(address, ":")
		p := cx.World.PodAt(ip)
		held := c.Endpoints[address].Entries
		if held > 0 && (p == nil && !isNode(cx, ip) || p != nil && cx.World.NodeDown(p.Node)) {
			dead += held
		}
	}
	if n.Mode == event.ProxyUserspace {
		return line{{st.Muted, "open now "}, {st.Text, fmt.Sprint(c.Entries)}, {st.Muted, "  bytes "}, {st.Text, widget.Bytes(int64(c.Bytes))},
			{st.Muted, "  endpoints see the node's address  refused: not counted"}}
	}
	out := line{{st.Muted, "masqueraded "}, {st.Text, fmt.Sprint(c.Masqueraded)}}
	if !n.RejectsUncounted {
		out = append(out, span{st.Muted, "  rejected "}, span{st.Text, fmt.Sprint(c.Rejected)})
	} else {
		out = append(out, span{st.Muted, "  rejected not counted"})
	}
	if n.Accounted {
		out = append(out, span{st.Muted, "  packets "}, span{st.Text, fmt.Sprint(c.Packets)}, span{st.Muted, "  bytes "}, span{st.Text, widget.Bytes(int64(c.Bytes))})
	}
	if n.Mode == "nftables" {
		out = append(out, span{st.Muted, "  hits of rules not counted"})
	}
	out = append(out, span{st.Muted, "  conntrack "}, span{st.Text, entries(c.Entries)})
	if dead > 0 {
		out = append(out, span{st.Bad, fmt.Sprintf(", %d to dead endpoints", dead)})
	}
	return out
}

func isNode(cx *screen.Context, ip string) bool {
	for _, n := range cx.World.Topology.Nodes {
		if n.IP == ip {
			return true
		}
	}
	return false
}
