package state

import (
	"slices"

	"workbench/cluster/event"
)

func (r *Raft) applyEntries(b event.RaftEntries) {
	m := r.member(b.Node)
	if b.Fresh {
		m.Log = nil
	}
	m.Last = b.Last
	for _, run := range b.Runs {
		m.Log = appendRun(m.Log, run)
	}
	for len(m.Log) > 0 && m.Log[0].Last+MaxRaftEntries < b.Last {
		m.Log = m.Log[1:]
	}
	for _, e := range b.Entries {
		r.describe(e)
	}
	r.Entries = bounded(r.Entries, MaxRaftEntries)
}

// appendRun adds entries to a log; it overwrites what lies at or after them.
func appendRun(log []event.RaftRun, run event.RaftRun) []event.RaftRun {
	for len(log) > 0 && log[len(log)-1].First >= run.First {
		log = log[:len(log)-1]
	}
	n := len(log)
	if n == 0 {
		return append(log, run)
	}
	prev := &log[n-1]
	prev.Last = min(prev.Last, run.First-1)
	if prev.Term == run.Term && prev.Last+1 == run.First {
		prev.Last = run.Last
		return log
	}
	return append(log, run)
}

// describe keeps what an entry means, by index; a later term replaces an earlier.
// Entries of earlier terms after one of a later term were overwritten.
func (r *Raft) describe(e event.RaftEntry) {
	r.Entries = slices.DeleteFunc(r.Entries, func(have event.RaftEntry) bool { return have.Index > e.Index && have.Term < e.Term })
	i, found := slices.BinarySearchFunc(r.Entries, e.Index, func(have event.RaftEntry, index uint64) int {
		switch {
		case have.Index < index:
			return -1
		case have.Index > index:
			return 1
		}
		return 0
	})
	switch {
	case !found:
		r.Entries = slices.Insert(r.Entries, i, e)
	case r.Entries[i].Term < e.Term, r.Entries[i].Term == e.Term && r.Entries[i].Revision == 0:
		r.Entries[i] = e
	}
}

// TermAt is the term of a member's log entry; 0 where it has none there, or none
// that is known.
func (m *Member) TermAt(index uint64) uint64 {
	for _, run := range slices.Backward(m.Log) {
		if run.First <= index && index <= run.Last {
			return run.Term
		}
	}
	return 0
}

// Entry is what the entry at an index means; false where that is not known.
func (r *Raft) Entry(index uint64) (event.RaftEntry, bool) {
	for _, e := range slices.Backward(r.Entries) {
		if e.Index == index {
			return e, true
		}
	}
	return event.RaftEntry{}, false
}
