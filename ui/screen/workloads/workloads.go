// Package workloads is the screen of pods, deployments, services and events, in
// tables with the columns kubectl prints, and of the images of all nodes.
package workloads

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Workloads is the screen.
type Workloads struct {
	keys    keys
	kind    int
	cursor  map[string]string // the selected object by kind
	sort    map[string]int    // the column sorted by, by kind
	reverse map[string]bool
}

type keys struct {
	list                                screen.ListKeys
	next, last, space, sort, reverse    key.Binding
	describe, logs, shell, remove, yaml key.Binding
}

// New is the screen at its start.
func New() *Workloads {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return &Workloads{
		cursor: map[string]string{}, sort: map[string]int{}, reverse: map[string]bool{},
		keys: keys{
			list:     screen.NewListKeys(),
			next:     bind("tab/→", "next kind", "tab", "right"),
			last:     bind("⇧tab/←", "kind before", "shift+tab", "left"),
			space:    bind("n", "next namespace", "n"),
			sort:     bind("o", "sort by the next column", "o"),
			reverse:  bind("O", "sort the other way", "O"),
			describe: bind("d", "describe", "d", "enter"),
			logs:     bind("l", "logs", "l"),
			shell:    bind("s", "shell", "s"),
			remove:   bind("x", "delete", "x"),
			yaml:     bind("y", "yaml", "y"),
		},
	}
}

// About implements screen.Screen.
func (s *Workloads) About() screen.About {
	return screen.About{Number: 6, ID: "workloads", Title: "Workloads", Short: "Work", Filters: true,
		Text: "pods, deployments, services and events, as kubectl prints them; images"}
}

// Keys implements screen.Screen.
func (s *Workloads) Keys() []key.Binding {
	k := s.keys
	return []key.Binding{k.describe, k.logs, k.shell, k.yaml, k.remove, k.next, k.last, k.space, k.sort, k.reverse, k.list.Up, k.list.Down}
}

// Handle implements screen.Screen.
func (s *Workloads) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	kind := kinds()[s.kind]
	rows := s.rows(cx)
	at := s.selected(cx, rows)
	if click, ok := msg.(screen.Click); ok {
		s.click(click.Zone, cx, rows)
		return nil
	}
	if to, ok := s.keys.list.Move(msg, max(at, 0), len(rows)); ok && len(rows) > 0 {
		s.choose(cx, rows[to].key)
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch k := s.keys; {
	case key.Matches(press, k.next):
		s.kind = (s.kind + 1) % len(kinds())
	case key.Matches(press, k.last):
		s.kind = (s.kind + len(kinds()) - 1) % len(kinds())
	case key.Matches(press, k.space):
		cx.Selection.Namespace = nextNamespace(cx)
	case key.Matches(press, k.sort):
		s.sort[kind.name] = (s.sort[kind.name] + 1) % len(kind.columns)
	case key.Matches(press, k.reverse):
		s.reverse[kind.name] = !s.reverse[kind.name]
	case at >= 0:
		return s.act(press, kind, rows[at])
	}
	return nil
}

func (s *Workloads) click(zone string, cx *screen.Context, rows []row) {
	name, number, _ := strings.Cut(zone, "/")
	i, err := strconv.Atoi(number)
	switch {
	case err != nil || i < 0:
	case name == "kind" && i < len(kinds()):
		s.kind = i
	case name == "row" && i < len(rows):
		s.choose(cx, rows[i].key)
	}
}

// choose selects an object of the kind; a pod for all screens.
func (s *Workloads) choose(cx *screen.Context, key string) {
	kind := kinds()[s.kind]
	s.cursor[kind.name] = key
	if kind.resource == "pod" {
		cx.Selection.Pod = key
	}
}

// act is what a key does with the selected object.
func (s *Workloads) act(press tea.KeyPressMsg, kind kind, r row) screen.Intent {
	if kind.resource == "image" {
		return s.actOnImage(press, r)
	}
	object := []string{kind.resource, r.name, "-n", r.namespace}
	title := kind.resource + " " + r.namespace + "/" + r.name
	pod := kind.resource == "pod"
	switch k := s.keys; {
	case key.Matches(press, k.describe):
		return screen.Page{Title: "describe " + title, Args: append([]string{"kubectl", "describe"}, object...)}
	case key.Matches(press, k.yaml):
		return screen.Page{Title: "yaml " + title, Args: append([]string{"kubectl", "get", "-o", "yaml"}, object...)}
	case key.Matches(press, k.logs) && (pod || kind.resource == "deployment"):
		return screen.Page{Title: "logs " + title, Follow: true,
			Args: []string{"kubectl", "logs", "-f", "--tail=500", "--all-containers", kind.resource + "/" + r.name, "-n", r.namespace}}
	case key.Matches(press, k.shell) && pod:
		return screen.Shell{Args: []string{"kubectl", "exec", "-it", r.name, "-n", r.namespace, "--", "sh"}}
	case key.Matches(press, k.logs), key.Matches(press, k.shell):
		return screen.Note{Text: "choose a pod for that: " + kind.title + " have none of their own"}
	case key.Matches(press, k.remove):
		return screen.Command{Question: "Delete " + title + "?", Detail: consequence(kind.resource),
			Args: append(append([]string{"kubectl", "delete"}, object...), "--wait=false")}
	}
	return nil
}

