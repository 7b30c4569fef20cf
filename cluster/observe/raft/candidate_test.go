package raft

import (
	"bufio"
	"encoding/json"
	"iter"
	"os"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver"
	raftlib "go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"workbench/cluster/event"
	"workbench/cluster/observe/tap"
)

// TestShortCandidacyIsSeen lets Raft itself stand for election and give up
// within milliseconds: every role it had is told, with its term, in order.
func TestShortCandidacyIsSeen(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	member := NewTap("c1", tap.New(write))
	log, err := member.Logger(null)
	if err != nil {
		t.Fatal(err)
	}
	storage := raftlib.NewMemoryStorage()
	if err := storage.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: proto.Uint64(1), Term: proto.Uint64(4), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}},
	}}); err != nil {
		t.Fatal(err)
	}
	node, err := raftlib.NewRawNode(&raftlib.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage, MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 16, PreVote: true,
		Logger: etcdserver.NewRaftLoggerZap(log.Named("raft")),
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	advance := func() {
		for node.HasReady() {
			ready := node.Ready()
			if err := storage.Append(ready.Entries); err != nil {
				t.Fatal(err)
			}
			node.Advance(ready)
		}
	}
	step := func(kind raftpb.MessageType, term uint64) {
		t.Helper()
		if err := node.Step(&raftpb.Message{Type: &kind, From: proto.Uint64(2), To: proto.Uint64(1), Term: &term}); err != nil {
			t.Fatal(err)
		}
		advance()
	}
	if err := node.Campaign(); err != nil {
		t.Fatal(err)
	}
	advance()
	term := node.Status().GetTerm()
	step(raftpb.MsgPreVoteResp, term+1) // a majority would vote for it
	stood := time.Now()
	step(raftpb.MsgHeartbeat, term+1) // but another one was elected
	lived := time.Since(stood)

	var roles []event.RaftRole
	for e := range events(t, read) {
		role, ok := e.Body.(event.RaftRole)
		if !ok || e.Time.Before(began) {
			continue
		}
		roles = append(roles, role)
		if len(roles) == 3 {
			break
		}
	}
	for i, want := range []event.RaftRole{{Node: "c1", Role: event.RaftPreCandidate, Term: term}, {Node: "c1", Role: event.RaftCandidate, Term: term + 1}, {Node: "c1", Role: event.RaftFollower, Term: term + 1}} {
		if roles[i] != want {
			t.Errorf("role %d is %+v, want %+v", i, roles[i], want)
		}
	}
	t.Logf("it was a candidate for %v", lived)
}

// events are those that come out of a pipe.
func events(t *testing.T, from *os.File) iter.Seq[event.Event] {
	return func(yield func(event.Event) bool) {
		lines := bufio.NewScanner(from)
		for lines.Scan() {
			var e event.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			if !yield(e) {
				return
			}
		}
		t.Fatalf("the pipe ended: %v", lines.Err())
	}
}
