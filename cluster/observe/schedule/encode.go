package schedule

import (
	"cmp"
	"slices"
	"strings"
	"time"

	fwk "k8s.io/kube-scheduler/framework"

	"workbench/cluster/event"
)

// table interns names: an event says each of them once. It is short, so that
// going through it is quicker than a map.
type table []string

func (t *table) index(name string) int {
	if i := slices.Index(*t, name); i >= 0 {
		return i
	}
	*t = append(*t, name)
	return len(*t) - 1
}

// listedReasons bounds how many different reasons a cycle tells; the last one
// stands for all others.
const listedReasons = 64

// reasons interns the reasons of one verdict.
func (t *table) reasons(list []string) []int {
	out := make([]int, 0, len(list))
	for _, reason := range list {
		reason = clip(reason)
		if len(*t) >= listedReasons && !slices.Contains(*t, reason) {
			reason = "other reasons"
		}
		out = append(out, t.index(reason))
	}
	return out
}

// making is the event of a cycle while it is made.
type making struct {
	c                *record
	out              event.SchedCycle
	plugins, reasons table
	scores           map[string]int // of a scored node that is listed: its index in the record's scores
	at               [][2]int       // of each scorer: its index in raw and weighted scores; -1 is none
	cells            []int64        // of all rows, in one piece
}

