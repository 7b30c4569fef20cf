package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// The bounds of a frame: what a kill of the recorder loses at most, and what a
// damage makes unreadable.
const (
	frameEvents = 128
	frameBytes  = 64 << 10
)

// endReserve is kept free for the end mark, in bytes.
const endReserve = 512

// ErrFull says that a recording has reached its bound. It is whole and closed.
var ErrFull = errors.New("the recording has reached its size limit")

// Writer writes a recording. It is not for concurrent use.
type Writer struct {
	out   io.Writer
	limit int64 // bytes; 0 is none

	enc     *zstd.Encoder
	pending []byte // lines
	info    frameInfo
	last    uint64
	events  uint64
	bytes   int64
	done    bool
}

// NewWriter begins a recording with the world before its first event. The lab,
// its builds and what is said of them are taken from the header; limit bounds
// the file, in bytes; 0 is no bound.
func NewWriter(out io.Writer, h Header, base *state.World, limit int64) (*Writer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("begin a recording: %w", err)
	}
	w := &Writer{out: out, limit: limit, enc: enc, last: base.Seq}
	h.Format, h.Version, h.Statement = format, Version, statement
	header, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("begin a recording: %w", err)
	}
	world, err := json.Marshal(base)
	if err != nil {
		return nil, fmt.Errorf("begin a recording: %w", err)
	}
	begin := append(chunk(chunkHeader, header), chunk(chunkWorld, enc.EncodeAll(world, nil))...)
	if limit > 0 && int64(len(begin))+endReserve > limit {
		return nil, fmt.Errorf("begin a recording: the lab's state alone takes %d bytes, the limit is %d", len(begin), limit)
	}
	return w, w.write(begin)
}

func (w *Writer) write(b []byte) error {
	n, err := w.out.Write(b)
	w.bytes += int64(n)
	if err != nil {
		w.done = true
		return fmt.Errorf("write the recording: %w", err)
	}
	return nil
}

// Write adds events, in order. ErrFull says that the last of them found no room.
func (w *Writer) Write(events []event.Event) error {
	for _, e := range events {
		if w.done {
			return ErrFull
		}
		if e.Seq <= w.last {
			return fmt.Errorf("write the recording: event %d comes after event %d", e.Seq, w.last)
		}
		line, err := e.MarshalJSON()
		if err != nil {
			return fmt.Errorf("write the recording: %w", err)
		}
		if w.info.Events == 0 {
			w.info.First, w.info.From = e.Seq, e.Time
		}
		w.pending = append(append(w.pending, line...), '\n')
		w.info.Last, w.info.To, w.last = e.Seq, e.Time, e.Seq
		if w.info.Events++; w.info.Events >= frameEvents || len(w.pending) >= frameBytes {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush writes what is pending as a frame of its own.
func (w *Writer) Flush() error {
	if w.info.Events == 0 || w.done {
		return nil
	}
	frame := w.enc.EncodeAll(w.pending, nil)
	w.info.Bytes, w.info.CRC = int64(len(frame)), castagnoli(frame)
	info, err := json.Marshal(w.info)
	if err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	both := append(chunk(chunkEvents, info), frame...)
	if w.limit > 0 && w.bytes+int64(len(both))+endReserve > w.limit {
		return errors.Join(ErrFull, w.end(fmt.Sprintf("its limit of %d bytes was reached", w.limit)))
	}
	if err := w.write(both); err != nil {
		return err
	}
	w.events += uint64(w.info.Events)
	w.pending, w.info = w.pending[:0], frameInfo{}
	return nil
}

func (w *Writer) end(why string) error {
	w.done = true
	info, err := json.Marshal(endInfo{Events: w.events, Why: why})
	if err != nil {
		return fmt.Errorf("end the recording: %w", err)
	}
	return w.write(chunk(chunkEnd, info))
}

// Close writes what is pending and the end. Closing again does nothing.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return w.end("")
}

// Written is how many events and bytes are in the file.
func (w *Writer) Written() (events uint64, bytes int64) { return w.events, w.bytes }

// Builds are the versions that a lab's topology names.
func Builds(workbench string, t event.LabTopology) map[string]string {
	return map[string]string{"workbench": workbench, "kubernetes": t.KubernetesVersion, "etcd": t.EtcdVersion, "containerd": t.ContainerdVersion}
}

// Of is the header of a recording of a lab.
func Of(lab, workbench string, base *state.World, created time.Time) Header {
	return Header{Lab: lab, Created: created.UTC().Truncate(time.Second), Builds: Builds(workbench, base.Topology)}
}
