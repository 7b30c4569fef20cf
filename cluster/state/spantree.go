package state

import (
	"slices"
	"strings"
)

// spanTree is spans by their parents.
type spanTree struct {
	all   []TraceSpan
	known map[string]bool
	parts map[string][]*TraceSpan
}

func newSpanTree(all []TraceSpan) spanTree {
	t := spanTree{all: all, known: map[string]bool{}, parts: map[string][]*TraceSpan{}}
	for i := range all {
		t.known[all[i].ID] = true
	}
	for i := range all {
		if s := &all[i]; s.Parent != "" && s.Parent != s.ID && t.known[s.Parent] {
			t.parts[s.Parent] = append(t.parts[s.Parent], s)
		}
	}
	for _, parts := range t.parts {
		slices.SortStableFunc(parts, func(a, b *TraceSpan) int { return a.Start.Compare(b.Start) })
	}
	return t
}

// roots are the spans of some kind whose parent is not there, by their start.
func (t spanTree) roots(of func(*TraceSpan) bool) []*TraceSpan {
	var out []*TraceSpan
	for i := range t.all {
		if s := &t.all[i]; (s.Parent == "" || !t.known[s.Parent]) && of(s) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b *TraceSpan) int { return a.Start.Compare(b.Start) })
	return out
}

// maxDepth bounds how deep bars go; spans below it stand beside their parent.
const maxDepth = 12

// bars are a span and its parts, in the order in which they began.
func (t spanTree) bars(s *TraceSpan, depth int) []Bar {
	b := Bar{Start: s.Start, Took: s.Took, Depth: min(depth, maxDepth), Who: s.who(), Text: s.words(), Source: BarOTLP, Error: s.Error}
	if s.Component == "" {
		b.Source = BarClient
	}
	out := []Bar{b}
	parts := t.parts[s.ID]
	delete(t.parts, s.ID) // once, even if spans go in a circle
	for _, p := range parts {
		out = append(out, t.bars(p, depth+1)...)
	}
	return out
}

func (s *TraceSpan) who() string {
	if s.Component == "" {
		return "client"
	}
	return strings.TrimPrefix(s.Component, "kube-") + " " + s.Node
}

// words name a span: a gRPC method without its package, a request by its path.
func (s *TraceSpan) words() string {
	text := s.Name
	if i := strings.LastIndex(text, "/"); i > 0 && strings.Contains(text[:i], ".") && !strings.Contains(text, " ") {
		text = text[strings.LastIndex(text[:i], ".")+1:] // runtime.v1.RuntimeService/RunPodSandbox
	}
	if path := s.Attrs["path"]; path != "" {
		if method, _, ok := strings.Cut(text, " "); ok {
			text = method + " " + path
		}
	}
	if s.Component != "" && s.Attrs["code"] != "" {
		text += " " + s.Attrs["code"]
	}
	for _, name := range []string{"k8s.pod.update_type", "image.ref", "container.image.name"} {
		if v := s.Attrs[name]; v != "" {
			text += " " + v
		}
	}
	return text
}
