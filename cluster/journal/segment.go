package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"workbench/cluster/event"
)

const (
	plainSuffix  = ".ndjson"
	sealedSuffix = ".ndjson.zst"
	tempSuffix   = ".tmp"
)

// segment is one file of the journal. It ends where the next one begins.
type segment struct {
	first  uint64 // number of its first event
	path   string
	bytes  int64 // complete batches only
	sealed bool  // compressed
	kept   bool  // the sealer could not compress it
}

func plainName(first uint64) string  { return fmt.Sprintf("%020d%s", first, plainSuffix) }
func sealedName(first uint64) string { return fmt.Sprintf("%020d%s", first, sealedSuffix) }

// listSegments gives the segments of a directory in order. It removes what a
// killed sealer left: unfinished files, and the originals of finished ones.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	byFirst := map[uint64]segment{}
	var stale []string
	for _, entry := range entries { // sorted, so that .ndjson comes before .ndjson.zst
		path := filepath.Join(dir, entry.Name())
		if strings.HasSuffix(entry.Name(), tempSuffix) {
			stale = append(stale, path)
			continue
		}
		s, ok := parseSegment(path)
		if !ok {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		s.bytes = info.Size()
		if plain, both := byFirst[s.first]; both {
			stale = append(stale, plain.path)
		}
		byFirst[s.first] = s
	}
	var errs []error
	for _, path := range stale {
		errs = append(errs, os.Remove(path))
	}
	segments := make([]segment, 0, len(byFirst))
	for _, s := range byFirst {
		segments = append(segments, s)
	}
	slices.SortFunc(segments, func(a, b segment) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	return segments, errors.Join(errs...)
}

func parseSegment(path string) (segment, bool) {
	name := filepath.Base(path)
	number, sealed := strings.CutSuffix(name, sealedSuffix)
	if !sealed {
		var plain bool
		if number, plain = strings.CutSuffix(name, plainSuffix); !plain {
			return segment{}, false
		}
	}
	first, err := strconv.ParseUint(number, 10, 64)
	if err != nil || first == 0 {
		return segment{}, false
	}
	return segment{first: first, path: path, sealed: sealed}, true
}

// segmentReader reads the events of one segment in order.
type segmentReader struct {
	file    *os.File
	bounded *boundedFile
	zstd    *zstd.Decoder // nil for a plain segment
	lines   lines
	pushed  *event.Event // read, but not taken
	bad     error        // the first thing wrong since the last good event
}

func openSegment(s segment) (*segmentReader, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	r := &segmentReader{file: f, bounded: &boundedFile{file: f, limit: s.bytes}}
	r.lines = lines{r: bufio.NewReaderSize(r.bounded, 64<<10)}
	if s.sealed {
		r.zstd, err = newZstdReader(r.bounded)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		r.lines.r.Reset(r.zstd)
	}
	return r, nil
}

// newZstdReader makes a reader that starts no goroutines.
func newZstdReader(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
}

// extend lets the reader see what was appended to a plain segment meanwhile.
func (r *segmentReader) extend(bytes int64) { r.bounded.limit = max(r.bounded.limit, bytes) }

// at gives the first readable event whose number is at least seq. When it is
// greater, bad says why those before it are not there. At the end of what can
// be read it gives an error: io.EOF, or what is wrong with the file.
func (r *segmentReader) at(seq uint64) (event.Event, error) {
	if p := r.pushed; p != nil && p.Seq >= seq {
		r.pushed = nil
		return *p, nil
	}
	for {
		line, err := r.lines.next()
		if err != nil {
			if r.bad == nil && !errors.Is(err, io.EOF) {
				r.bad = err
			}
			return event.Event{}, cmp.Or(r.bad, err)
		}
		if n, ok := lineSeq(line); ok && n < seq {
			continue
		}
		var e event.Event
		if err := e.UnmarshalJSON(line); err != nil {
			r.bad = cmp.Or(r.bad, fmt.Errorf("line %d: %w", r.lines.number, err))
			continue
		}
		if e.Seq >= seq {
			return e, nil
		}
	}
}

func (r *segmentReader) push(e event.Event) { r.pushed = &e }

func (r *segmentReader) close() error {
	if r.zstd != nil {
		r.zstd.Close()
	}
	return r.file.Close()
}

// lineSeq reads the number of an event without decoding the line.
func lineSeq(line []byte) (uint64, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"seq":`))
	if !ok {
		return 0, false
	}
	end := bytes.IndexByte(rest, ',')
	if end < 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(rest[:end]), 10, 64)
	return n, err == nil
}

// boundedFile reads a file that is being appended to up to its last complete
// batch.
type boundedFile struct {
	file      *os.File
	at, limit int64
}

func (b *boundedFile) Read(p []byte) (int, error) {
	if b.at >= b.limit {
		return 0, io.EOF
	}
	n, err := b.file.Read(p[:min(int64(len(p)), b.limit-b.at)])
	b.at += int64(n)
	return n, err
}
