package raft

import (
	"context"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"workbench/cluster/event"
	"workbench/cluster/observe/raft/wal"
)

// The bounds of a report.
const (
	entriesEvery = 400 * time.Millisecond
	maxEntries   = 64      // that are described
	maxHeld      = 1 << 20 // bytes of entries held to describe them
	maxRuns      = 64
	matchFor     = 3 * time.Second // how long a revision is waited for
)

// entries follows the member's log and reports how it grows.
type entries struct {
	tap  *Tap
	tail *wal.Tail
	revs *revisions

	last    uint64
	runs    []event.RaftRun // not reported yet
	fresh   bool
	recent  []*raftpb.Entry // the last ones, not all described
	held    int             // bytes in recent
	from    uint64          // first index not described yet
	skipped int
	waiting []waiting // for their revision
	leads   bool
	at      time.Time // of the last report
	broken  bool
}

// waiting is an entry whose revision is not known yet.
type waiting struct {
	meaning
	since time.Time
}

func newEntries(tap *Tap, dir string) *entries {
	return &entries{tap: tap, tail: wal.NewTail(dir), revs: newRevisions(), fresh: true}
}

func (e *entries) close() { _ = e.tail.Close() } // it was only read

// poll reads what is new in the log. It returns the last index; 0 for unknown.
func (e *entries) poll() uint64 {
	if e.broken {
		return 0
	}
	if err := e.tail.Read(e.entry); err != nil {
		e.broken = true
		e.tap.warn("follow the write-ahead log", err)
		return 0
	}
	e.last = max(e.last, e.tail.Before())
	return e.last
}

func (e *entries) entry(entry *raftpb.Entry) {
	index, term := entry.GetIndex(), entry.GetTerm()
	if n := len(e.runs); n > 0 && e.runs[n-1].Term == term && e.runs[n-1].Last+1 == index {
		e.runs[n-1].Last = index
	} else {
		e.runs = append(e.runs, event.RaftRun{First: index, Last: index, Term: term})
		if len(e.runs) > maxRuns {
			e.runs = e.runs[1:]
		}
	}
	if e.last = index; index < e.from {
		e.from = index // overwritten: described anew
	}
	for len(e.recent) > 0 && e.recent[len(e.recent)-1].GetIndex() >= index {
		e.forget(len(e.recent) - 1)
	}
	e.recent = append(e.recent, entry)
	e.held += len(entry.GetData())
	for len(e.recent) > maxEntries || e.held > maxHeld && len(e.recent) > 1 {
		if e.recent[0].GetIndex() >= e.from && e.leads {
			e.skipped++
		}
		e.forget(0)
	}
}

// forget drops one recent entry.
func (e *entries) forget(i int) {
	e.held -= len(e.recent[i].GetData())
	e.recent[i] = nil
	e.recent = append(e.recent[:i], e.recent[i+1:]...)
}

// report emits what is new, if it is time.
func (e *entries) report(ctx context.Context, now time.Time, leads bool, applied uint64) {
	if leads != e.leads {
		e.leads, e.waiting = leads, nil
		e.revs.enable(leads)
		if leads && len(e.recent) > 0 {
			e.from = e.recent[0].GetIndex()
		}
	}
	if now.Sub(e.at) < entriesEvery {
		return
	}
	out := event.RaftEntries{Node: e.tap.node, Last: e.last, Runs: e.runs, Fresh: e.fresh}
	if leads {
		out.Entries, out.Skipped = e.describe(ctx, now, applied), e.skipped
	}
	if len(out.Runs) == 0 && len(out.Entries) == 0 && !out.Fresh {
		return
	}
	e.tap.out.Emit(now, out)
	e.runs, e.fresh, e.skipped, e.at = nil, false, 0, now
}

// describe is what the new entries mean, and earlier ones whose revision is
// known now.
func (e *entries) describe(ctx context.Context, now time.Time, applied uint64) []event.RaftEntry {
	var out []event.RaftEntry
	var left []waiting
	for _, w := range e.waiting {
		if w.Index <= applied {
			w.Revision = e.revs.take(ctx, w.meaning)
		}
		if w.Revision != 0 {
			out = append(out, w.RaftEntry)
		} else if now.Sub(w.since) < matchFor {
			left = append(left, w)
		}
	}
	for _, entry := range e.recent {
		if entry.GetIndex() < e.from {
			continue
		}
		m := meaningOf(entry)
		if m.write != (writeID{}) {
			if m.Index <= applied {
				m.Revision = e.revs.take(ctx, m)
			}
			if m.Revision == 0 {
				left = append(left, waiting{m, now})
			}
		}
		out = append(out, m.RaftEntry)
		e.from = m.Index + 1
	}
	e.waiting = left[max(0, len(left)-maxEntries):]
	return out
}
