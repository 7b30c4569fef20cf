package schedule

import (
	"cmp"
	"slices"
	"strings"
	"time"

	fwk "k8s.io/kube-scheduler/framework"

	"workbench/cluster/event"
)

// table interns names: an event says each of them once.
type table struct {
	names []string
	at    map[string]int
}

func (t *table) index(name string) int {
	if i, ok := t.at[name]; ok {
		return i
	}
	if t.at == nil {
		t.at = map[string]int{}
	}
	t.at[name] = len(t.names)
	t.names = append(t.names, name)
	return len(t.names) - 1
}

func (t *table) indexes(names []string) []int {
	out := make([]int, 0, len(names))
	for _, name := range names {
		out = append(out, t.index(name))
	}
	return out
}

// listedReasons bounds how many different reasons a cycle tells; the last one
// stands for all others.
const listedReasons = 64

// reasons interns the reasons of one verdict.
func (t *table) reasons(list []string) []int {
	out := make([]int, 0, len(list))
	for _, reason := range list {
		reason = clip(reason)
		if _, known := t.at[reason]; !known && len(t.names) >= listedReasons {
			reason = "other reasons"
		}
		out = append(out, t.index(reason))
	}
	return out
}

// making is the event of a cycle while it is made.
type making struct {
	c                       *record
	out                     event.SchedCycle
	plugins, nodes, reasons table
	place                   map[string]int // of a Filter plugin, from 1
	scores                  map[string]fwk.NodePluginScores
}

// event is the record of a finished cycle as an event.
func (c *record) event(outcome event.SchedOutcome, message string, now time.Time) event.SchedCycle {
	m := &making{c: c, place: map[string]int{}, scores: map[string]fwk.NodePluginScores{}}
	m.out = event.SchedCycle{
		Instance: c.r.node, Profile: c.profile, Pod: c.pod, Attempt: c.attempt, Start: c.start,
		Queued: max(c.start.Sub(c.queuedAt), 0), Waited: max(c.start.Sub(c.firstAt), 0), Took: now.Sub(c.start),
		Woken: c.wake, Outcome: outcome, Node: c.host, Message: message, Nominated: c.nominated, Hint: c.hint,
		AllNodes: c.allNodes, Evaluated: c.evaluated, Feasible: c.feasible, Group: c.group,
		Extenders: c.r.extenders, Preemption: c.post, Phases: c.phases,
	}
	if c.plugins != nil && c.preFilter.ran {
		m.preFilter()
		m.out.Filters = m.plugins.indexes(c.plugins.filter)
		for i, name := range c.plugins.filter {
			m.place[name] = i + 1
			if slices.Contains(c.skipped, name) {
				m.out.Skipped = append(m.out.Skipped, m.plugins.index(name))
			}
		}
		m.scorers()
		m.rows()
	}
	m.candidates()
	m.out.Plugins, m.out.Nodes, m.out.Reasons = m.plugins.names, m.nodes.names, m.reasons.names
	return m.out
}

// preFilter tells the verdict of each PreFilter plugin as far as the framework
// does: it returns the last rejection, and those that have nothing to do.
func (m *making) preFilter() {
	p := m.c.preFilter
	if p.allowed >= 0 {
		m.out.Allowed, m.out.Allowing = p.allowed, p.allowing
	}
	over := false
	for _, name := range m.c.plugins.preFilter {
		v := event.SchedPreFilter{Plugin: m.plugins.index(name)}
		switch {
		case over:
			v.Code = event.SchedNotReached
		case slices.Contains(m.c.skipped, name):
			v.Code = event.SchedSkip
		case name == p.plugin:
			v.Code, v.Reason = p.code, m.reasons.reasons(p.reasons)
			over = p.code != event.SchedNo
		case p.code == event.SchedNo:
			v.Code = event.SchedRan // one of several may have said no
		case p.code != event.SchedOK && p.plugin == "" && slices.Contains(p.allowing, name):
			v.Code, v.Reason = p.code, m.reasons.reasons(p.reasons)
		}
		m.out.PreFilter = append(m.out.PreFilter, v)
	}
}

func (m *making) scorers() {
	m.out.Scored = m.c.scored
	if !m.c.scored {
		return
	}
	for _, name := range m.c.plugins.score {
		m.out.Scorers = append(m.out.Scorers, event.SchedScorer{
			Plugin: m.plugins.index(name), Weight: m.c.plugins.weights[name], Skipped: slices.Contains(m.c.skippedScore, name),
		})
	}
	best := int64(0)
	for _, s := range m.c.scores {
		m.scores[s.Name] = s
		if s.Name == m.c.host {
			best = s.TotalScore
		}
	}
	for _, s := range m.c.scores {
		if s.Name != m.c.host && s.TotalScore == best && len(m.out.Ties) < listed {
			m.out.Ties = append(m.out.Ties, s.Name)
		}
	}
	slices.Sort(m.out.Ties)
}

