package lag

import (
	"time"

	"workbench/cluster/event"
)

// Bounds of a meter.
const (
	// held is how many revisions may wait for their other half.
	held = 1024
	// late is from when on a revision that was not delivered is worth telling.
	late = 500 * time.Millisecond
	// every is how often a lag is told that does not get worse.
	every = 5 * time.Second
)

// meter compares what etcd and one API server delivered. It has no clock: times
// are given.
type meter struct {
	node  string
	etcd  map[int64]time.Time // delivered by etcd alone so far
	api   map[int64]time.Time // delivered by the API server alone so far
	from  int64               // revisions up to this one are not compared
	last  event.KubeLag
	told  time.Time
	wrong bool // what was told last was bad news
}

func newMeter(node string) *meter {
	m := &meter{node: node}
	m.reset()
	return m
}

// reset forgets what waits: a new watch does not bring what the old one missed.
func (m *meter) reset() {
	m.etcd, m.api = map[int64]time.Time{}, map[int64]time.Time{}
	m.from = -1
}

// begin compares from now on: the watch is open and has told what exists.
func (m *meter) begin(revision int64) { m.from = revision }

func (m *meter) fromEtcd(revision int64, at time.Time) {
	if seen, ok := m.api[revision]; ok {
		delete(m.api, revision)
		m.both(revision, seen.Sub(at))
		return
	}
	if m.from >= 0 && revision > m.from && len(m.etcd) < held {
		m.etcd[revision] = at
	}
}

func (m *meter) fromAPI(revision int64, at time.Time) {
	if m.from < 0 || revision <= m.from {
		return
	}
	if seen, ok := m.etcd[revision]; ok {
		delete(m.etcd, revision)
		m.both(revision, at.Sub(seen))
		return
	}
	if len(m.api) >= held {
		clear(m.api) // etcd is not watched now
	}
	m.api[revision] = at
}

// both notes a lag; one that is negative by the order in which two connections
// are read is none.
func (m *meter) both(revision int64, lag time.Duration) {
	if revision > m.last.Revision {
		m.last.Revision, m.last.Lag = revision, max(0, lag)
	}
	// What is older was delivered in between, or never will be.
	for r := range m.etcd {
		if r < revision {
			delete(m.etcd, r)
		}
	}
}

// tell is what is to be told now, if anything.
func (m *meter) tell(now time.Time, problem string) (event.KubeLag, bool) {
	out := event.KubeLag{Node: m.node, Revision: m.last.Revision, Lag: m.last.Lag, Error: problem}
	for _, at := range m.etcd {
		if waiting := now.Sub(at); waiting > late {
			out.Behind++
			out.Waiting = max(out.Waiting, waiting)
		}
	}
	wrong := out.Behind > 0 || problem != ""
	pause := every
	if out.Behind > 0 {
		pause = time.Second
	}
	if wrong == m.wrong && now.Sub(m.told) < pause || out.Revision == 0 && !wrong {
		return out, false
	}
	m.wrong, m.told = wrong, now
	return out, true
}
