package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// clients are who a traced connection can come from: pods that run, then nodes.
func clients(w *state.World) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(w.Kube.Pods)) {
		p := w.Kube.Pods[name]
		if p.Phase == "Running" && p.IP != "" && p.Deleting.IsZero() && !w.NodeDown(p.Node) && !nodeAddress(w, p.IP) {
			out = append(out, name)
		}
	}
	for _, name := range nodes(w) {
		if !w.NodeDown(name) {
			out = append(out, name)
		}
	}
	return out
}

// nodeAddress says that a pod has no network of its own.
func nodeAddress(w *state.World, ip string) bool {
	return slices.ContainsFunc(w.Topology.Nodes, func(n event.TopologyNode) bool { return n.IP == ip })
}

// chosen is the client for the next trace; "" when there is none.
func (p *Proxy) chosen(cx *screen.Context) string {
	all := clients(cx.World)
	if slices.Contains(all, p.client) {
		return p.client
	}
	// A pod of the node that is shown comes first.
	for _, name := range all {
		if pod := cx.World.Kube.Pods[name]; pod != nil && pod.Node == cx.Selection.Node {
			return name
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return ""
}

func (p *Proxy) nextClient(cx *screen.Context) string {
	all := clients(cx.World)
	if len(all) == 0 {
		return ""
	}
	return all[(slices.Index(all, p.chosen(cx))+1)%len(all)]
}

// trace asks for a traced connection.
func (p *Proxy) trace(cx *screen.Context, s *state.ProxyService) screen.Intent {
	client := p.chosen(cx)
	if client == "" {
		return screen.Note{Text: "no pod and no node is there to trace from"}
	}
	p.pane = 1
	return screen.Act{Verb: "proxy.trace", Target: client + " " + s.Key}
}

// traceLines draw the last trace, of the chosen service if there is one.
func (p *Proxy) traceLines(cx *screen.Context, w int, s *state.ProxyService) []line {
	st := cx.Styles
	t := lastTrace(cx.World, s)
	if t == nil {
		return []line{plain(st.Muted, "none yet")}
	}
	out := []line{
		{{st.Strong, fmt.Sprintf("%s > %s", t.Source, t.Target)}, {st.Muted, fmt.Sprintf("  %s to %s, %s", t.Client, t.Service, t.At.Local().Format("15:04:05.000"))}},
		verdictLine(cx, t),
	}
	last := ""
	for _, step := range t.Steps {
		if step.Kind == "return" {
			continue // the end of a chain, where no rule took the packet
		}
		if step.Node != last {
			out = append(out, plain(st.Title, "on "+step.Node))
			last = step.Node
		}
		out = append(out, stepLine(cx, &step, w))
	}
	for _, text := range t.Limits {
		out = append(out, plain(st.Warn, text))
	}
	return out
}

// hint says what the next trace would be.
func (p *Proxy) hint(cx *screen.Context) string {
	from := p.chosen(cx)
	if from == "" {
		return ""
	}
	return "  t traces from " + from + ", c chooses another"
}

// lastTrace is the last trace of a service; of any when there is none.
func lastTrace(w *state.World, s *state.ProxyService) *state.Trace {
	for i := len(w.Proxy.Traces) - 1; i >= 0; i-- {
		if s == nil || w.Proxy.Traces[i].Service == s.Key {
			return &w.Proxy.Traces[i]
		}
	}
	return nil
}

func verdictLine(cx *screen.Context, t *state.Trace) line {
	st := cx.Styles
	style := st.Bad
	if t.Verdict == "reply" {
		style = st.OK
	}
	out := line{{st.Muted, "verdict "}, {style, strings.ToUpper(t.Verdict)}, {st.Muted, " after "}, {st.Strong, widget.Short(t.Latency)}}
	if t.Endpoint != "" {
		who := t.Endpoint
		if t.Pod != "" {
			who += fmt.Sprintf(", pod %s on %s", t.Pod, t.PodNode)
		}
		out = append(out, span{st.Text, "  " + who})
	}
	if t.Masqueraded != "" {
		out = append(out, span{st.Warn, "  seen as " + t.Masqueraded})
	}
	if t.Detail != "" {
		out = append(out, span{st.Muted, "  " + t.Detail})
	}
	return out
}

func stepLine(cx *screen.Context, step *event.ProxyStep, w int) line {
	st := cx.Styles
	place := step.Chain
	if step.Table != "kube-proxy" && step.Table != event.ProxyUserspace {
		place = step.Table + " " + step.Chain
	}
	what := step.Meaning
	if what == "" {
		what = step.Rule
	}
	if step.Kind == "policy" {
		what = "the chain's policy"
	}
	if w >= 100 {
		return line{{st.Text, " " + pad(place, clamp(w*2/5, 24, 44)) + " "}, {verdictStyle(cx, step.Verdict), pad(step.Verdict, clamp(w/5, 10, 34)) + " "}, {st.Muted, what}}
	}
	// The next line says where a jump led to.
	out := line{{st.Text, " " + pad(place, 32) + " "}}
	if word, _, _ := strings.Cut(step.Verdict, " "); word != "jump" && word != "goto" && word != "continue" {
		out = append(out, span{verdictStyle(cx, step.Verdict), word + " "})
	}
	return append(out, span{st.Muted, what})
}

func verdictStyle(cx *screen.Context, verdict string) themes.Style {
	switch {
	case strings.HasPrefix(verdict, "drop"), verdict == "refused", verdict == "failed", verdict == "handshake", verdict == "no reply":
		return cx.Styles.Bad
	case strings.HasPrefix(verdict, "accept"), verdict == "connected":
		return cx.Styles.OK
	}
	return cx.Styles.Accent
}

// changeLines draw the last syncs and which rules they changed.
func changeLines(cx *screen.Context, n *state.ProxyNode) []line {
	st := cx.Styles
	var out []line
	for i := len(n.Syncs) - 1; i >= 0; i-- {
		sync := &n.Syncs[i]
		out = append(out, line{{st.Muted, sync.At.Local().Format("15:04:05.000") + "  "},
			{changeStyle(cx, sync.Added, sync.Removed), fmt.Sprintf("+%d -%d", sync.Added, sync.Removed)},
			{st.Muted, fmt.Sprintf("  %s, read in %s", widget.Plural(sync.Rules, "rule"), widget.Short(sync.Read))}})
		for _, change := range sync.Changes {
			style := st.OK
			if strings.HasPrefix(change, "-") {
				style = st.Bad
			}
			out = append(out, plain(style, " "+change))
		}
	}
	if len(out) == 0 {
		out = append(out, plain(st.Muted, "no sync seen yet"))
	}
	return out
}

func changeStyle(cx *screen.Context, added, removed int) themes.Style {
	if added+removed == 0 {
		return cx.Styles.Muted
	}
	return cx.Styles.Accent
}
