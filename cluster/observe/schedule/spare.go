package schedule

import (
	"sync"

	fwk "k8s.io/kube-scheduler/framework"
)

// spare keeps the large parts of records that are done with for the next ones:
// in a burst they would be a fifth of what the scheduler allocates.
type spare struct {
	rows, scores sync.Pool // of *[]filtered, *[]fwk.NodePluginScores
}

// room is a list of n verdicts to fill.
func (s *spare) room(n int) []filtered {
	if had, ok := s.rows.Get().(*[]filtered); ok && cap(*had) >= n {
		return (*had)[:n]
	}
	return make([]filtered, n)
}

// copyScores copies a list of scores, not the scores of each node in it.
func (s *spare) copyScores(from []fwk.NodePluginScores) []fwk.NodePluginScores {
	if had, ok := s.scores.Get().(*[]fwk.NodePluginScores); ok {
		return append((*had)[:0], from...)
	}
	return append([]fwk.NodePluginScores(nil), from...)
}

// take has what a record holds, which nobody reads any more.
func (s *spare) take(c *record) {
	if rows := c.room; cap(rows) > 0 {
		clear(rows) // names and reasons are not kept alive
		s.rows.Put(&rows)
	}
	if scores := c.scores; cap(scores) > 0 {
		clear(scores)
		s.scores.Put(&scores)
	}
	c.room, c.late, c.scores = nil, nil, nil
}
