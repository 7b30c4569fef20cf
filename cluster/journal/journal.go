package journal

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"workbench/cluster/event"
)

// MaxEventBytes is the size of the largest event, encoded.
const MaxEventBytes = 8 << 20

// Options of a journal. The zero value is fine.
type Options struct {
	// MaxBytes bounds what the journal uses on disk: the oldest segments are
	// dropped, though never the active one. While a segment is being sealed its
	// compressed copy comes on top. 512 MiB when 0.
	MaxBytes int64
	// SegmentBytes is the size at which a segment is sealed, before
	// compression. 2 MiB when 0: what is read on the way to an event of the past.
	SegmentBytes int64
	// Tail is how many of the last events are held in memory for live readers.
	// 4096 when 0.
	Tail int
	// Log hears of what goes wrong in the background. Nothing when nil.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.MaxBytes = cmp.Or(o.MaxBytes, 512<<20)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 2<<20)
	o.Tail = cmp.Or(o.Tail, 4096)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.SegmentBytes < 1:
		return fmt.Errorf("journal: SegmentBytes is %d; use a positive number", o.SegmentBytes)
	case o.MaxBytes < 2*o.SegmentBytes:
		return fmt.Errorf("journal: MaxBytes is %d; use at least two segments of %d bytes", o.MaxBytes, o.SegmentBytes)
	case o.Tail < 1:
		return fmt.Errorf("journal: Tail is %d; use a positive number", o.Tail)
	}
	return nil
}

// Recovery says what Open had to cut off.
type Recovery struct {
	// Segment is the path of the file; "" when nothing was cut.
	Segment string
	// CutBytes after the event Last, such as a line half written by a process
	// that was killed.
	CutBytes int64
	Last     uint64
}

// Journal is an open journal. Its methods may be called concurrently.
type Journal struct {
	dir       string
	options   Options
	lock      *os.File
	recovered Recovery

	mu       sync.Mutex
	segments []segment // by number; the last one is active
	active   file
	total    int64 // bytes of all segments
	written  int64 // bytes appended since Open
	last     uint64
	tail     tail
	buffer   []byte
	wake     chan struct{} // closed by the next append; nil while nobody waits
	broken   error         // why no append is possible any more
	closed   bool
	closeErr error

	sealer sealer
}

// file is what the active segment is written to.
type file interface {
	Write([]byte) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Open opens the journal in a directory, which it makes when there is none. A
// half-written end is cut off; see Recovered. One process at a time may have a
// journal open: else the error is ErrLocked.
func Open(dir string, options Options) (*Journal, error) {
	options = options.withDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, options: options, lock: lock, tail: newTail(options.Tail)}
	if err := j.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", dir, err), lock.Close())
	}
	j.sealer.start(j)
	return j, nil
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// Append numbers the events, writes them as one batch and wakes readers. It
// returns the number of the last event. On an error none of them is in the
// journal.
//
// The journal keeps the bodies: what they refer to must not change any more.
// Times are kept in UTC without the monotonic reading, as a reader from disk
// gets them.
func (j *Journal) Append(events ...event.Event) (last uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return j.last, fmt.Errorf("append to journal: %w", ErrClosed)
	case j.broken != nil:
		return j.last, fmt.Errorf("append to journal: %w", j.broken)
	case len(events) == 0:
		return j.last, nil
	}
	numbered := make([]event.Event, len(events))
	j.buffer = j.buffer[:0]
	for i, e := range events {
		e.Seq, e.Time = j.last+uint64(i)+1, e.Time.Round(0).UTC()
		line, err := e.MarshalJSON()
		if err != nil {
			return j.last, fmt.Errorf("append to journal: %w", err)
		}
		if len(line) > MaxEventBytes {
			return j.last, fmt.Errorf("append to journal: event %s has %d bytes, more than %d", e.Body.Type(), len(line), MaxEventBytes)
		}
		j.buffer = append(append(j.buffer, line...), '\n')
		numbered[i] = e
	}
	if err := j.write(j.buffer); err != nil {
		return j.last, fmt.Errorf("append to journal: %w", err)
	}
	j.last += uint64(len(events))
	j.written += int64(len(j.buffer))
	for _, e := range numbered {
		j.tail.push(e)
	}
	j.broadcast()
	return j.last, nil
}

// write puts a batch into the active segment, or into a new one when it is
// full. A batch that fits only in part is taken back.
func (j *Journal) write(batch []byte) error {
	if active := j.activeSegment(); active.bytes > 0 && active.bytes+int64(len(batch)) > j.options.SegmentBytes {
		if err := j.rotate(); err != nil {
			return err
		}
	}
	active := j.activeSegment()
	if _, err := j.active.Write(batch); err != nil {
		if cut := j.active.Truncate(active.bytes); cut != nil {
			j.broken = fmt.Errorf("segment %s ends in a partial line: %w", active.path, errors.Join(err, cut))
			return j.broken
		}
		return err
	}
	active.bytes += int64(len(batch))
	j.total += int64(len(batch))
	j.enforce()
	return nil
}

func (j *Journal) activeSegment() *segment { return &j.segments[len(j.segments)-1] }

// rotate begins a new active segment and leaves the old one to the sealer.
func (j *Journal) rotate() error {
	if err := j.begin(j.last + 1); err != nil {
		return err
	}
	j.sealer.kick()
	return nil
}

// begin makes the segment that starts with the event the active one.
func (j *Journal) begin(first uint64) error {
	path := filepath.Join(j.dir, plainName(first))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	old := j.active
	j.active = f
	j.segments = append(j.segments, segment{first: first, path: path})
	if old != nil {
		return old.Close()
	}
	return nil
}

func (j *Journal) broadcast() {
	if j.wake != nil {
		close(j.wake)
		j.wake = nil
	}
}

// First is the number of the oldest event kept. It is Last()+1 when there is
// none.
func (j *Journal) First() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].first
}

// Last is the number of the newest event, 0 before the first one ever.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Bytes is what the journal uses on disk.
func (j *Journal) Bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.total
}

// Written is how many bytes were appended since Open, before compression.
func (j *Journal) Written() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written
}

// Recovered says what Open had to cut off.
func (j *Journal) Recovered() Recovery { return j.recovered }

// Close stops the sealer and waits for it, syncs and closes the active segment,
// and gives up the lock, in this order. Readers get what is left, then
// ErrClosed. Closing again returns the same error.
func (j *Journal) Close() error {
	j.mu.Lock()
	if !j.closed {
		j.closed = true
		j.broadcast()
	}
	j.mu.Unlock()
	j.sealer.stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.active != nil {
		j.closeErr = errors.Join(j.active.Sync(), j.active.Close(), j.lock.Close())
		j.active = nil
	}
	return j.closeErr
}
