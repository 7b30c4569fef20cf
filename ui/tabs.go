package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// tabs are the screens, and at the right what needs attention.
func (m *app) tabs(s widget.Surface) {
	w, _ := s.Size()
	var shown []screen.About
	on := -1
	for i, one := range m.screens {
		if a := one.About(); a.Number > 0 {
			if i == m.current {
				on = len(shown)
			}
			shown = append(shown, a)
		}
	}
	alerts, count := m.alerts()
	x := 0
	for i, text := range tabTexts(shown, on, w, widget.Width(alerts)) {
		style := m.styles.TabIdle
		if i == on {
			style = m.styles.TabOn
		}
		from := x
		x = s.Text(x, 0, style, text)
		s.Sub(from, 0, x-from, 1).Zone(fmt.Sprint("tab/", shown[i].Number))
		if strings.HasSuffix(text, " ") {
			x++
		}
	}
	id := m.screen().About().ID
	if filter := m.filters[id]; filter != "" && id == "lab" {
		x = s.Fit(x+1, 0, w-x-2, m.styles.Accent, "filter “"+filter+"”")
	}
	switch room := w - x - 2; {
	case alerts == "":
	case widget.Width(alerts) > room && room < 16: // too few words would say less than a number
		s.Right(w-1, 0, m.styles.Bad, widget.Clip(fmt.Sprintf("▴%d", count), room))
	default:
		s.Right(w-1, 0, m.styles.Bad, widget.Clip(alerts, room))
	}
}

// tabTexts are the tabs' texts for a line of w cells: with whole names and space
// around them where that fits, else close together, else with short names but for
// that of the screen shown; at last the names are cut to the same length. As long as
// names are whole, alerts (cells) have room for their words; then cells are left for
// their number.
func tabTexts(shown []screen.About, on, w, alerts int) []string {
	words, number := 0, 0
	if alerts > 0 {
		words, number = alerts+3, 5
	}
	long := func(a screen.About) string { return a.Title }
	for _, try := range []struct {
		name func(screen.About) string
		pad  string
		room int
	}{{long, " ", w - words}, {long, "", w - number}, {screen.About.Brief, " ", w - number}} {
		if out, sum := tabsWith(shown, on, try.name, try.pad); sum <= try.room {
			return out
		}
	}
	for most := w; ; most-- {
		out, sum := tabsWith(shown, on, func(a screen.About) string { return cut(a.Brief(), most) }, "")
		if sum <= w-number || most == 0 {
			return out
		}
	}
}

// tabsWith are the tabs by a name for each but the one shown, and the cells that
// they take with a cell between those that end in pad.
func tabsWith(shown []screen.About, on int, name func(screen.About) string, pad string) (out []string, sum int) {
	for i, a := range shown {
		title := a.Title
		if i != on {
			title = name(a)
		}
		text := strings.TrimRight(fmt.Sprintf(" %d %s", a.Number, title), " ") + pad
		out, sum = append(out, text), sum+widget.Width(text)+len(pad)
	}
	return out, sum
}

// cut is the first letters of a name.
func cut(name string, most int) string {
	if r := []rune(name); len(r) > most {
		return string(r[:most])
	}
	return name
}

// alerts is what needs attention, in words, and how many that are.
func (m *app) alerts() (text string, count int) {
	var parts []string
	add := func(n int, noun, what string) {
		if count += n; n > 0 {
			parts = append(parts, widget.Plural(n, noun)+" "+what)
		}
	}
	nodes, components, pods := 0, 0, 0
	for _, n := range m.world.Nodes {
		if n.State == event.NodeKilled || n.State == event.NodeStopped || n.State == event.NodePaused {
			nodes++
			continue
		}
		for _, c := range n.Components {
			if c.State == event.ComponentExited || c.State == event.ComponentStopped || c.State == event.ComponentPaused || c.State == event.ComponentUnready {
				components++
			}
		}
	}
	for _, p := range m.world.Kube.Pods {
		if !p.Ready && p.Phase != "Succeeded" && p.Deleting.IsZero() {
			pods++
		}
	}
	add(nodes, "node", "down")
	add(components, "component", "down")
	if m.world.Phase == event.Running {
		add(pods, "pod", "not ready")
	}
	for _, source := range slices.Sorted(maps.Keys(m.world.Lost)) {
		if !strings.HasPrefix(source, "node/") {
			parts = append(parts, source+" stale "+widget.Since(m.now, m.world.Lost[source].Since))
			count++
		}
	}
	if len(parts) == 0 {
		return "", 0
	}
	return "▴ " + strings.Join(parts, "  "), count
}