// rows tells of nodes one by one, of all or of the most telling ones, and
// counts rejections over all of them.
func (m *making) rows() {
	verdicts := m.verdicts()
	m.tally(verdicts)
	for i, v := range m.choose(verdicts) {
		if i >= listed {
			m.out.Unlisted++
			continue
		}
		m.out.Rows = append(m.out.Rows, m.row(v))
	}
	m.out.Unlisted += max(m.c.allNodes-len(m.out.Rows)-m.out.Unlisted, 0)
	slices.SortFunc(m.out.Rows, func(a, b event.SchedRow) int {
		return strings.Compare(m.nodes.names[a.Node], m.nodes.names[b.Node])
	})
}

// verdicts has one entry per node, the last where a node was tried twice (a
// nominated node is tried alone first), in the order of names.
func (m *making) verdicts() []filtered {
	byNode := make(map[string]filtered, len(m.c.rows))
	for _, v := range m.c.rows {
		byNode[v.node] = v
	}
	for _, node := range m.c.nodes {
		if _, ok := byNode[node]; !ok {
			byNode[node] = filtered{node: node, code: event.SchedNotReached}
		}
	}
	out := make([]filtered, 0, len(byNode))
	for _, v := range byNode {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b filtered) int { return strings.Compare(a.node, b.node) })
	return out
}

func (m *making) tally(verdicts []filtered) {
	type kind struct{ plugin, reason string }
	counts := map[kind]int{}
	for _, v := range verdicts {
		if v.code == event.SchedOK || v.code == event.SchedNotReached {
			continue
		}
		counts[kind{v.plugin, strings.Join(v.reasons, ", ")}]++
	}
	for k, n := range counts {
		t := event.SchedTally{Plugin: -1, Reason: -1, Nodes: n}
		if k.plugin != "" {
			t.Plugin = m.plugins.index(k.plugin)
		}
		if k.reason != "" {
			t.Reason = m.reasons.reasons([]string{k.reason})[0]
		}
		m.out.Tallies = append(m.out.Tallies, t)
	}
	slices.SortFunc(m.out.Tallies, func(a, b event.SchedTally) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Reason, b.Reason))
	})
}

// choose puts the most telling nodes first: the chosen one, the best scored
// ones up to half of what is listed, one of each kind of rejection, the rest.
func (m *making) choose(verdicts []filtered) []filtered {
	if len(verdicts) <= listed {
		return verdicts
	}
	rank := make(map[string]int, len(verdicts))
	seen := map[string]bool{}
	scored := slices.Clone(m.c.scores)
	slices.SortFunc(scored, func(a, b fwk.NodePluginScores) int {
		return cmp.Or(cmp.Compare(b.TotalScore, a.TotalScore), strings.Compare(a.Name, b.Name))
	})
	for i, s := range scored {
		rank[s.Name] = 4
		if i < listed/2 {
			rank[s.Name] = 1
		}
	}
	for _, v := range verdicts {
		kind := v.plugin + strings.Join(v.reasons, ",")
		switch {
		case v.code == event.SchedNotReached:
			rank[v.node] = 5
		case v.code != event.SchedOK && !seen[kind]:
			seen[kind] = true
			rank[v.node] = 2
		case rank[v.node] == 0:
			rank[v.node] = 3
		}
	}
	rank[m.c.host] = 0
	slices.SortStableFunc(verdicts, func(a, b filtered) int { return cmp.Compare(rank[a.node], rank[b.node]) })
	return verdicts
}

func (m *making) row(v filtered) event.SchedRow {
	row := event.SchedRow{Node: m.nodes.index(v.node), Failed: m.place[v.plugin], Code: v.code}
	if len(v.reasons) > 0 {
		row.Reason = m.reasons.reasons(v.reasons)
	}
	s, ok := m.scores[v.node]
	if !ok {
		return row
	}
	row.Total = s.TotalScore
	for _, scorer := range m.out.Scorers {
		name := m.plugins.names[scorer.Plugin]
		row.Raw = append(row.Raw, scoreOf(s.RawScores, name))
		score := scoreOf(s.Scores, name)
		if scorer.Weight != 0 {
			score /= scorer.Weight
		}
		row.Score = append(row.Score, score)
	}
	return row
}

func scoreOf(scores []fwk.PluginScore, plugin string) int64 {
	for _, s := range scores {
		if s.Name == plugin {
			return s.Score
		}
	}
	return 0
}

// candidates tells of the dry runs of preemption: those that helped first.
func (m *making) candidates() {
	list := m.c.candidates
	slices.SortFunc(list, func(a, b event.SchedCandidate) int {
		return cmp.Or(cmp.Compare(len(a.Reason), len(b.Reason)), strings.Compare(a.Node, b.Node))
	})
	if n := len(list) - listedCandidates; n > 0 {
		at := slices.IndexFunc(list, func(c event.SchedCandidate) bool { return c.Node == m.c.post.Nominated })
		if at >= listedCandidates {
			list[0], list[at] = list[at], list[0]
		}
		m.out.Preemption.More, list = n, list[:listedCandidates]
	}
	m.out.Preemption.Candidates = list
}
