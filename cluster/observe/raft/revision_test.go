package raft

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/pkg/v3/traceutil"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.uber.org/zap"
)

// storeOf is a real key-value store and the revisions that follow it.
func storeOf(t *testing.T) (mvcc.WatchableKV, *revisions) {
	t.Helper()
	be := backend.NewDefaultBackend(zap.NewNop(), filepath.Join(t.TempDir(), "db"))
	kv := mvcc.New(zap.NewNop(), be, &lease.FakeLessor{}, mvcc.StoreConfig{})
	r := newRevisions()
	r.enable(true)
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { r.follow(ctx, kv) })
	t.Cleanup(func() { cancel(); following.Wait(); kv.Close(); _ = be.Close() })
	// The watch tells of what comes after it began: write until it does.
	deadline := time.Now().Add(time.Minute)
	for known := 0; known == 0; {
		kv.Put([]byte("begun"), nil, lease.NoLease)
		time.Sleep(time.Millisecond) // between writes
		r.mu.Lock()
		known = len(r.order)
		r.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatal("no write is known")
		}
	}
	return kv, r
}

// awaitWrite waits until the revisions know of the write of a key at one.
func awaitWrite(t *testing.T, r *revisions, id writeID, rev int64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		r.mu.Lock()
		known := slices.Contains(r.byID[id], rev)
		r.mu.Unlock()
		if known {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the write at revision %d is not known", rev)
		}
		time.Sleep(time.Millisecond) // between looks
	}
}

// deletion is the meaning of a delete that kube-apiserver asks for: if the key
// is still at a revision.
func deletion(t *testing.T, key string, at int64) meaning {
	t.Helper()
	return meaningOf(entryOf(t, &etcdserverpb.InternalRaftRequest{Txn: &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{{
			Key: []byte(key), Target: etcdserverpb.Compare_MOD, Result: etcdserverpb.Compare_EQUAL,
			TargetUnion: &etcdserverpb.Compare_ModRevision{ModRevision: at},
		}},
		Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte(key)},
		}}},
	}}))
}

// TestRevisionOfTheDeleteThatHappened: of several deletes of one key under way
// each has the revision that it made, and those whose condition failed none.
func TestRevisionOfTheDeleteThatHappened(t *testing.T) {
	kv, r := storeOf(t)
	first := kv.Put([]byte("k"), []byte("v"), lease.NoLease)
	_, deleted := kv.DeleteRange([]byte("k"), nil)
	second := kv.Put([]byte("k"), []byte("v"), lease.NoLease)
	_, again := kv.DeleteRange([]byte("k"), nil)
	awaitWrite(t, r, writeID{key: "k"}, again)
	for _, want := range []struct{ condition, revision int64 }{
		{first - 1, 0}, // too old: it did nothing
		{second, again},
		{first, deleted},
		{second, 0}, // the second of two with the same condition
	} {
		if got := r.take(t.Context(), deletion(t, "k", want.condition)); got != want.revision {
			t.Errorf("the delete on condition of revision %d made %d, want %d", want.condition, got, want.revision)
		}
	}
	// The puts are the only ones left; without a condition they go in order.
	put := meaningOf(entryOf(t, &etcdserverpb.InternalRaftRequest{Put: &etcdserverpb.PutRequest{Key: []byte("k"), Value: []byte("v")}}))
	for _, want := range []int64{first, second, 0} {
		if got := r.take(t.Context(), put); got != want {
			t.Errorf("a put made revision %d, want %d", got, want)
		}
	}
}

// TestRevisionAfterCompaction: a condition that cannot be checked any more does
// not hide a revision.
func TestRevisionAfterCompaction(t *testing.T) {
	kv, r := storeOf(t)
	at := kv.Put([]byte("k"), []byte("v"), lease.NoLease)
	_, gone := kv.DeleteRange([]byte("k"), nil)
	last := kv.Put([]byte("other"), []byte("v"), lease.NoLease)
	awaitWrite(t, r, deletion(t, "k", at).write, gone)
	done, err := kv.Compact(traceutil.TODO(), last)
	if err != nil {
		t.Fatal(err)
	}
	<-done
	if got := r.take(t.Context(), deletion(t, "k", at)); got != gone {
		t.Errorf("revision %d, want %d", got, gone)
	}
}
