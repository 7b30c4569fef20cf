package wal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	upstream "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"workbench/cluster/observe/raft/wal"
)

// log writes a log with etcd's own code.
type log struct {
	*upstream.WAL
	t   *testing.T
	dir string
}

func newLog(t *testing.T) *log {
	t.Helper()
	l := &log{t: t, dir: filepath.Join(t.TempDir(), "wal")}
	var err error
	if l.WAL, err = upstream.Create(zap.NewNop(), l.dir, []byte("metadata")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// save appends entries of a term with data of some size.
func (l *log) save(term, first uint64, count, size int) {
	l.t.Helper()
	var entries []*raftpb.Entry
	for i := range count {
		entries = append(entries, &raftpb.Entry{Term: proto.Uint64(term), Index: proto.Uint64(first + uint64(i)), Data: bytes.Repeat([]byte{byte(term)}, size)})
	}
	last := first + uint64(count) - 1
	if err := l.Save(&raftpb.HardState{Term: proto.Uint64(term), Vote: proto.Uint64(1), Commit: proto.Uint64(last)}, entries); err != nil {
		l.t.Fatal(err)
	}
}

// read is what a tail finds, as [term, index].
func read(t *testing.T, tail *wal.Tail) [][2]uint64 {
	t.Helper()
	var got [][2]uint64
	if err := tail.Read(func(e *raftpb.Entry) {
		if len(e.GetData()) > 0 && e.GetData()[0] != byte(e.GetTerm()) {
			t.Errorf("entry %d has data of another", e.GetIndex())
		}
		got = append(got, [2]uint64{e.GetTerm(), e.GetIndex()})
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTailFollows(t *testing.T) {
	l := newLog(t)
	tail := wal.NewTail(l.dir)
	t.Cleanup(func() { _ = tail.Close() })
	if got := read(t, tail); len(got) != 0 {
		t.Errorf("an empty log has %v", got)
	}
	l.save(1, 1, 2, 10)
	l.save(1, 3, 1, 200_000) // larger than what is read at once
	if got, want := read(t, tail), [][2]uint64{{1, 1}, {1, 2}, {1, 3}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := read(t, tail); len(got) != 0 {
		t.Errorf("read twice: %v", got)
	}
	l.save(2, 3, 1, 0) // overwrites
	if got, want := read(t, tail), [][2]uint64{{2, 3}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestTailCrossesSegments follows a log over the end of its file, and begins
// in the last one.
func TestTailCrossesSegments(t *testing.T) {
	before := upstream.SegmentSizeBytes
	upstream.SegmentSizeBytes = 64 << 10
	t.Cleanup(func() { upstream.SegmentSizeBytes = before })
	l := newLog(t)
	tail := wal.NewTail(l.dir)
	t.Cleanup(func() { _ = tail.Close() })
	next := uint64(1)
	for range 20 {
		l.save(1, next, 4, 3000)
		for _, e := range read(t, tail) {
			if e[1] != next {
				t.Fatalf("entry %d follows %d", e[1], next-1)
			}
			next++
		}
	}
	if next != 81 {
		t.Errorf("the last entry is %d, want 80", next-1)
	}
	files, err := filepath.Glob(filepath.Join(l.dir, "*.wal"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d segments, %v", len(files), err)
	}
	late := wal.NewTail(l.dir)
	t.Cleanup(func() { _ = late.Close() })
	got := read(t, late)
	if first := late.Before() + 1; len(got) > 0 && got[0][1] != first || first < 2 || late.Before()+uint64(len(got)) != 80 {
		t.Errorf("the last segment begins after %d and has %d entries", late.Before(), len(got))
	}
}

// TestTailWaitsForHalfARecord holds that what is written in part is read when
// it is whole.
func TestTailWaitsForHalfARecord(t *testing.T) {
	l := newLog(t)
	l.save(1, 1, 3, 100)
	files, err := filepath.Glob(filepath.Join(l.dir, "*.wal"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndexByte(whole, 1) // in the last entry's data
	dir := t.TempDir()
	path := filepath.Join(dir, filepath.Base(files[0]))
	part := slices.Clone(whole)
	clear(part[end-50:])
	if err := os.WriteFile(path, part, 0o600); err != nil {
		t.Fatal(err)
	}
	tail := wal.NewTail(dir)
	t.Cleanup(func() { _ = tail.Close() })
	if got := read(t, tail); len(got) != 2 {
		t.Errorf("got %v of a log whose third entry is half written", got)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(t, tail); len(got) != 1 || got[0][1] != 3 {
		t.Errorf("got %v, want the third entry", got)
	}
}

func TestTailOfNothing(t *testing.T) {
	if err := wal.NewTail(t.TempDir()).Read(func(*raftpb.Entry) {}); err == nil {
		t.Error("a directory without a log is followed")
	}
}
