package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// endpoint is what `etcdctl endpoint status -w json` says of a member.
type endpoint struct {
	Status struct {
		Header struct {
			MemberID uint64 `json:"member_id"`
		} `json:"header"`
		DBSize       int64  `json:"dbSize"`
		Leader       uint64 `json:"leader"`
		RaftIndex    uint64 `json:"raftIndex"`
		RaftTerm     uint64 `json:"raftTerm"`
		AppliedIndex uint64 `json:"raftAppliedIndex"`
	}
}

// endpoints are the members by their ID in hex.
func endpoints(t *testing.T, lab *harness.Lab) map[string]endpoint {
	t.Helper()
	var list []endpoint
	out := lab.Must("etcdctl", "endpoint", "status", "--cluster", "-w", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("etcdctl endpoint status: %v\n%s", err, out)
	}
	all := map[string]endpoint{}
	for _, e := range list {
		all[strconv.FormatUint(e.Status.Header.MemberID, 16)] = e
	}
	return all
}

// testRaft holds what the Raft screen draws from against etcdctl.
func testRaft(t *testing.T, lab *harness.Lab) {
	before := endpoints(t, lab)
	w := lab.Await("every member to know what etcdctl was told", func(w *state.World) bool {
		for _, m := range w.Raft.Members {
			if e, ok := before[m.MemberID]; !ok || m.Commit < e.Status.RaftIndex || m.Applied < e.Status.AppliedIndex || m.Last < m.Commit || m.Disk == nil || len(m.Log) == 0 {
				return false
			}
		}
		return true
	})
	after := endpoints(t, lab)
	const step = 64 << 10 // of the size in a status
	for name, m := range w.Raft.Members {
		was, is := before[m.MemberID].Status, after[m.MemberID].Status
		if m.Term != was.RaftTerm {
			t.Errorf("%s: term %d, etcdctl says %d", name, m.Term, was.RaftTerm)
		}
		if lead := w.Raft.Members[m.Lead]; lead == nil || lead.MemberID != strconv.FormatUint(was.Leader, 16) {
			t.Errorf("%s: leader %q, etcdctl says %x", name, m.Lead, was.Leader)
		}
		if m.Commit > is.RaftIndex || m.Applied > is.AppliedIndex {
			t.Errorf("%s: commit %d, applied %d; later etcdctl says %d, %d", name, m.Commit, m.Applied, is.RaftIndex, is.AppliedIndex)
		}
		if m.DBBytes < was.DBSize || m.DBBytes > is.DBSize+step {
			t.Errorf("%s: database of %d bytes, etcdctl says %d to %d", name, m.DBBytes, was.DBSize, is.DBSize)
		}
		if m.Disk.Fsync.Count == 0 || m.Disk.Fsync.P99 < m.Disk.Fsync.P50 && m.Disk.Fsync.P99 >= 0 || m.Disk.QuotaBytes == 0 {
			t.Errorf("%s: disk %+v", name, *m.Disk)
		}
	}
	testRaftEntry(t, lab)
	testRaftMessages(t, lab)
	testRaftCut(t, lab)
	testRaftElection(t, lab)
}

// testRaftEntry follows one write through the logs, to its revision.
func testRaftEntry(t *testing.T, lab *harness.Lab) {
	t.Helper()
	const key, value = "/raft-test/key", "a-value-nobody-may-keep"
	began := lab.World().Seq
	lab.Must("etcdctl", "put", key, value)
	var answer struct {
		Kvs []struct {
			ModRevision int64 `json:"mod_revision"`
		} `json:"kvs"`
	}
	if err := json.Unmarshal([]byte(lab.Must("etcdctl", "get", key, "-w", "json")), &answer); err != nil || len(answer.Kvs) != 1 {
		t.Fatalf("etcdctl get: %+v, %v", answer, err)
	}
	find := func(w *state.World) *event.RaftEntry {
		for i, e := range w.Raft.Entries {
			if e.Key == key && e.Revision != 0 {
				return &w.Raft.Entries[i]
			}
		}
		return nil
	}
	w := lab.Await("the entry of a write, in every log", func(w *state.World) bool {
		e := find(w)
		if e == nil {
			return false
		}
		for _, m := range w.Raft.Members {
			if m.TermAt(e.Index) != e.Term {
				return false
			}
		}
		return true
	})
	if e := find(w); e.Op != "put" || e.Revision != answer.Kvs[0].ModRevision || e.Bytes <= len(key)+len(value) {
		t.Errorf("the entry is %+v, etcdctl says revision %d", *e, answer.Kvs[0].ModRevision)
	}
	for _, e := range lab.Events(began) {
		if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), value) {
			t.Errorf("the journal holds the value: %s, %v", text, err)
		}
	}
}

