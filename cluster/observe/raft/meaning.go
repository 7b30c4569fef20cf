package raft

import (
	"fmt"
	"hash/fnv"
	"strings"
	"unicode/utf8"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"workbench/cluster/event"
)

// meaning is what a log entry asks for, and how to find it again when applied.
type meaning struct {
	event.RaftEntry
	write writeID // zero for an entry that writes no key
	when  *int64  // the write happens only if its key was last written at this revision, 0 for never
}

// writeID tells writes apart: the key and, of a put, a hash of its value. The
// value itself is kept nowhere.
type writeID struct {
	key  string
	hash uint64
}

// maxKey is how much of a key is reported, in bytes.
const maxKey = 240

// meaningOf decodes an entry. Values and passwords never leave it.
func meaningOf(e *raftpb.Entry) meaning {
	m := meaning{RaftEntry: event.RaftEntry{Index: e.GetIndex(), Term: e.GetTerm(), Bytes: len(e.GetData())}}
	switch {
	case e.GetType() != raftpb.EntryNormal:
		m.Op, m.Key = confChange(e)
	case len(e.GetData()) == 0:
		m.Op = "no-op" // with which a leader begins its term
	default:
		var r etcdserverpb.InternalRaftRequest
		if err := proto.Unmarshal(e.GetData(), &r); err != nil {
			m.Op = "unknown"
			return m
		}
		m.request(&r)
	}
	m.Key = printable(m.Key)
	return m
}

func (m *meaning) request(r *etcdserverpb.InternalRaftRequest) {
	switch {
	case r.Put != nil:
		m.put(r.Put)
	case r.DeleteRange != nil:
		m.remove(r.DeleteRange)
	case r.Txn != nil:
		m.txn(r.Txn)
	case r.Compaction != nil:
		m.Op, m.Key = "compact", fmt.Sprintf("to revision %d", r.Compaction.GetRevision())
	case r.LeaseGrant != nil:
		m.Op, m.Key = "lease grant", fmt.Sprintf("%x for %d s", r.LeaseGrant.GetID(), r.LeaseGrant.GetTTL())
	case r.LeaseRevoke != nil:
		m.Op, m.Key = "lease revoke", fmt.Sprintf("%x", r.LeaseRevoke.GetID())
	case r.LeaseCheckpoint != nil:
		m.Op, m.More = "lease checkpoint", max(len(r.LeaseCheckpoint.GetCheckpoints())-1, 0)
	case r.ClusterVersionSet != nil:
		m.Op, m.Key = "cluster version", r.ClusterVersionSet.GetVer()
	case r.ClusterMemberAttrSet != nil:
		m.Op, m.Key = "member attributes", fmt.Sprintf("%x", r.ClusterMemberAttrSet.GetMember_ID())
	case r.DowngradeInfoSet != nil:
		m.Op = "downgrade info"
	case r.Alarm != nil:
		m.Op, m.Key = "alarm", strings.ToLower(r.Alarm.GetAction().String()+" "+r.Alarm.GetAlarm().String())
	case r.Range != nil:
		m.Op, m.Key = "range", string(r.Range.GetKey())
	default:
		m.Op, m.Key = authRequest(r)
	}
}

func (m *meaning) put(p *etcdserverpb.PutRequest) {
	h := fnv.New64a()
	_, _ = h.Write(p.GetValue()) // never fails
	m.Op, m.Key, m.write = "put", string(p.GetKey()), writeID{string(p.GetKey()), h.Sum64() | 1}
}

func (m *meaning) remove(d *etcdserverpb.DeleteRangeRequest) {
	m.Op, m.Key = "delete", string(d.GetKey())
	if len(d.GetRangeEnd()) > 0 {
		m.Op = "delete range"
		return
	}
	m.write = writeID{key: m.Key}
}

// txn names the first write of a transaction and counts the others.
func (m *meaning) txn(t *etcdserverpb.TxnRequest) {
	m.Op = "txn"
	writes := 0
	for _, op := range t.GetSuccess() {
		put, del := op.GetRequestPut(), op.GetRequestDeleteRange()
		if put == nil && del == nil {
			continue
		}
		if writes++; writes > 1 {
			continue
		}
		if put != nil {
			m.put(put)
		} else {
			m.remove(del)
		}
	}
	m.If, m.More = len(t.GetCompare()) > 0, max(writes-1, 0)
	m.when = onlyWhen(t.GetCompare(), m.write.key)
}

// onlyWhen is the revision that a condition wants a key to be at, as
// kube-apiserver's transactions do; nil where there is no such condition.
func onlyWhen(all []*etcdserverpb.Compare, key string) *int64 {
	for _, c := range all {
		if c.GetTarget() == etcdserverpb.Compare_MOD && c.GetResult() == etcdserverpb.Compare_EQUAL && string(c.GetKey()) == key && len(c.GetRangeEnd()) == 0 {
			revision := c.GetModRevision()
			return &revision
		}
	}
	return nil
}

// confChange names a change of the membership.
func confChange(e *raftpb.Entry) (op, key string) {
	if e.GetType() == raftpb.EntryConfChangeV2 {
		return "change members", ""
	}
	var c raftpb.ConfChange
	if err := proto.Unmarshal(e.GetData(), &c); err != nil {
		return "change members", ""
	}
	key = memberName(c.GetNodeId())
	switch c.GetType() {
	case raftpb.ConfChangeAddNode:
		op = "add member"
	case raftpb.ConfChangeAddLearnerNode:
		op = "add learner"
	case raftpb.ConfChangeRemoveNode:
		op = "remove member"
	default:
		op = "update member"
	}
	return op, key
}

// authRequest names a request about users and roles, and never its secret.
func authRequest(r *etcdserverpb.InternalRaftRequest) (op, key string) {
	switch {
	case r.AuthEnable != nil:
		return "auth enable", ""
	case r.AuthDisable != nil:
		return "auth disable", ""
	case r.Authenticate != nil:
		return "authenticate", r.Authenticate.GetName()
	case r.AuthUserAdd != nil:
		return "user add", r.AuthUserAdd.GetName()
	case r.AuthUserDelete != nil:
		return "user delete", r.AuthUserDelete.GetName()
	case r.AuthUserChangePassword != nil:
		return "user password", r.AuthUserChangePassword.GetName()
	case r.AuthUserGrantRole != nil:
		return "user grant role", r.AuthUserGrantRole.GetUser()
	case r.AuthUserRevokeRole != nil:
		return "user revoke role", r.AuthUserRevokeRole.GetName()
	case r.AuthRoleAdd != nil:
		return "role add", r.AuthRoleAdd.GetName()
	case r.AuthRoleDelete != nil:
		return "role delete", r.AuthRoleDelete.GetRole()
	case r.AuthRoleGrantPermission != nil:
		return "role grant permission", r.AuthRoleGrantPermission.GetName()
	case r.AuthRoleRevokePermission != nil:
		return "role revoke permission", r.AuthRoleRevokePermission.GetRole()
	default:
		return "other", ""
	}
}

// printable shortens a key and makes it text: etcd's keys are bytes.
func printable(key string) string {
	if len(key) > maxKey {
		key = key[:maxKey]
	}
	if utf8.ValidString(key) {
		return key
	}
	return strings.ToValidUTF8(key, "?")
}
