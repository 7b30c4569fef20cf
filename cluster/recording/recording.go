package recording

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/klauspost/compress/zstd"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/journal"
	"workbench/cluster/state"
)

// What a frame and the world of a file may expand to, in bytes.
const (
	maxFrame = journal.MaxEventBytes + 2*frameBytes
	maxWorld = 128 << 20
)

// Recording is a file that is read. Its methods may be called concurrently.
type Recording struct {
	Header Header
	// Damage says what of the file could not be read; nil when all could.
	Damage *DamageError

	in     io.ReaderAt
	base   *state.World
	frames []frame
	events uint64
	plain  []event.Event // of a file that is only lines
	why    string
}

type frame struct {
	frameInfo
	at int64 // of the compressed frame
}

// DamageError says where a file is damaged and what is read of it nevertheless.
type DamageError struct {
	At     int64  // byte of the file
	Events uint64 // read before it
	Last   uint64 // the last of them, by number
	Err    error
}

func (e *DamageError) Error() string {
	if e.Events == 0 {
		return fmt.Sprintf("the recording is damaged at byte %d: %v; none of its events can be read", e.At, e.Err)
	}
	return fmt.Sprintf("the recording is damaged at byte %d: %v; the %d events before it, up to number %d, are read; record again or fetch the file again for the rest",
		e.At, e.Err, e.Events, e.Last)
}

// Unwrap gives what is wrong there.
func (e *DamageError) Unwrap() error { return e.Err }

// errUnfinished is a file without its end mark.
var errUnfinished = errors.New("it has no end mark: it was cut off, or is still being recorded")

// VersionError says that a recording is of a newer format.
type VersionError struct{ Header Header }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the recording has format version %d, made by workbench %s; this build reads up to version %d: use a newer workbench",
		e.Header.Version, e.Header.Builds["workbench"], Version)
}

// Open reads what is where in a recording and checks it. The lines of
// `workbench events -o json`, or of a journal, will do as well. A file that is
// damaged behind its beginning is opened, see Damage.
func Open(in io.ReaderAt, size int64) (*Recording, error) {
	r := &Recording{in: in}
	letter, payload, at, err := readChunk(in, 0, size)
	if err != nil || letter != chunkHeader {
		if lines, plainErr := r.openLines(in, size); plainErr == nil {
			return lines, nil
		}
		if err == nil {
			err = fmt.Errorf("it begins with chunk %q", letter)
		}
		return nil, fmt.Errorf("this is no recording of a workbench, or its beginning is damaged: %w", err)
	}
	if err := json.Unmarshal(payload, &r.Header); err != nil || r.Header.Format != format {
		return nil, fmt.Errorf("this is no recording of a workbench: its header is %.100q", payload)
	}
	if r.Header.Version > Version {
		return nil, &VersionError{r.Header}
	}
	letter, payload, at, err = readChunk(in, at, size)
	if err == nil && letter != chunkWorld {
		err = fmt.Errorf("chunk %q is where the lab's state should be", letter)
	}
	if err == nil {
		err = r.readBase(payload)
	}
	if err != nil {
		return nil, fmt.Errorf("the recording of lab %s is damaged where it begins, at byte %d: %w; nothing of it can be shown: fetch the file again", r.Header.Lab, at, err)
	}
	r.scan(at, size)
	return r, nil
}

func (r *Recording) readBase(payload []byte) error {
	raw, err := expand(payload, maxWorld)
	if err != nil {
		return err
	}
	r.base = state.New()
	return json.Unmarshal(raw, r.base)
}

func expand(data []byte, limit uint64) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(limit))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(data, nil)
}

// scan finds the frames up to the end or the first damage.
func (r *Recording) scan(at, size int64) {
	last := r.base.Seq
	for {
		letter, payload, next, err := readChunk(r.in, at, size)
		if errors.Is(err, io.EOF) {
			err = errUnfinished
		}
		if err == nil && letter == chunkEnd {
			var end endInfo
			if err = json.Unmarshal(payload, &end); err == nil && end.Events != r.events {
				err = fmt.Errorf("the end mark tells of %d events", end.Events)
			}
			if r.why = end.Why; err == nil {
				return
			}
		}
		var f frame
		if err == nil && letter == chunkEvents {
			f, err = r.checkFrame(payload, next, size, last)
			next = f.at + f.Bytes
		}
		if err != nil {
			r.Damage = &DamageError{At: at, Events: r.events, Last: last, Err: err}
			return
		}
		if letter == chunkEvents { // other letters are of minor additions
			r.frames = append(r.frames, f)
			r.events, last = r.events+uint64(f.Events), f.Last
		}
		at = next
	}
}

