package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workbench/cluster/event"
)

func TestRetentionDropsTheOldest(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 1000, MaxBytes: 4000, Tail: 2})
	behind := j.Reader(0)
	defer behind.Close()
	fill(t, j, 1)
	readAll(t, behind, 1, 1)
	fill(t, j, 3000)
	if first := j.First(); first < 100 || first > 3000 {
		t.Fatalf("first is %d", first)
	}
	var truncated *TruncatedError
	_, err := behind.Next(t.Context())
	if !errors.As(err, &truncated) || !errors.Is(err, ErrTruncated) || truncated.Wanted != 2 {
		t.Fatalf("got %v", err)
	}
	seal(t, j)
	r := j.Reader(j.First() - 1)
	defer r.Close()
	readAll(t, r, j.First(), 3000)
	if b := j.Bytes(); b > 4000 {
		t.Errorf("journal has %d bytes", b)
	}
	if got := usage(t, dir); got != j.Bytes() {
		t.Errorf("directory has %d bytes, journal says %d", got, j.Bytes())
	}
}

func usage(t *testing.T, dir string) (total int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

func TestSealingKeepsEventsAndOpenReaders(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 200_000, MaxBytes: 1 << 30, Tail: 1})
	fill(t, j, 1500)
	r := j.Reader(0) // has the first segment open while it grows and is sealed
	defer r.Close()
	if events, err := r.Next(t.Context()); err != nil || len(events) != batch {
		t.Fatal(len(events), err)
	}
	fill(t, j, 5000)
	seal(t, j)
	readAll(t, r, batch+1, 5000)
	again := j.Reader(0)
	defer again.Close()
	readAll(t, again, 1, 5000)
	plain, err := filepath.Glob(filepath.Join(dir, "*"+plainSuffix))
	if err != nil || len(plain) != 1 {
		t.Errorf("plain segments: %v, %v", plain, err)
	}
	if sealed := usage(t, dir); sealed > 250_000 {
		t.Errorf("%d bytes after sealing", sealed)
	}
}

func TestAppendRefusesWhatCannotBeWritten(t *testing.T) {
	j := open(t, t.TempDir(), Options{Tail: 1, SegmentBytes: MaxEventBytes})
	fill(t, j, 1)
	if _, err := j.Append(line(2), event.Event{}); err == nil || !strings.Contains(err.Error(), "no body") {
		t.Errorf("no body: %v", err)
	}
	huge := event.Event{Body: event.RaftLog{Text: strings.Repeat("x", MaxEventBytes)}}
	if _, err := j.Append(line(2), huge); err == nil || !strings.Contains(err.Error(), "more than 8388608") {
		t.Errorf("huge: %v", err)
	}
	large := event.Event{Time: epoch, Body: event.RaftLog{Text: strings.Repeat("y", MaxEventBytes-200)}}
	if last, err := j.Append(large); err != nil || last != 2 {
		t.Errorf("large: %d, %v", last, err)
	}
	fill(t, j, 3)
	r := j.Reader(0)
	defer r.Close()
	events, err := r.Next(t.Context())
	if err != nil || len(events) != 2 || events[1].Body != large.Body {
		t.Errorf("large event: got %d events, %v", len(events), err)
	}
}

// failing fails the next write in the middle of a line.
type failing struct {
	file
	writes, truncates error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.writes == nil {
		return f.file.Write(p)
	}
	n, _ := f.file.Write(p[:len(p)/2])
	return n, f.writes
}

func (f *failing) Truncate(size int64) error {
	if f.truncates != nil {
		return f.truncates
	}
	return f.file.Truncate(size)
}

func TestFullDiskTakesBackThePartialBatch(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	fill(t, j, 5)
	full := errors.New("no space left on device")
	disk := &failing{file: j.active, writes: full}
	j.active = disk
	if last, err := j.Append(line(6), line(7)); !errors.Is(err, full) || last != 5 {
		t.Errorf("got %d, %v", last, err)
	}
	disk.writes = nil
	fill(t, j, 8)
	j.tail = newTail(1)
	r := j.Reader(0)
	defer r.Close()
	readAll(t, r, 1, 8)

	disk.writes, disk.truncates = full, io.ErrClosedPipe
	if _, err := j.Append(line(9)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	disk.writes, disk.truncates = nil, nil
	if _, err := j.Append(line(9)); !errors.Is(err, full) {
		t.Errorf("append behind a partial line: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, Options{})
	if got := again.Recovered(); got.Last != 8 || got.CutBytes == 0 {
		t.Errorf("recovered %+v", got)
	}
}
