package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"workbench/cluster/etcdclient"
	"workbench/cluster/event"
)

// watcher follows one member after the other.
type watcher struct {
	Config
	*projector
	next      int64         // the revision to go on from; 0 before the first watch
	gap       event.KubeGap // to be looked into; zero for none
	endpoint  string
	announced bool
	ok        bool
}

// errSilent says that a member is there and does not answer.
var errSilent = errors.New("it does not answer")

// follow watches through one member until it fails.
func (w *watcher) follow(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.endpoint = endpoint
	cfg := etcdclient.Config(w.TLS, w.Dial, endpoint)
	cfg.Context = ctx
	client, err := clientv3.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if w.next == 0 {
		if err := w.begin(ctx, client); err != nil {
			return err
		}
	}
	if w.gap.To != 0 {
		if err := w.relist(ctx, client); err != nil {
			return err
		}
	}
	// Without a leader a member cannot know what it misses.
	ctx = clientv3.WithRequireLeader(ctx)
	changes := client.Watch(ctx, Prefix, clientv3.WithPrefix(), clientv3.WithPrevKV(),
		clientv3.WithCreatedNotify(), clientv3.WithRev(w.next))
	return w.receive(ctx, client, changes)
}

// begin decides where to begin: with all of a new store, else with what is new
// from now on.
func (w *watcher) begin(ctx context.Context, client *clientv3.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	now, err := client.Get(ctx, Prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	w.next = now.Header.Revision + 1
	if now.Count == 0 {
		w.next = 1
	}
	return nil
}

// relist tells the objects that changed last within a gap, as they are found now:
// what was between, and what was deleted, is lost.
func (w *watcher) relist(ctx context.Context, client *clientv3.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*patience, errSilent)
	defer cancel()
	got, err := client.Get(ctx, Prefix, clientv3.WithPrefix(), clientv3.WithMinModRev(w.gap.From), clientv3.WithMaxModRev(w.gap.To),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortAscend))
	if err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	at := time.Now()
	var batch []event.Event
	for _, kv := range got.Kvs {
		c, ok := w.change(&clientv3.Event{Type: clientv3.EventTypePut, Kv: kv})
		if !ok {
			continue
		}
		if c.Verb != event.ChangeCreate {
			c.Found, c.Fields, c.Omitted = true, nil, 0
		}
		batch = append(batch, event.Event{Time: at, Body: c})
	}
	w.emit(batch)
	w.gap = event.KubeGap{}
	return nil
}

// emit hands changes on, not too many at once.
func (w *watcher) emit(all []event.Event) {
	for batch := range slices.Chunk(all, 256) {
		w.Emit(batch...)
	}
}

// requestProgress asks the member for a sign of life. A client that connects
// again takes no request until it has: that is no answer either, and must not hold
// up who waits for it.
func requestProgress(ctx context.Context, client *clientv3.Client) {
	ctx, cancel := context.WithTimeout(ctx, quiet/2)
	defer cancel()
	_ = client.RequestProgress(ctx)
}

func (w *watcher) receive(ctx context.Context, client *clientv3.Client, changes clientv3.WatchChan) error {
	tick := time.NewTicker(quiet / 2)
	defer tick.Stop()
	heard := time.Now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r, open := <-changes:
			if !open {
				return errors.New("the watch ended")
			}
			if err := w.response(r); err != nil {
				return err
			}
			heard = time.Now()
			w.back()
		case now := <-tick.C:
			silent := now.Sub(heard)
			if silent > patience {
				return errSilent
			}
			if silent > quiet {
				requestProgress(ctx, client)
			}
		}
	}
}

// response emits what a response brings, or notes a gap.
func (w *watcher) response(r clientv3.WatchResponse) error {
	at := time.Now()
	if r.CompactRevision > 0 {
		if w.next < r.CompactRevision {
			gap := event.KubeGap{From: w.next, To: r.CompactRevision - 1, Reason: "compacted in etcd while not watched"}
			w.Emit(event.Event{Time: at, Body: gap})
			w.next = r.CompactRevision
			if w.gap.To == 0 {
				w.gap.From = gap.From
			}
			w.gap.To = gap.To
		}
		return rpctypes.ErrCompacted
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	var batch []event.Event
	for _, e := range r.Events {
		c, ok := w.change(e)
		if !ok {
			continue
		}
		if w.Seen != nil {
			w.Seen(&c, at)
		}
		batch = append(batch, event.Event{Time: at, Body: c})
	}
	w.emit(batch)
	if n := len(r.Events); n > 0 {
		w.next = r.Events[n-1].Kv.ModRevision + 1
	}
	return nil
}

func (w *watcher) lost(detail string) {
	if w.announced && !w.ok {
		return
	}
	w.announced, w.ok = true, false
	w.Log.Warn("lost the watch of etcd", "component", Source, "detail", detail)
	w.Emit(event.Event{Time: time.Now(), Body: event.SourceState{Source: Source, Detail: detail}})
}

func (w *watcher) back() {
	if w.ok {
		return
	}
	w.announced, w.ok = true, true
	w.Log.Info("watching etcd", "component", Source, "revision", w.next)
	w.Emit(event.Event{Time: time.Now(), Body: event.SourceState{Source: Source, OK: true, Detail: w.endpoint}})
}
