package state

import (
	"cmp"
	"slices"
	"strings"

	"workbench/cluster/event"
)

// Change is what a what-if changes in a cycle.
type Change struct {
	// Weights of Score plugins, by name; 0 leaves the plugin out.
	Weights map[string]int64
	// Without are Filter plugins, by name, that do not run.
	Without map[string]bool
}

// Empty says that nothing is changed.
func (c Change) Empty() bool { return len(c.Weights) == 0 && len(c.Without) == 0 }

// Standing is a node in a ranking.
type Standing struct {
	Node string
	// Total is the sum of score x weight; it is known only where Scored.
	Total  int64
	Scored bool
	// Was is the place in the recorded ranking, from 1; 0 is none.
	Was int
	// Unknown are the Filter plugins that would have to look at the node and
	// never did. Freed says that a plugin left out had rejected it: nobody knows
	// its scores.
	Unknown []string
	Freed   bool
}

// Ranking is the outcome of a what-if.
type Ranking struct {
	// Nodes that could take the pod, best first; those freed come last, as they
	// have no scores.
	Nodes []Standing
	// Best is the first node; Ties are the others with its total.
	Best string
	Ties []string
	// Normalised says that the scores are the ones normalised over the nodes of
	// the recorded cycle: with other nodes in, plugins would normalise anew.
	Normalised bool
}

// WhatIf ranks the nodes of a recorded cycle again with other weights or
// without plugins. It knows what was recorded and no more: a node that was
// rejected has no scores, and the Filter plugins behind the first that failed
// never ran on it.
func WhatIf(c *event.SchedCycle, change Change) Ranking {
	out := Ranking{}
	was := places(c)
	for _, row := range c.Rows {
		standing := Standing{Node: c.Nodes[row.Node], Was: was[row.Node]}
		switch {
		case row.Code == event.SchedOK:
			standing.Scored = len(row.Score) > 0
			standing.Total = total(c, row, change)
		case row.Failed > 0 && change.Without[c.Plugins[c.Filters[row.Failed-1]]]:
			standing.Freed, standing.Unknown = true, behind(c, row.Failed, change)
			out.Normalised = true
		default:
			continue
		}
		out.Nodes = append(out.Nodes, standing)
	}
	slices.SortStableFunc(out.Nodes, func(a, b Standing) int {
		if a.Freed != b.Freed {
			if a.Freed {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Node, b.Node))
	})
	if len(out.Nodes) == 0 || out.Nodes[0].Freed {
		return out
	}
	out.Best = out.Nodes[0].Node
	for _, s := range out.Nodes[1:] {
		if !s.Freed && s.Total == out.Nodes[0].Total {
			out.Ties = append(out.Ties, s.Node)
		}
	}
	return out
}

// places are the ranks in the recorded cycle, by index of the node.
func places(c *event.SchedCycle) map[int]int {
	var scored []event.SchedRow
	for _, row := range c.Rows {
		if row.Code == event.SchedOK {
			scored = append(scored, row)
		}
	}
	slices.SortStableFunc(scored, func(a, b event.SchedRow) int { return cmp.Compare(b.Total, a.Total) })
	out := map[int]int{}
	for i, row := range scored {
		out[row.Node] = i + 1
		if i > 0 && row.Total == scored[i-1].Total {
			out[row.Node] = out[scored[i-1].Node]
		}
	}
	return out
}

func total(c *event.SchedCycle, row event.SchedRow, change Change) int64 {
	sum := int64(0)
	for i, scorer := range c.Scorers {
		if i < len(row.Score) {
			sum += row.Score[i] * Weight(c, scorer, change)
		}
	}
	return sum
}

// Weight is the weight of a Score plugin under a change.
func Weight(c *event.SchedCycle, scorer event.SchedScorer, change Change) int64 {
	if w, ok := change.Weights[c.Plugins[scorer.Plugin]]; ok {
		return w
	}
	return scorer.Weight
}

// behind are the Filter plugins after a place that had something to check.
func behind(c *event.SchedCycle, place int, change Change) []string {
	var out []string
	for _, plugin := range c.Filters[place:] {
		name := c.Plugins[plugin]
		if !slices.Contains(c.Skipped, plugin) && !change.Without[name] {
			out = append(out, name)
		}
	}
	return out
}
