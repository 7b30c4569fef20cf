package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"workbench/cluster/event"
)

// zstdMagic begins every zstd frame (RFC 8878, 3.1.1).
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Decode reads events from a recording: lines of JSON, plain or compressed by
// zstd, such as a segment or the output of `workbench events -o json`. Empty
// lines are skipped. Numbers are taken as they are. It ends after the first
// error, which names the line.
func Decode(r io.Reader) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		if magic, _ := in.Peek(len(zstdMagic)); bytes.Equal(magic, zstdMagic) {
			dec, err := newZstdReader(in)
			if err != nil {
				yield(event.Event{}, fmt.Errorf("read recording: %w", err))
				return
			}
			defer dec.Close()
			in = bufio.NewReaderSize(dec, 64<<10)
		}
		l := lines{r: in}
		for {
			line, err := l.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(event.Event{}, fmt.Errorf("read recording: %w", err))
				return
			}
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var e event.Event
			if err := e.UnmarshalJSON(line); err != nil {
				yield(event.Event{}, fmt.Errorf("read recording: line %d: %w", l.number, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
