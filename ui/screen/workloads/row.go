package workloads

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// kind is one kind of objects and how its table looks.
type kind struct {
	name, title, resource string
	columns               []widget.Column
	rows                  func(*screen.Context) []row
}

// row is one object.
type row struct {
	key, namespace, name string
	cells                []widget.Cell
	// order are values to sort columns by that do not sort as their text does.
	order map[int]float64
}

func kinds() []kind {
	return []kind{
		{"pods", "Pods", "pod", []widget.Column{{Title: "NAMESPACE", Drop: 6}, {Title: "NAME", Grow: true}, {Title: "READY"}, {Title: "STATUS"},
			{Title: "RESTARTS", Right: true, Drop: 3}, {Title: "AGE", Right: true, Drop: 1},
			{Title: "CPU", Right: true, Drop: 2}, {Title: "MEM", Right: true, Drop: 2}, {Title: "IP", Drop: 5}, {Title: "NODE", Drop: 0}}, pods},
		{"deployments", "Deployments", "deployment", []widget.Column{{Title: "NAMESPACE", Drop: 4}, {Title: "NAME", Grow: true}, {Title: "READY"},
			{Title: "UP-TO-DATE", Right: true, Drop: 2}, {Title: "AVAILABLE", Right: true}, {Title: "AGE", Right: true, Drop: 1}, {Title: "IMAGES", Drop: 5}}, deployments},
		{"services", "Services", "service", []widget.Column{{Title: "NAMESPACE", Drop: 4}, {Title: "NAME", Grow: true}, {Title: "TYPE", Drop: 2},
			{Title: "CLUSTER-IP"}, {Title: "PORT(S)"}, {Title: "ENDPOINTS"}, {Title: "AGE", Right: true, Drop: 1}, {Title: "SELECTOR", Drop: 5}}, services},
		{"images", "Images", "image", []widget.Column{{Title: "NAME", Grow: true}, {Title: "SIZE", Right: true}, {Title: "SHARED", Right: true, Drop: 3},
			{Title: "NODES"}, {Title: "DIGEST", Drop: 5}, {Title: "FROM", Drop: 4}, {Title: "STATE", Grow: true}}, images},
		{"events", "Events", "event", []widget.Column{{Title: "LAST SEEN", Right: true}, {Title: "TYPE"}, {Title: "REASON"},
			{Title: "OBJECT", Drop: 2}, {Title: "COUNT", Right: true, Drop: 3}, {Title: "MESSAGE", Grow: true}}, events},
	}
}

func (r row) matches(filter string) bool {
	if filter == "" {
		return true
	}
	var text strings.Builder
	for _, c := range r.cells {
		text.WriteString(c.Text + " ")
	}
	return strings.Contains(strings.ToLower(text.String()), strings.ToLower(filter))
}

func (r row) compare(o row, column int) int {
	if v, ok := r.order[column]; ok {
		return cmp.Or(cmp.Compare(v, o.order[column]), cmp.Compare(r.key, o.key))
	}
	return cmp.Or(cmp.Compare(r.cells[column].Text, o.cells[column].Text), cmp.Compare(r.key, o.key))
}

// newRow begins a row with the cells every kind has.
func newRow(cx *screen.Context, m event.Meta) row {
	return row{key: m.Key(), namespace: m.Namespace, name: m.Name, order: map[int]float64{},
		cells: []widget.Cell{{Text: m.Namespace, Style: cx.Styles.Muted}, {Text: m.Name, Style: cx.Styles.Strong}}}
}

// age is the cell of an object's age.
func (r *row) age(cx *screen.Context, m event.Meta) {
	r.order[len(r.cells)] = cx.Now.Sub(m.Created).Seconds()
	r.text(cx, widget.Since(cx.Now, m.Created))
}

func (r *row) text(cx *screen.Context, v string) {
	if v == "" {
		v = "<none>"
	}
	r.cells = append(r.cells, widget.Cell{Text: widget.Clean(v), Style: cx.Styles.Text})
}

// share is the cell of how many of how many there are.
func (r *row) share(cx *screen.Context, n, of int) {
	style := cx.Styles.OK
	switch {
	case n < of && n == 0:
		style = cx.Styles.Bad
	case n < of:
		style = cx.Styles.Warn
	}
	r.cells = append(r.cells, widget.Cell{Text: fmt.Sprintf("%d/%d", n, of), Style: style})
}

