package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/filter"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// asksLookups says whether a filter is for lookups: they are in the list only then.
func asksLookups(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "dns:") || strings.Contains(text, "kind:dns")
}

// withLookups puts the lookups that a filter asks for among the rows.
func withLookups(rows []row, cx *screen.Context, f filter.Filter) []row {
	if !asksLookups(cx.Filter) {
		return rows
	}
	for i := range cx.World.DNS.Lookups {
		l := &cx.World.DNS.Lookups[i]
		namespace, _, _ := strings.Cut(l.Pod, "/")
		r := row{lookup: l, at: l.At, aside: &state.Request{
			KubeRequest: event.KubeRequest{ID: fmt.Sprintf("dns/%d/%s/%s/%s/%s", l.Seq, l.Client, l.Name, l.Kind, l.Code), Verb: "lookup", User: cmp.Or(l.Pod, l.Client), Namespace: namespace}, At: l.At, Node: l.Node,
		}}
		if f.Match(&r) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	return rows
}

func lookupValues(l *state.Lookup, key string) []string {
	namespace, pod, _ := strings.Cut(l.Pod, "/")
	switch key {
	case "kind":
		return []string{"dns"}
	case "dns":
		return []string{l.Name, strings.TrimSuffix(l.Name, "."), l.Kind, l.Code}
	case "name":
		return []string{l.Name, strings.TrimSuffix(l.Name, ".")}
	case "ns":
		return []string{namespace}
	case "user":
		return []string{l.Pod, pod, l.Client}
	case "lane":
		return []string{"dns"}
	case "took":
		return []string{l.Longest.String()}
	}
	return nil
}

func lookupText(l *state.Lookup) string {
	return strings.Join([]string{"dns", l.Name, l.Kind, l.Code, l.Pod, l.Client}, " ")
}

// lookupWords say who asked for what, and what the answer was.
func lookupWords(l *state.Lookup) string {
	text := l.Code + " " + l.Kind + " " + widget.Clean(l.Name)
	if l.Empty && l.Code == "NOERROR" {
		text += " (no such record)"
	}
	if l.Count > 1 {
		text += fmt.Sprintf(" x%d", l.Count)
	}
	return text + "  " + (l.Longest.Round(10 * time.Microsecond)).String() + "  from " + widget.Clean(cmp.Or(l.Pod, l.Client)) + "  by " + l.Node
}