// actOnImage is what a key does with the selected image, which no object of the API
// is.
func (s *Workloads) actOnImage(press tea.KeyPressMsg, r row) screen.Intent {
	switch k := s.keys; {
	case key.Matches(press, k.describe):
		return screen.Page{Title: "image " + r.name, Args: []string{"image", "list", r.name}}
	case key.Matches(press, k.yaml):
		return screen.Page{Title: "json image " + r.name, Args: []string{"image", "list", "-o", "json", r.name}}
	case key.Matches(press, k.remove):
		return screen.Command{Question: "Remove image " + r.name + "?", Detail: "the lab and its nodes lose it; refused while a pod uses it",
			Args: []string{"image", "rm", r.name}}
	case key.Matches(press, k.logs), key.Matches(press, k.shell):
		return screen.Note{Text: "choose a pod for that: images have none of their own"}
	}
	return nil
}

func consequence(resource string) string {
	return map[string]string{
		"pod":        "its controller, if it has one, makes another in its place",
		"deployment": "its ReplicaSets and their pods go with it",
		"service":    "its address and its endpoints go with it",
		"event":      "the record goes, not what it tells of",
	}[resource]
}

// nextNamespace is the namespace after the selected one; after the last comes all.
func nextNamespace(cx *screen.Context) string {
	names := namespaces(cx.World)
	i := slices.Index(names, cx.Selection.Namespace)
	if i+1 < len(names) {
		return names[i+1]
	}
	return ""
}

// rows are the objects of the kind that pass the filters, in order.
func (s *Workloads) rows(cx *screen.Context) []row {
	kind := kinds()[s.kind]
	var rows []row
	for _, r := range kind.rows(cx) {
		if cx.Selection.Namespace != "" && r.namespace != cx.Selection.Namespace && kind.resource != "image" {
			continue
		}
		if r.matches(cx.Filter) {
			rows = append(rows, r)
		}
	}
	column := s.sort[kind.name]
	slices.SortStableFunc(rows, func(a, b row) int {
		c := a.compare(b, column)
		if s.reverse[kind.name] {
			return -c
		}
		return c
	})
	return rows
}

func (s *Workloads) selected(cx *screen.Context, rows []row) int {
	kind := kinds()[s.kind]
	wanted := s.cursor[kind.name]
	if kind.resource == "pod" && cx.Selection.Pod != "" {
		wanted = cx.Selection.Pod // here or on another screen
	}
	at := slices.IndexFunc(rows, func(r row) bool { return r.key == wanted })
	if at < 0 && len(rows) > 0 {
		return 0
	}
	return at
}

// Draw implements screen.Screen.
func (s *Workloads) Draw(surface widget.Surface, cx *screen.Context) {
	st, kind := cx.Styles, kinds()[s.kind]
	w, h := surface.Size()
	rows := s.rows(cx)
	x := 1
	for i, k := range kinds() {
		n := len(k.rows(cx))
		label := fmt.Sprintf(" %s %d ", k.title, n)
		style := st.Muted
		if i == s.kind {
			style = st.Reverse
		}
		from := x
		x = surface.Text(x, 0, style, label)
		surface.Sub(from, 0, x-from, 1).Zone(fmt.Sprint("kind/", i))
		x++
	}
	namespace := "all namespaces"
	switch {
	case kind.resource == "image":
		namespace = "" // they are of all nodes
	case cx.Selection.Namespace != "":
		namespace = "namespace " + cx.Selection.Namespace
	}
	x = surface.Fit(x+1, 0, w-x-2, st.Text, namespace)
	if cx.Filter != "" {
		surface.Fit(x+2, 0, w-x-3, st.Accent, "filter “"+cx.Filter+"”")
	}
	t := widget.Table{Columns: slices.Clone(kind.columns), Selected: s.selected(cx, rows), Focused: true, Zone: "row/",
		Empty: "none" + because(cx)}
	t.Columns[s.sort[kind.name]].Sorted = "▴"
	if s.reverse[kind.name] {
		t.Columns[s.sort[kind.name]].Sorted = "▾"
	}
	for _, r := range rows {
		t.Rows = append(t.Rows, r.cells)
	}
	table := surface.Sub(0, 2, w, h-2)
	if u := s.chosenUse(cx, rows); u != nil && h >= leastForCharts {
		var charts widget.Surface
		table, charts = table.Bottom(chartHeight)
		pane.Charts(charts.Sub(0, 1, w, chartHeight-1), cx, pane.UsageCharts(cx, u))
	}
	if i := s.chosenImage(cx, rows); i != nil && h >= leastForCharts {
		var detail widget.Surface
		table, detail = table.Bottom(chartHeight)
		drawImage(detail, cx, *i)
	}
	t.Draw(table, st)
}

// The charts of the selected pod, and from which height of the screen on there
// are any.
const (
	chartHeight    = 8
	leastForCharts = 26
)

// chosenUse is what the selected pod uses; nil where none is selected or nothing
// is known of it.
func (s *Workloads) chosenUse(cx *screen.Context, rows []row) *state.UsageSeries {
	at := s.selected(cx, rows)
	if kinds()[s.kind].name != "pods" || at < 0 {
		return nil
	}
	p := cx.World.Kube.Pods[rows[at].key]
	if p == nil {
		return nil
	}
	return cx.World.PodUsage(p)
}

// chosenImage is the selected image; nil where none is.
func (s *Workloads) chosenImage(cx *screen.Context, rows []row) *state.ImageRow {
	at := s.selected(cx, rows)
	if kinds()[s.kind].name != "images" || at < 0 {
		return nil
	}
	for _, i := range cx.World.Images.Rows() {
		if i.Name+" "+i.Digest == rows[at].key {
			return &i
		}
	}
	return nil
}

func because(cx *screen.Context) string {
	switch {
	case cx.Filter != "":
		return " passes the filter; esc clears it"
	case cx.Selection.Namespace != "":
		return " in this namespace; n shows the next"
	default:
		return " yet"
	}
}
