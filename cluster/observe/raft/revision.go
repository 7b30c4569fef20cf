package raft

import (
	"context"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// maxRevisions bounds the writes that were applied and not matched yet.
const maxRevisions = 4096

// revisions are the writes that the member's store applied, from an in-process
// watch of all keys. A log entry's write is the first one not taken yet with
// its key and value, and, where the entry has a condition, with the revision
// before it that the condition wants: of two deletes of a key under way it is
// the one that happened.
type revisions struct {
	kv    atomic.Pointer[mvcc.WatchableKV] // set while it follows
	mu    sync.Mutex
	byID  map[writeID][]int64
	order []writeID // oldest first
	on    bool
}

func newRevisions() *revisions { return &revisions{byID: map[writeID][]int64{}} }

// follow takes writes until ctx ends. Without its watch no revision is known.
func (r *revisions) follow(ctx context.Context, kv mvcc.WatchableKV) {
	r.kv.Store(&kv)
	defer r.kv.Store(nil)
	ws := kv.NewWatchStream()
	defer ws.Close()
	if _, err := ws.Watch(ctx, 0, []byte{0}, []byte{}, 0); err != nil {
		return
	}
	for {
		select {
		case resp, ok := <-ws.Chan():
			if !ok {
				return
			}
			r.add(resp.Events)
		case <-ctx.Done():
			return
		}
	}
}

// enable says whether writes are wanted: only the leader's are.
func (r *revisions) enable(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.on = on; !on && len(r.order) > 0 {
		r.byID, r.order = map[writeID][]int64{}, nil
	}
}

func (r *revisions) add(events []*mvccpb.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	for _, e := range events {
		id := writeID{key: string(e.GetKv().GetKey())}
		if e.GetType() == mvccpb.Event_PUT {
			h := fnv.New64a()
			_, _ = h.Write(e.GetKv().GetValue()) // never fails
			id.hash = h.Sum64() | 1
		}
		r.byID[id] = append(r.byID[id], e.GetKv().GetModRevision())
		r.order = append(r.order, id)
	}
	for len(r.order) > maxRevisions {
		r.drop(r.order[0])
		r.order = r.order[1:]
	}
}

// drop forgets the oldest write of an ID.
func (r *revisions) drop(id writeID) { r.dropAt(id, 0) }

func (r *revisions) dropAt(id writeID, i int) {
	if left := r.byID[id]; i < len(left)-1 || i > 0 {
		r.byID[id] = slices.Delete(left, i, min(i+1, len(left)))
	} else {
		delete(r.byID, id)
	}
}

// take is the revision of a write; 0 where none is known, as when its condition
// did not hold.
func (r *revisions) take(ctx context.Context, m meaning) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, rev := range r.byID[m.write] {
		if m.when == nil || r.followed(ctx, m.write.key, rev, *m.when) {
			r.dropAt(m.write, i)
			return rev
		}
	}
	return 0
}

// followed says whether the write of a key at rev came after the one at before,
// 0 for none. Where the store does not know any more it may have.
func (r *revisions) followed(ctx context.Context, key string, rev, before int64) bool {
	kv := r.kv.Load()
	if kv == nil || rev < 2 {
		return true
	}
	was, err := (*kv).Range(ctx, []byte(key), nil, mvcc.RangeOptions{Rev: rev - 1, Limit: 1})
	switch {
	case err != nil:
		return true // compacted
	case len(was.KVs) == 0:
		return before == 0
	default:
		return was.KVs[0].GetModRevision() == before
	}
}