// sorted are the values of a map in the order of their keys.
func sorted[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

func pods(cx *screen.Context) []row {
	var rows []row
	for _, p := range sorted(cx.World.Kube.Pods) {
		r := newRow(cx, p.Meta)
		lamp := widget.PodLamp(cx.Styles, p)
		ready, restarts := screen.Containers(p)
		r.text(cx, ready)
		r.cells = append(r.cells, widget.Cell{Text: lamp.Glyph + " " + lamp.Word, Style: lamp.Style})
		r.order[4] = float64(restarts)
		r.text(cx, strconv.Itoa(restarts))
		r.age(cx, p.Meta)
		r.usage(cx, p)
		r.text(cx, p.IP)
		r.text(cx, p.Node)
		rows = append(rows, r)
	}
	return rows
}

// usage are the cells of what a pod uses.
func (r *row) usage(cx *screen.Context, p *event.KubePod) {
	if u := cx.World.PodUsage(p); u != nil {
		last := u.Last()
		r.order[len(r.cells)], r.order[len(r.cells)+1] = last.Cores, float64(last.MemoryBytes)
	} else {
		r.order[len(r.cells)], r.order[len(r.cells)+1] = -1, -1
	}
	cpu, memory := pane.PodUse(cx, p)
	r.cells = append(r.cells, cpu, memory)
}

func deployments(cx *screen.Context) []row {
	var rows []row
	for _, d := range sorted(cx.World.Kube.Deployments) {
		r := newRow(cx, d.Meta)
		r.share(cx, int(d.Ready), int(d.Replicas))
		r.text(cx, strconv.Itoa(int(d.Updated)))
		r.text(cx, strconv.Itoa(int(d.Available)))
		r.age(cx, d.Meta)
		r.text(cx, strings.Join(d.Images, ","))
		rows = append(rows, r)
	}
	return rows
}

func services(cx *screen.Context) []row {
	ready, all := map[string]int{}, map[string]int{}
	for _, s := range cx.World.Kube.Slices {
		for _, e := range s.Endpoints {
			key := s.Namespace + "/" + s.Service
			if all[key]++; e.Ready {
				ready[key]++
			}
		}
	}
	var rows []row
	for _, s := range sorted(cx.World.Kube.Services) {
		r := newRow(cx, s.Meta)
		r.text(cx, s.TypeAddress())
		r.text(cx, s.ClusterIP)
		r.text(cx, strings.Join(s.Ports, ","))
		r.share(cx, ready[s.Key()], all[s.Key()])
		r.age(cx, s.Meta)
		var selector []string
		for _, k := range slices.Sorted(maps.Keys(s.Selector)) {
			selector = append(selector, k+"="+s.Selector[k])
		}
		r.text(cx, strings.Join(selector, ","))
		rows = append(rows, r)
	}
	return rows
}

// events has one row for every Event object: the newest state of each.
func events(cx *screen.Context) []row {
	var rows []row
	seen := map[string]bool{}
	list := cx.World.Kube.Events
	for i := len(list) - 1; i >= 0; i-- {
		e := list[i]
		if seen[e.Key()] {
			continue
		}
		seen[e.Key()] = true
		style := cx.Styles.Text
		if e.EventType == "Warning" {
			style = cx.Styles.Warn
		}
		last := e.Last
		if last.IsZero() {
			last = e.Created
		}
		r := row{key: e.Key(), namespace: e.Namespace, name: e.Name, order: map[int]float64{0: cx.Now.Sub(last).Seconds(), 4: float64(e.Count)}}
		for _, v := range []string{widget.Since(cx.Now, last), e.EventType, e.Reason, e.Regarding, strconv.Itoa(max(int(e.Count), 1)), e.Message} {
			r.cells = append(r.cells, widget.Cell{Text: widget.Clean(strings.ReplaceAll(v, "\n", " ")), Style: style})
		}
		rows = append(rows, r)
	}
	return rows
}

// namespaces are the namespaces in which there is something, sorted; the first
// is "", which stands for all.
func namespaces(w *state.World) []string {
	found := map[string]bool{"": true}
	for _, p := range w.Kube.Pods {
		found[p.Namespace] = true
	}
	for _, d := range w.Kube.Deployments {
		found[d.Namespace] = true
	}
	for _, s := range w.Kube.Services {
		found[s.Namespace] = true
	}
	return slices.Sorted(maps.Keys(found))
}