// testRaftMessages holds that the leader's messages to every follower are seen,
// and theirs to it, and that none is lost.
func testRaftMessages(t *testing.T, lab *harness.Lab) {
	t.Helper()
	began := lab.World()
	lab.Await("appends, heartbeats and their answers between all", func(w *state.World) bool {
		leader := w.Raft.Leader()
		for name := range w.Raft.Members {
			if name != leader && (!sends(w, leader, name, event.RaftAppend, event.RaftHeartbeat) || !sends(w, name, leader, event.RaftAck, event.RaftHeartbeatAck)) {
				return false
			}
		}
		return leader != ""
	})
	for _, e := range lab.Events(began.Seq) {
		if m, ok := e.Body.(event.RaftMessages); ok && (m.Blind > 0 || len(m.Dropped) > 0) {
			t.Errorf("in a whole lab the relay of %s lost track of %d connections, etcd dropped %v", m.Node, m.Blind, m.Dropped)
		}
	}
}

func sends(w *state.World, from, to string, kinds ...event.RaftKind) bool {
	p := w.Raft.Pair(from, to)
	for _, kind := range kinds {
		if p == nil || !slices.ContainsFunc(p.Marks, func(m state.RaftMark) bool { return m.Kind == kind && !m.Lost }) {
			return false
		}
	}
	return true
}

// testRaftCut cuts the leader from a follower and holds that what it sends there
// is seen to be lost, and to arrive again when the link is back.
func testRaftCut(t *testing.T, lab *harness.Lab) {
	t.Helper()
	began := lab.World()
	leader, other := began.Raft.Leader(), ""
	for _, name := range slices.Sorted(maps.Keys(began.Raft.Members)) {
		if name != leader {
			other = name
		}
	}
	lab.Must("fault", "cut", leader, other, "--yes")
	w := lab.Await("messages over the cut link to be lost", func(w *state.World) bool {
		p := w.Raft.Pair(leader, other)
		return p.Waiting > 0 && slices.ContainsFunc(p.Marks, func(m state.RaftMark) bool { return m.Lost && m.Kind == event.RaftHeartbeat })
	})
	cut := w.Now
	lab.Must("heal", "--all")
	lab.Await("messages to pass again", func(w *state.World) bool {
		there, back := w.Raft.Pair(leader, other), w.Raft.Pair(other, leader)
		return there.Waiting == 0 && there.Heard.After(cut) && back.Heard.After(cut) || w.Raft.Leader() != leader
	})
	whole(lab)
}

// soon is how fast a change of role must be in the journal.
const soon = 100 * time.Millisecond

// testRaftElection kills the leader's etcd and holds that the election was
// seen: roles at once, and the messages.
func testRaftElection(t *testing.T, lab *harness.Lab) {
	t.Helper()
	before := lab.World()
	old := before.Raft.Leader()
	kill := lab.Begin("component", "kill", old+"/etcd", "--yes")
	kinds := []event.RaftKind{event.RaftPreVote, event.RaftPreVoteGranted, event.RaftVote, event.RaftVoteGranted}
	seen := map[event.RaftKind]bool{}
	all := []event.RaftRoleName{event.RaftPreCandidate, event.RaftCandidate, event.RaftLeader}
	roles := map[event.RaftRoleName]bool{}
	var delays []time.Duration
	defer func() { t.Logf("the survivors were seen as %v, and sending %v", roles, seen) }()
	lab.Follow(before.Seq, func(e event.Event) bool {
		switch b := e.Body.(type) {
		case event.RaftRole:
			delays = append(delays, time.Since(e.Time))
			roles[b.Role] = roles[b.Role] || b.Node != old
		case event.RaftMessages:
			for _, l := range b.Lanes {
				seen[l.Kind] = seen[l.Kind] || l.From != old
			}
		}
		// Each relay reports on its own: an answer may be told before its question.
		return !slices.ContainsFunc(all, func(r event.RaftRoleName) bool { return !roles[r] }) &&
			!slices.ContainsFunc(kinds, func(k event.RaftKind) bool { return !seen[k] })
	})
	if out, code := lab.AwaitExit(kill); code != 0 {
		t.Errorf("component kill ends with %d: %s", code, out)
	}
	slices.Sort(delays)
	if len(delays) == 0 || delays[len(delays)/2] > soon {
		t.Errorf("changes of role reach a reader of the journal after %v, want %v", delays, soon)
	}
	t.Logf("changes of role reached a reader of the journal after %s", fmt.Sprint(delays))
	lab.Must("component", "start", old+"/etcd")
	whole(lab)
}
