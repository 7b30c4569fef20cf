package raft

import (
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/membershippb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const secret = "hunter2-hunter2-hunter2"

func entryOf(t *testing.T, r *etcdserverpb.InternalRaftRequest) *raftpb.Entry {
	t.Helper()
	data, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return &raftpb.Entry{Index: proto.Uint64(9), Term: proto.Uint64(2), Data: data}
}

func put(key string) *etcdserverpb.PutRequest {
	return &etcdserverpb.PutRequest{Key: []byte(key), Value: []byte(secret)}
}

func opPut(key string) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: put(key)}}
}

// TestMeaningOfEntries says what each kind of entry means, and that no secret
// is in it.
func TestMeaningOfEntries(t *testing.T) {
	compare := []*etcdserverpb.Compare{{Key: []byte("k")}}
	del := &etcdserverpb.DeleteRangeRequest{Key: []byte("/registry/pods/a/b")}
	for want, r := range map[string]*etcdserverpb.InternalRaftRequest{
		"put /registry/secrets/a/b":               {Put: put("/registry/secrets/a/b")},
		"put /registry/secrets/a/b if":            {Txn: &etcdserverpb.TxnRequest{Compare: compare, Success: []*etcdserverpb.RequestOp{opPut("/registry/secrets/a/b")}}},
		"put a if and 1 more":                     {Txn: &etcdserverpb.TxnRequest{Compare: compare, Success: []*etcdserverpb.RequestOp{opPut("a"), opPut("b")}}},
		"txn  if":                                 {Txn: &etcdserverpb.TxnRequest{Compare: compare}},
		"delete /registry/pods/a/b":               {DeleteRange: del},
		"delete range /registry/pods/":            {DeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte("/registry/pods/"), RangeEnd: []byte("/registry/pods0")}},
		"lease grant ff for 15 s":                 {LeaseGrant: &etcdserverpb.LeaseGrantRequest{ID: 255, TTL: 15}},
		"lease revoke ff":                         {LeaseRevoke: &etcdserverpb.LeaseRevokeRequest{ID: 255}},
		"compact to revision 7":                   {Compaction: &etcdserverpb.CompactionRequest{Revision: 7}},
		"cluster version 3.7.0":                   {ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: "3.7.0"}},
		"user add eve":                            {AuthUserAdd: &etcdserverpb.AuthUserAddRequest{Name: "eve", Password: secret, HashedPassword: secret}},
		"user password eve":                       {AuthUserChangePassword: &etcdserverpb.AuthUserChangePasswordRequest{Name: "eve", Password: secret}},
		"authenticate eve":                        {Authenticate: &etcdserverpb.InternalAuthenticateRequest{Name: "eve", Password: secret, SimpleToken: secret}},
		"put ?a":                                  {Put: put("\xff\xfea")},
		"put " + strings.Repeat("k", maxKey) + "": {Put: put(strings.Repeat("k", maxKey+1))},
	} {
		m := meaningOf(entryOf(t, r))
		got := m.Op + " " + m.Key
		if m.If {
			got += " if"
		}
		if m.More > 0 {
			got += fmt.Sprintf(" and %d more", m.More)
		}
		if got != want || m.Index != 9 || m.Term != 2 || m.Bytes == 0 {
			t.Errorf("got %q (%+v), want %q", got, m.RaftEntry, want)
		}
		if strings.Contains(fmt.Sprintf("%+v", m), secret) {
			t.Errorf("%q holds a value", got)
		}
	}
}

func TestMeaningOfMembership(t *testing.T) {
	for want, kind := range map[string]raftpb.ConfChangeType{
		"add member": raftpb.ConfChangeAddNode, "add learner": raftpb.ConfChangeAddLearnerNode, "remove member": raftpb.ConfChangeRemoveNode, "update member": raftpb.ConfChangeUpdateNode,
	} {
		data, err := proto.Marshal(&raftpb.ConfChange{Type: kind.Enum(), NodeId: proto.Uint64(0xbeef)})
		if err != nil {
			t.Fatal(err)
		}
		m := meaningOf(&raftpb.Entry{Type: raftpb.EntryConfChange.Enum(), Index: proto.Uint64(1), Term: proto.Uint64(1), Data: data})
		if m.Op != want || m.Key != "beef" {
			t.Errorf("got %s %s, want %s beef", m.Op, m.Key, want)
		}
	}
	if m := meaningOf(&raftpb.Entry{Index: proto.Uint64(1), Term: proto.Uint64(1)}); m.Op != "no-op" {
		t.Errorf("an empty entry is %q", m.Op)
	}
	if m := meaningOf(&raftpb.Entry{Index: proto.Uint64(1), Term: proto.Uint64(1), Data: []byte{0xff}}); m.Op != "unknown" {
		t.Errorf("a broken entry is %q", m.Op)
	}
}

// TestRevisionsFollowWrites holds that a write finds its own revision, and one
// whose condition failed finds none.
func TestRevisionsFollowWrites(t *testing.T) {
	r := newRevisions()
	event := func(key, value string, rev int64) *mvccpb.Event {
		return &mvccpb.Event{Type: mvccpb.Event_PUT, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: rev}}
	}
	id := func(key, value string) writeID {
		var m meaning
		m.put(&etcdserverpb.PutRequest{Key: []byte(key), Value: []byte(value)})
		return m.write
	}
	r.add([]*mvccpb.Event{event("a", "1", 5)})
	if rev := r.take(t.Context(), meaning{write: id("a", "1")}); rev != 0 {
		t.Errorf("a follower's write has revision %d", rev)
	}
	r.enable(true)
	r.add([]*mvccpb.Event{event("a", "1", 6), event("a", "1", 7), event("a", "2", 8)})
	r.add([]*mvccpb.Event{{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("a"), ModRevision: 9}}})
	for _, c := range []struct {
		id   writeID
		want int64
	}{{id("a", "1"), 6}, {id("a", "3"), 0}, {id("a", "2"), 8}, {id("a", "1"), 7}, {writeID{key: "a"}, 9}, {writeID{key: "a"}, 0}} {
		if got := r.take(t.Context(), meaning{write: c.id}); got != c.want {
			t.Errorf("the write %v has revision %d, want %d", c.id, got, c.want)
		}
	}
}
