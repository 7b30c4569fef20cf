package workloads

import (
	"fmt"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// images has one row for every image by name: of all nodes, and of pulls.
func images(cx *screen.Context) []row {
	var rows []row
	for _, i := range cx.World.Images.Rows() {
		st := cx.Styles
		r := row{key: i.Name + " " + i.Digest, name: i.Name, order: map[int]float64{1: float64(i.Bytes), 3: float64(len(i.On))},
			cells: []widget.Cell{{Text: widget.Clean(i.Name), Style: st.Strong}}}
		size, layers := "-", "-"
		if i.Bytes > 0 {
			size = widget.Bytes(i.Bytes)
		}
		if i.Layers > 0 {
			layers = fmt.Sprintf("%d/%d", i.Shared, i.Layers)
		}
		r.text(cx, size)
		r.text(cx, layers)
		r.text(cx, nodesOf(cx, i))
		r.text(cx, fmt.Sprintf("%.12s", strings.TrimPrefix(i.Digest, "sha256:")))
		r.text(cx, fromOf(i))
		r.cells = append(r.cells, imageState(cx, i))
		rows = append(rows, r)
	}
	return rows
}

// nodesOf are the nodes that have an image, in short.
func nodesOf(cx *screen.Context, i state.ImageRow) string {
	workers := 0
	for _, n := range cx.World.Topology.Nodes {
		if n.Role == event.Worker {
			workers++
		}
	}
	switch {
	case len(i.On) == 0:
		return "none"
	case len(i.On) == workers && workers > 1:
		return "all"
	}
	return strings.Join(i.On, ",")
}

func fromOf(i state.ImageRow) string {
	if i.From == "" {
		return "registry"
	}
	return i.From
}

// imageState is the cell that says whether an image is there, comes, or why not.
func imageState(cx *screen.Context, i state.ImageRow) widget.Cell {
	st := cx.Styles
	switch {
	case len(i.Pulls) > 0:
		return widget.Cell{Text: "◐ " + progress(i.Pulls), Style: st.Busy}
	case i.Failure != nil:
		registry, _, _ := strings.Cut(i.Name, "/")
		return widget.Cell{Text: "✗ " + widget.Clean(event.OneLine(strings.TrimPrefix(i.Failure.Error, registry+": "))), Style: st.Bad}
	case len(i.On) > 0:
		return widget.Cell{Text: "● here", Style: st.OK}
	}
	return widget.Cell{Text: "○ no node has it yet", Style: st.Muted}
}

// progress says how far the downloads of an image are, and for whom.
func progress(pulls []state.Pull) string {
	var came, all int64
	known := true
	var nodes []string
	for _, p := range pulls {
		came, all, known = came+p.Bytes, all+p.Size, known && p.Size > 0
		nodes = append(nodes, p.Nodes...)
	}
	slices.Sort(nodes)
	nodes = slices.Compact(nodes)
	of := "its registry has not answered yet"
	if known {
		of = fmt.Sprintf("%d%%, %s of %s came", came*100/all, widget.Bytes(came), widget.Bytes(all))
	} else if came > 0 {
		of = widget.Bytes(came) + " came"
	}
	return of + " for " + strings.Join(nodes, ", ")
}

// drawImage draws all that is known of an image.
func drawImage(s widget.Surface, cx *screen.Context, i state.ImageRow) {
	st := cx.Styles
	w, h := s.Size()
	s.Rule(0, st, widget.Clean(i.Name))
	y := 1
	line := func(label, value string, style themes.Style) {
		for n, text := range widget.Wrap(value, max(w-14, 1)) {
			if y >= h {
				return
			}
			if n == 0 {
				s.Text(1, y, st.Muted, label)
			}
			s.Fit(12, y, w-13, style, text)
			y++
		}
	}
	if i.Digest != "" {
		line("digest", i.Digest, st.Text)
	}
	if i.Layers > 0 {
		line("layers", fmt.Sprintf("%d, %d of them stored once for all nodes; %s packed, from %s", i.Layers, i.Shared, widget.Bytes(i.Bytes), fromOf(i)), st.Text)
	}
	line("nodes", nodesOf(cx, i), st.Text)
	for _, p := range i.Pulls {
		_, part, _ := strings.Cut(p.Image, "@")
		line("comes", strings.TrimSpace(p.Part+" "+part)+": "+progress([]state.Pull{p})+", as of "+widget.Since(cx.Now, p.At)+" ago", st.Busy)
	}
	if f := i.Failure; f != nil {
		line("failed", fmt.Sprintf("%s ago for %s, its %s, %s: %s", widget.Since(cx.Now, f.At), f.Node, f.Part, widget.Plural(f.Count, "time"), widget.Clean(event.OneLine(f.Error))), st.Bad)
	}
}
