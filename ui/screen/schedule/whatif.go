package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
	"workbench/ui/screen"
)

// whatIf is the question what would have been with other weights or without
// plugins.
type whatIf struct {
	on     bool
	cursor int
	change state.Change
}

// plugins are those a what-if can change: Filters that had something to check,
// then the ones that scored.
func plugins(c *state.Cycle) (filters, scorers []string) {
	for _, plugin := range c.Filters {
		if !slices.Contains(c.Skipped, plugin) {
			filters = append(filters, c.Plugins[plugin])
		}
	}
	for _, s := range c.Scorers {
		if !s.Skipped {
			scorers = append(scorers, c.Plugins[s.Plugin])
		}
	}
	return filters, scorers
}

// handleAsk is what a key does while a what-if is asked; false when nothing.
func (s *Schedule) handleAsk(press tea.KeyPressMsg, cx *screen.Context) bool {
	c := s.cycle(cx)
	if c == nil {
		s.ask = whatIf{}
		return false
	}
	filters, scorers := plugins(c)
	all := len(filters) + len(scorers)
	switch k := s.keys; {
	case key.Matches(press, k.ask):
		s.ask = whatIf{}
	case key.Matches(press, k.forget):
		s.ask.change = state.Change{}
	case key.Matches(press, k.askUp):
		s.ask.cursor = max(s.ask.cursor-1, 0)
	case key.Matches(press, k.askDown):
		s.ask.cursor = min(s.ask.cursor+1, max(all-1, 0))
	case key.Matches(press, k.without):
		s.ask.drop(c, filters, scorers)
	case key.Matches(press, k.more):
		s.ask.weigh(c, filters, scorers, 1)
	case key.Matches(press, k.less):
		s.ask.weigh(c, filters, scorers, -1)
	default:
		return false
	}
	return true
}

// drop leaves the plugin under the cursor out, or takes it in again.
func (q *whatIf) drop(c *state.Cycle, filters, scorers []string) {
	if q.cursor < len(filters) {
		without := maps.Clone(q.change.Without)
		if without == nil {
			without = map[string]bool{}
		}
		if name := filters[q.cursor]; without[name] {
			delete(without, name)
		} else {
			without[name] = true
		}
		q.change.Without = without
		return
	}
	if at := q.cursor - len(filters); at < len(scorers) {
		now, recorded := q.weight(c, scorers[at])
		if now == 0 {
			q.set(scorers[at], recorded, recorded)
		} else {
			q.set(scorers[at], 0, recorded)
		}
	}
}

// weigh changes the weight of the plugin under the cursor.
func (q *whatIf) weigh(c *state.Cycle, filters, scorers []string, by int64) {
	at := q.cursor - len(filters)
	if at < 0 || at >= len(scorers) {
		return
	}
	now, recorded := q.weight(c, scorers[at])
	q.set(scorers[at], max(now+by, 0), recorded)
}

func (q *whatIf) weight(c *state.Cycle, name string) (now, recorded int64) {
	for _, s := range c.Scorers {
		if c.Plugins[s.Plugin] == name {
			return state.Weight(&c.SchedCycle, s, q.change), s.Weight
		}
	}
	return 0, 0
}

func (q *whatIf) set(name string, weight, recorded int64) {
	weights := maps.Clone(q.change.Weights)
	if weights == nil {
		weights = map[string]int64{}
	}
	weights[name] = weight
	if weight == recorded {
		delete(weights, name)
	}
	q.change.Weights = weights
}

// The extension points at which a what-if changes a plugin.
const (
	filterPlugin = "Filter "
	scorePlugin  = "Score "
)

// at is the plugin under the cursor and its extension point.
func (q *whatIf) at(c *state.Cycle) (point, name string) {
	filters, scorers := plugins(c)
	if q.cursor < len(filters) {
		return filterPlugin, filters[q.cursor]
	}
	if at := q.cursor - len(filters); at < len(scorers) {
		return scorePlugin, scorers[at]
	}
	return "", ""
}

// mark is the name of a plugin as a what-if shows it.
func (q *whatIf) mark(d *decision, point, name string, out bool) string {
	if !q.on {
		return name
	}
	under, plugin := q.at(d.c)
	if out {
		name = "× " + name
	}
	if under == point && strings.TrimPrefix(name, "× ") == plugin {
		name = "▸ " + name
	}
	return name
}

// tell says what the what-if comes to, and how far that can be known.
func (q *whatIf) tell(d *decision, r state.Ranking) {
	if !q.on {
		return
	}
	st := d.styles()
	point, name := q.at(d.c)
	kind := "x leaves it out"
	if point == scorePlugin {
		kind = "+ - change its weight, x leaves it out"
	}
	d.page.add(span{1, st.Reverse, " WHAT IF "}, span{-1, st.Strong, "  ▸ " + point + name}, span{-1, st.Muted, "  " + kind + ", r as it was, w done"})
	text := "the recorded decision: " + d.c.Node
	if !q.change.Empty() {
		text = "it would be " + r.Best + ", as it was"
		switch {
		case r.Best == "":
			text = "still no node that is known to fit"
		case len(r.Ties) > 0:
			text = "a tie of " + r.Best + ", " + strings.Join(r.Ties, ", ") + ": chance would decide"
		case r.Best != d.c.Node:
			text = "it would be " + r.Best + " instead of " + d.c.Node
		}
		text += ", from the recorded scores"
	}
	d.page.add(span{3, st.Accent, text})
	for _, n := range r.Nodes {
		if !n.Freed {
			continue
		}
		unknown := "it would pass; it has no scores, as rejected nodes are not scored"
		if len(n.Unknown) > 0 {
			unknown = fmt.Sprintf("unknown: %s never ran on it", strings.Join(n.Unknown, ", "))
		}
		d.page.add(span{3, st.Warn, n.Node + " ? "}, span{-1, st.Muted, unknown})
	}
}
