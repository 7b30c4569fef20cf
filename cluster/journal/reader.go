package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"workbench/cluster/event"
)

// batch is the largest number of events that Next returns at once.
const batch = 1024

// Reader is a cursor into a journal. It is not for concurrent use; have one
// per goroutine. Events share their bodies with other readers: treat them as
// constant.
type Reader struct {
	journal *Journal
	next    uint64         // number of the event to read next
	until   uint64         // the last one that is wanted; 0 for all
	path    string         // of the open segment
	disk    *segmentReader // nil when none is open
}

// Reader makes a cursor behind the event with the given number; 0 reads from
// the first event ever.
func (j *Journal) Reader(after uint64) *Reader { return &Reader{journal: j, next: after + 1} }

// Until says which event is the last that is wanted: a batch does not reach
// beyond it, as far as it is read from disk.
func (r *Reader) Until(last uint64) *Reader {
	r.until = last
	return r
}

// source is where a reader finds its next events.
type source struct {
	events  []event.Event   // from the tail, or
	segment segment         // from this file,
	end     uint64          // up to this event, or
	wait    <-chan struct{} // nowhere yet
}

// locate finds the events from the given number on.
func (j *Journal) locate(next uint64) (source, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch first := j.segments[0].first; {
	case next > j.last+1:
		return source{}, fmt.Errorf("read event %d, but the last is %d: %w", next, j.last, ErrAhead)
	case next < first:
		return source{}, &TruncatedError{Wanted: next, First: first}
	case next == j.last+1 && j.closed:
		return source{}, ErrClosed
	case next == j.last+1:
		if j.wake == nil {
			j.wake = make(chan struct{})
		}
		return source{wait: j.wake}, nil
	}
	if events, ok := j.tail.from(next, batch); ok {
		return source{events: events}, nil
	}
	i := sort.Search(len(j.segments), func(i int) bool { return j.segments[i].first > next }) - 1
	end := j.last
	if i+1 < len(j.segments) {
		end = j.segments[i+1].first - 1
	}
	return source{segment: j.segments[i], end: end}, nil
}

// Next gives the next events, at least one and at most a batch. It waits until
// there are some or the context is done; then it returns the context's cause.
//
// A *TruncatedError or *DamageError says that events are missing; the cursor
// has moved behind them, so that calling Next again goes on from there. After
// the journal was closed, Next gives what is left, then ErrClosed.
func (r *Reader) Next(ctx context.Context) ([]event.Event, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		from, err := r.journal.locate(r.next)
		if err != nil {
			if truncated := (*TruncatedError)(nil); errors.As(err, &truncated) {
				r.next = truncated.First
			}
			return nil, err
		}
		switch {
		case from.events != nil:
			r.next += uint64(len(from.events))
			_ = r.Close() // the tail has it all now
			return from.events, nil
		case from.wait != nil:
			select {
			case <-ctx.Done():
			case <-from.wait:
			}
		default:
			if events, err := r.read(from); events != nil || err != nil {
				return events, err
			}
		}
	}
}

// read reads from a segment. It gives neither events nor an error when the
// segment was sealed or dropped meanwhile.
func (r *Reader) read(from source) ([]event.Event, error) {
	if r.disk == nil || r.path != from.segment.path {
		if err := r.Close(); err != nil {
			return nil, err
		}
		disk, err := openSegment(from.segment)
		if err != nil {
			return nil, r.absent(from, err)
		}
		r.disk, r.path = disk, from.segment.path
	}
	if r.disk.zstd == nil {
		r.disk.extend(from.segment.bytes)
	}
	var events []event.Event
	for len(events) < batch && r.next <= from.end && (r.until == 0 || r.next <= r.until || len(events) == 0) {
		e, err := r.disk.at(r.next)
		switch {
		case err == nil && e.Seq == r.next:
			events = append(events, e)
			r.next, r.disk.bad = r.next+1, nil
			continue
		case err == nil:
			r.disk.push(e)
		}
		if len(events) > 0 {
			break // the damage is for the next call
		}
		return nil, r.damage(from, e.Seq, err)
	}
	return events, nil
}

// absent tells a segment that was sealed or dropped meanwhile, which is fine,
// from one that somebody took away.
func (r *Reader) absent(from source, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read journal: %w", err)
	}
	if now, again := r.journal.locate(r.next); again != nil || now.segment.path != from.segment.path {
		return nil
	}
	return r.damage(from, 0, err)
}

// damage moves the cursor behind what cannot be read: to the event found, or
// to the next segment.
func (r *Reader) damage(from source, found uint64, err error) error {
	damage := &DamageError{Segment: from.segment.path, From: r.next, To: from.end, Err: err}
	if err == nil {
		damage.Err, r.disk.bad = r.disk.bad, nil
		damage.To = min(from.end, found-1)
	}
	switch {
	case damage.Err == nil:
		damage.Err = errors.New("lines are missing")
	case errors.Is(damage.Err, io.EOF):
		damage.Err = errors.New("the file ends early")
	}
	r.next = damage.To + 1
	return damage
}

// Close lets go of the file that the reader may have open. The reader may be
// used again.
func (r *Reader) Close() error {
	if r.disk == nil {
		return nil
	}
	err := r.disk.close()
	r.disk = nil
	return err
}