// event is the record of a finished cycle as an event.
func (c *record) event(outcome event.SchedOutcome, message string, now time.Time) event.SchedCycle {
	m := &making{c: c, scores: make(map[string]int, min(len(c.scores), listed))}
	m.out = event.SchedCycle{
		Instance: c.r.node, Profile: c.profile, Pod: c.pod, Attempt: c.attempt, Start: c.start,
		Queued: max(c.start.Sub(c.queuedAt), 0), Waited: max(c.start.Sub(c.firstAt), 0), Took: now.Sub(c.start),
		Woken: c.wake, Outcome: outcome, Node: c.host, Message: message, Nominated: c.nominated, Hint: c.hint,
		AllNodes: c.allNodes, Evaluated: c.evaluated, Feasible: c.feasible, Group: c.group,
		Extenders: c.r.extenders, Preemption: c.post, Phases: c.phases,
	}
	if c.plugins != nil && c.preFilter.ran {
		m.plugins, m.out.Filters = c.plugins.names, c.plugins.filters
		m.preFilter()
		for i, name := range c.plugins.filter {
			if slices.Contains(c.skipped, name) {
				m.out.Skipped = append(m.out.Skipped, c.plugins.filters[i])
			}
		}
		m.scorers()
		m.rows()
	}
	m.candidates()
	m.out.Plugins, m.out.Reasons = m.plugins, m.reasons
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
	m.out.PreFilter = make([]event.SchedPreFilter, 0, len(m.c.plugins.preFilter))
	for _, name := range m.c.plugins.preFilter {
		v := event.SchedPreFilter{Plugin: m.c.plugins.index[name]}
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
	m.out.Scorers = m.c.plugins.scorers
	if len(m.c.skippedScore) > 0 {
		m.out.Scorers = slices.Clone(m.out.Scorers)
		for i, name := range m.c.plugins.score {
			m.out.Scorers[i].Skipped = slices.Contains(m.c.skippedScore, name)
		}
	}
	m.columns()
	best := int64(0)
	for i := range m.c.scores {
		if m.c.scores[i].Name == m.c.host {
			best = m.c.scores[i].TotalScore
		}
	}
	for i := range m.c.scores {
		if s := &m.c.scores[i]; s.TotalScore == best && s.Name != m.c.host && len(m.out.Ties) < listed {
			m.out.Ties = append(m.out.Ties, s.Name)
		}
	}
	slices.Sort(m.out.Ties)
}

// columns finds each scorer in the lists of scores, which have the same order
// for all nodes.
func (m *making) columns() {
	index := func(scores []fwk.PluginScore, name string) int {
		return slices.IndexFunc(scores, func(s fwk.PluginScore) bool { return s.Name == name })
	}
	if len(m.c.scores) == 0 {
		return
	}
	m.at = make([][2]int, 0, len(m.c.plugins.score))
	for _, name := range m.c.plugins.score {
		m.at = append(m.at, [2]int{index(m.c.scores[0].RawScores, name), index(m.c.scores[0].Scores, name)})
	}
}

// rows tells of nodes one by one, of all or of the most telling ones, and
// counts rejections over all of them.
func (m *making) rows() {
	verdicts := m.verdicts()
	m.tally(verdicts)
	verdicts = m.choose(verdicts)
	slices.SortFunc(verdicts, func(a, b filtered) int { return strings.Compare(a.node, b.node) })
	m.out.Rows = make([]event.SchedRow, 0, len(verdicts))
	m.cells = make([]int64, 0, 2*len(verdicts)*len(m.at))
	m.out.Nodes = make([]string, 0, len(verdicts))
	for i := range verdicts {
		m.out.Nodes = append(m.out.Nodes, verdicts[i].node)
		m.out.Rows = append(m.out.Rows, m.row(i, &verdicts[i]))
	}
	m.out.Unlisted = max(m.c.allNodes-len(m.out.Rows), 0)
}

// verdicts has one entry per node: the last one of a node that was tried twice,
// as a nominated or hinted node is tried alone first.
func (m *making) verdicts() []filtered {
	rows := m.c.rows()
	if len(rows) == len(m.c.nodes) || m.c.nominated == "" && m.c.hint == "" && len(m.c.nodes) == 0 {
		return rows
	}
	byNode := make(map[string]int, len(rows))
	out := make([]filtered, 0, max(len(rows), len(m.c.nodes)))
	for _, v := range rows {
		if at, twice := byNode[v.node]; twice {
			out[at] = v
			continue
		}
		byNode[v.node] = len(out)
		out = append(out, v)
	}
	for _, node := range m.c.nodes {
		if _, ok := byNode[node]; !ok {
			out = append(out, filtered{node: node, code: event.SchedNotReached})
		}
	}
	return out
}

func (m *making) tally(verdicts []filtered) {
	type kind struct{ plugin, reason string }
	counts := map[kind]int{}
	for i := range verdicts {
		if v := &verdicts[i]; v.code != event.SchedOK && v.code != event.SchedNotReached {
			counts[kind{v.plugin, v.reason()}]++
		}
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

// reason is all reasons of a verdict in one.
func (v *filtered) reason() string {
	if len(v.reasons) == 1 {
		return v.reasons[0]
	}
	return strings.Join(v.reasons, ", ")
}

// choose picks the nodes to tell of, all where they are few: the chosen one, the
// best scored ones up to half of what is told of, one of each kind of
// rejection, and of the rest as many as there is room for.
func (m *making) choose(verdicts []filtered) []filtered {
	best := m.best()
	if len(verdicts) <= listed {
		return verdicts
	}
	out := make([]filtered, 0, chosenOf)
	type kind struct{ plugin, reason string }
	seen := map[kind]bool{}
	rest := verdicts[:0:0]
	for _, v := range verdicts {
		_, top := best[v.node]
		telling := false
		if v.code != event.SchedOK && v.code != event.SchedNotReached && len(seen) < chosenOf/4 {
			k := kind{v.plugin, v.reason()}
			telling = !seen[k]
			seen[k] = true
		}
		switch {
		case top || telling || v.node == m.c.host:
			out = append(out, v)
		case len(rest) < chosenOf && (v.code != event.SchedOK || !m.c.scored): // one that fits says little without its scores
			rest = append(rest, v)
		}
	}
	return append(out, rest[:max(min(len(rest), chosenOf-len(out)), 0)]...)
}

// best notes the places of the scores that rows are made with: all where nodes
// are few, otherwise the best and those of the chosen node.
func (m *making) best() map[string]int {
	scores := m.c.scores
	if len(scores) <= listed {
		for i := range scores {
			m.scores[scores[i].Name] = i
		}
		return m.scores
	}
	above := func(a, b int) int {
		return cmp.Or(cmp.Compare(scores[b].TotalScore, scores[a].TotalScore), strings.Compare(scores[a].Name, scores[b].Name))
	}
	top := make([]int, 0, chosenOf/2+1) // in order
	for i := range scores {
		if scores[i].Name == m.c.host {
			m.scores[m.c.host] = i
		}
		if len(top) == chosenOf/2 {
			if last := top[len(top)-1]; scores[i].TotalScore < scores[last].TotalScore || above(i, last) > 0 {
				continue
			}
		}
		at, _ := slices.BinarySearchFunc(top, i, above)
		top = slices.Insert(top, at, i)
		top = top[:min(len(top), chosenOf/2)]
	}
	for _, i := range top {
		m.scores[scores[i].Name] = i
	}
	return m.scores
}

func (m *making) row(node int, v *filtered) event.SchedRow {
	row := event.SchedRow{Node: node, Failed: m.c.plugins.place[v.plugin], Code: v.code}
	if len(v.reasons) > 0 {
		row.Reason = m.reasons.reasons(v.reasons)
	}
	at, ok := m.scores[v.node]
	if !ok {
		return row
	}
	s := &m.c.scores[at]
	row.Total = s.TotalScore
	from := len(m.cells)
	for i := range m.out.Scorers {
		m.cells = append(m.cells, scoreAt(s.RawScores, m.at[i][0]))
	}
	middle := len(m.cells)
	for i, scorer := range m.out.Scorers {
		score := scoreAt(s.Scores, m.at[i][1])
		if scorer.Weight != 0 {
			score /= scorer.Weight
		}
		m.cells = append(m.cells, score)
	}
	row.Raw, row.Score = m.cells[from:middle:middle], m.cells[middle:len(m.cells):len(m.cells)]
	return row
}

func scoreAt(scores []fwk.PluginScore, i int) int64 {
	if i < 0 || i >= len(scores) {
		return 0
	}
	return scores[i].Score
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