func (r *Recording) checkFrame(payload []byte, at, size int64, last uint64) (frame, error) {
	f := frame{at: at}
	if err := json.Unmarshal(payload, &f.frameInfo); err != nil {
		return f, err
	}
	switch {
	case f.Bytes < 0 || f.Bytes > maxChunk || f.Events <= 0 || f.First <= last || f.Last < f.First || f.Last-f.First+1 < uint64(f.Events):
		return f, fmt.Errorf("a frame of %d bytes tells of %d events, %d to %d after %d", f.Bytes, f.Events, f.First, f.Last, last)
	case at+f.Bytes > size:
		return f, errCut
	}
	data := make([]byte, f.Bytes)
	if _, err := r.in.ReadAt(data, at); err != nil {
		return f, err
	}
	if castagnoli(data) != f.CRC {
		return f, fmt.Errorf("the checksum of events %d to %d is wrong", f.First, f.Last)
	}
	return f, nil
}

// openLines reads a file that is only lines of events.
func (r *Recording) openLines(in io.ReaderAt, size int64) (*Recording, error) {
	last := uint64(0)
	for e, err := range journal.Decode(io.NewSectionReader(in, 0, size)) {
		if err == nil && e.Seq != 0 && e.Seq <= last {
			err = fmt.Errorf("event %d comes after event %d", e.Seq, last)
		}
		if err != nil {
			if len(r.plain) == 0 {
				return nil, err
			}
			r.Damage = &DamageError{At: size, Events: uint64(len(r.plain)), Last: last, Err: err}
			break
		}
		if e.Seq == 0 {
			e.Seq = last + 1
		}
		last = e.Seq
		r.plain = append(r.plain, e)
	}
	if len(r.plain) == 0 {
		return nil, errors.New("it has no events")
	}
	r.base, r.events = state.New(), uint64(len(r.plain))
	r.base.Seq = r.plain[0].Seq - 1
	return r, nil
}

// Base is the world before the first event. It must not be changed.
func (r *Recording) Base() *state.World { return r.base }

// Events is how many events can be read.
func (r *Recording) Events() uint64 { return r.events }

// Why says why the recording ended; "" for an end that was asked for.
func (r *Recording) Why() string { return r.why }

// First implements history.Log.
func (r *Recording) First() uint64 { return r.base.Seq + 1 }

// Last implements history.Log.
func (r *Recording) Last() uint64 {
	switch {
	case len(r.plain) > 0:
		return r.plain[len(r.plain)-1].Seq
	case len(r.frames) > 0:
		return r.frames[len(r.frames)-1].Last
	}
	return r.base.Seq
}

// Open implements history.Log.
func (r *Recording) Open(after, _ uint64) history.Cursor { return &cursor{r: r, after: after} }

// cursor reads a recording frame by frame.
type cursor struct {
	r     *Recording
	after uint64
}

// Next implements history.Cursor; at the end it gives io.EOF.
func (c *cursor) Next(ctx context.Context) ([]event.Event, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if plain := c.r.plain; plain != nil {
		i := sort.Search(len(plain), func(i int) bool { return plain[i].Seq > c.after })
		if i == len(plain) {
			return nil, io.EOF
		}
		events := plain[i:min(i+frameEvents, len(plain))]
		c.after = events[len(events)-1].Seq
		return events, nil
	}
	i := sort.Search(len(c.r.frames), func(i int) bool { return c.r.frames[i].Last > c.after })
	if i == len(c.r.frames) {
		return nil, io.EOF
	}
	f := c.r.frames[i]
	events, err := c.r.frame(f, c.after)
	if err != nil {
		return nil, fmt.Errorf("read events %d to %d of the recording, at byte %d: %w", f.First, f.Last, f.at, err)
	}
	c.after = f.Last
	return events, nil
}

// Close implements history.Cursor.
func (c *cursor) Close() error { return nil }

// frame gives the events of a frame after one.
func (r *Recording) frame(f frame, after uint64) ([]event.Event, error) {
	data := make([]byte, f.Bytes)
	if _, err := r.in.ReadAt(data, f.at); err != nil {
		return nil, err
	}
	raw, err := expand(data, maxFrame)
	if err != nil {
		return nil, err
	}
	events := make([]event.Event, 0, min(f.Events, frameEvents))
	last := f.First - 1
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, journal.MaxEventBytes+1)
	for lines.Scan() {
		var e event.Event
		if err := e.UnmarshalJSON(lines.Bytes()); err != nil {
			return nil, err
		}
		if e.Seq <= last || e.Seq > f.Last {
			return nil, fmt.Errorf("event %d comes after event %d", e.Seq, last)
		}
		if last = e.Seq; e.Seq > after {
			events = append(events, e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if last != f.Last {
		return nil, fmt.Errorf("the frame ends with event %d", last)
	}
	return events, nil
}
