package raft

import (
	"context"
	"hash/fnv"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// maxRevisions bounds the writes that were applied and not matched yet.
const maxRevisions = 4096

// revisions are the writes that the member's store applied, from an in-process
// watch of all keys. A log entry's write is the first one not taken yet with
// its key and value.
type revisions struct {
	mu    sync.Mutex
	byID  map[writeID][]int64
	order []writeID // oldest first
	on    bool
}

func newRevisions() *revisions { return &revisions{byID: map[writeID][]int64{}} }

// follow takes writes until ctx ends. Without its watch no revision is known.
func (r *revisions) follow(ctx context.Context, kv mvcc.WatchableKV) {
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

func (r *revisions) drop(id writeID) {
	if left := r.byID[id]; len(left) > 1 {
		r.byID[id] = left[1:]
	} else {
		delete(r.byID, id)
	}
}

// take is the revision of a write; 0 where none is known.
func (r *revisions) take(id writeID) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byID[id]) == 0 {
		return 0
	}
	rev := r.byID[id][0]
	r.drop(id)
	return rev
}
