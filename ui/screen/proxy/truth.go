package proxy

import (
	"fmt"
	"strings"
	"time"

	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// truthLines draw who believes in which endpoints, and who is behind.
func truthLines(cx *screen.Context, service string, w int) []line {
	st := cx.Styles
	t := cx.World.Truth(service)
	pods := span{st.Muted, "no selector"}
	if t.Selects {
		pods = span{st.Text, fmt.Sprintf("%s ready", widget.Plural(len(t.Pods), "pod"))}
	}
	head := line{pods, {st.Muted, "  >  "}, {st.Text, fmt.Sprintf("slices %d ready", len(t.Slices))}, {st.Muted, "  >  rules"}}
	behind, idle := 0, ""
	for i := range t.Nodes {
		n := &t.Nodes[i]
		style, text := st.OK, fmt.Sprintf("%s %d", n.Node, len(n.Rules))
		switch {
		case n.Down:
			style, text = st.Bad, n.Node+" unreachable"
		case n.Idle:
			style, text = st.Bad, n.Node+" serves nothing"
			idle += " " + n.Node
		case n.Lost:
			style, text = st.Bad, n.Node+" unread"
		case n.Behind():
			style = st.Warn
			behind++
		}
		head = append(head, span{style, "  " + text})
	}
	slicesLag := t.Selects && !equal(t.Pods, t.Slices)
	out := []line{head}
	switch {
	case slicesLag:
		out = append(out, plain(st.Warn, fmt.Sprintf("slices are not what pods say: %s", difference(cx, t.Pods, t.Slices))))
	case behind == 0 && len(t.Dead) > 0:
		out = append(out, wrapped(st.Bad, "all agree, all wrong: "+names(cx, t.Dead)+" cannot answer", w, 2)...)
	case behind == 0 && idle != "":
		out = append(out, plain(st.Bad, "no kube-proxy runs on"+idle+": clients there are refused"))
	case behind == 0:
		out = append(out, plain(st.OK, "all agree"+caught(&t)))
	}
	for i := range t.Nodes {
		out = append(out, nodeTruth(cx, &t, &t.Nodes[i])...)
	}
	return append(out, deadLines(cx, w)...)
}

// nodeTruth says how far a node is behind.
func nodeTruth(cx *screen.Context, t *state.Truth, n *state.NodeTruth) []line {
	if !n.Behind() {
		return nil
	}
	what := []string{}
	if len(n.Missing) > 0 {
		what = append(what, "lacks "+names(cx, n.Missing))
	}
	if len(n.Extra) > 0 {
		what = append(what, "still has "+names(cx, n.Extra))
	}
	text := fmt.Sprintf("%s is behind: it %s", n.Node, strings.Join(what, " and "))
	if !t.Since.IsZero() {
		text += ", for " + widget.Short(cx.Now.Sub(t.Since))
	}
	return []line{plain(cx.Styles.Warn, text)}
}

// caught says how long the slowest node needed.
func caught(t *state.Truth) string {
	most, who := time.Duration(0), ""
	for _, n := range t.Nodes {
		if n.Caught > most {
			most, who = n.Caught, n.Node
		}
	}
	if who == "" || most > time.Minute {
		return ""
	}
	return fmt.Sprintf("; the last, %s, %s after the slice", who, widget.Short(most))
}

// deadLines say of each node that does not run what will make the others notice.
func deadLines(cx *screen.Context, w int) []line {
	var out []line
	for _, name := range nodes(cx.World) {
		if !cx.World.NodeDown(name) {
			continue
		}
		o := screen.NodeOutlook(cx.World, cx.Now, name)
		text := fmt.Sprintf("%s is down for %s: its rules are unknown", name, widget.Short(cx.Now.Sub(cx.World.Nodes[name].Since)))
		switch {
		case o.Silent && o.NotReadyIn > 0:
			text += fmt.Sprintf("; NotReady in %s?, then slices, then rules shrink", widget.Short(o.NotReadyIn))
		case o.NotReady:
			text += "; it is NotReady, so its pods are"
		}
		out = append(out, wrapped(cx.Styles.Muted, text, w, 2)...)
	}
	return out
}

// names are the pods behind IPs.
func names(cx *screen.Context, ips []string) string {
	var out []string
	for i, ip := range ips {
		if i == 3 {
			out = append(out, fmt.Sprintf("%d more", len(ips)-i))
			break
		}
		if p := cx.World.PodAt(ip); p != nil {
			out = append(out, fmt.Sprintf("%s (%s on %s)", ip, p.Name, p.Node))
		} else {
			out = append(out, ip)
		}
	}
	return strings.Join(out, ", ")
}

func difference(cx *screen.Context, pods, slices []string) string {
	var lacking, extra []string
	for _, ip := range pods {
		if !contains(slices, ip) {
			lacking = append(lacking, ip)
		}
	}
	for _, ip := range slices {
		if !contains(pods, ip) {
			extra = append(extra, ip)
		}
	}
	var parts []string
	if len(lacking) > 0 {
		parts = append(parts, "they lack "+names(cx, lacking))
	}
	if len(extra) > 0 {
		parts = append(parts, "they still have "+names(cx, extra))
	}
	return strings.Join(parts, " and ")
}
