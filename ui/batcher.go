package ui

import (
	"context"
	"sync"
	"time"
)

// The pace of batches.
const (
	frame = 12 * time.Millisecond  // from one to the next, of what changes the picture: half of a frame that is shown, as a busy machine wakes who waits late
	burst = 5 * time.Millisecond   // at least, for what comes at once to come together
	lull  = 500 * time.Millisecond // of samples and heartbeats
)

// batcher gathers items from one goroutine and hands them over in another, in
// order, at most once a frame. Nothing is dropped: while the receiver is slow
// the batch grows.
type batcher[T any] struct {
	mu     sync.Mutex
	items  []T
	urgent bool
	wake   chan struct{}
}

func newBatcher[T any]() *batcher[T] { return &batcher[T]{wake: make(chan struct{}, 1)} }

// add appends items. Items that are not urgent may wait for a lull.
func (b *batcher[T]) add(items []T, urgent bool) {
	b.mu.Lock()
	b.items = append(b.items, items...)
	b.urgent = b.urgent || urgent
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *batcher[T]) take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items, b.urgent = nil, false
	return items
}

func (b *batcher[T]) isUrgent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.urgent
}

// run hands batches to flush until ctx ends; what is left then goes last. What
// flush takes is part of the pace: a slow one is given the next batch at once.
func (b *batcher[T]) run(ctx context.Context, flush func([]T)) {
	var last time.Time
	for {
		select {
		case <-b.wake:
			b.gather(ctx, max(burst, frame-time.Since(last)))
		case <-ctx.Done():
		}
		last = time.Now()
		if items := b.take(); len(items) > 0 {
			flush(items)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// gather waits a while, and on until a lull has passed or something urgent came.
func (b *batcher[T]) gather(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	timer.Reset(lull - wait)
	for !b.isUrgent() {
		select {
		case <-b.wake:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
