// Package wal follows a member's write-ahead log as the member writes it: which
// entries it has, of which terms, and what they say. This is what makes the log
// of a follower, of a single member, and of entries that were overwritten
// visible; no API of etcd tells.
//
// The log is read from its last segment on, page cache only, and never written.
// The format is that of server/storage/wal: decoder.go, encoder.go.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/etcd/pkg/v3/crc"
	upstream "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Tail reads what is appended to a log. It is used by one goroutine.
type Tail struct {
	dir    string
	file   *os.File
	offset int64
	crc    hash.Hash32
	buf    []byte
	before uint64 // last index before the segment
}

// NewTail follows the log in a directory; it is opened by the first Read.
func NewTail(dir string) *Tail { return &Tail{dir: dir, buf: make([]byte, 64<<10)} }

// Close closes the segment.
func (t *Tail) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// Before is the last index before the segment that was read first.
func (t *Tail) Before() uint64 { return t.before }

// Read calls entry with each entry appended since the last call. It ends where
// the log does, which may be before a record that is half written.
func (t *Tail) Read(entry func(*raftpb.Entry)) error {
	if t.file == nil {
		if err := t.open(""); err != nil {
			return err
		}
	}
	for {
		more, err := t.segment(entry)
		if err != nil || !more {
			return err
		}
		next, err := t.after(filepath.Base(t.file.Name()))
		if err != nil || next == "" {
			return err
		}
		if err := t.open(next); err != nil {
			return err
		}
	}
}

// open opens a segment; the last one for "".
func (t *Tail) open(name string) error {
	if name == "" {
		names, err := t.segments()
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return fmt.Errorf("follow the log in %s: it has no segment", t.dir)
		}
		name = names[len(names)-1]
		var seq, index uint64
		if _, err := fmt.Sscanf(name, "%016x-%016x.wal", &seq, &index); err == nil && index > 0 {
			t.before = index - 1
		}
	}
	file, err := os.Open(filepath.Join(t.dir, name))
	if err != nil {
		return err
	}
	if t.file != nil {
		_ = t.file.Close()
	}
	t.file, t.offset, t.crc = file, 0, crc.New(0, crc32.MakeTable(crc32.Castagnoli))
	return nil
}

// segments are the names of the log's files, oldest first.
func (t *Tail) segments() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(t.dir, "*.wal"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	slices.Sort(names) // sequence numbers of fixed width
	return names, nil
}

func (t *Tail) after(name string) (string, error) {
	names, err := t.segments()
	if err != nil {
		return "", err
	}
	if i := slices.Index(names, name); i >= 0 && i+1 < len(names) {
		return names[i+1], nil
	}
	return "", nil
}

// frameBytes is the length field in front of a record.
const frameBytes = 8

// maxRecord bounds a record: an entry of etcd's default request limit is 1.5 MB.
const maxRecord = 512 << 20

// segment reads records until the written part ends. It says whether the file
// itself ends there, and so a next one may follow.
func (t *Tail) segment(entry func(*raftpb.Entry)) (fileEnds bool, err error) {
	for {
		n, err := t.file.ReadAt(t.buf, t.offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("follow the log: %w", err)
		}
		if n < frameBytes {
			return true, nil
		}
		used, need, err := t.records(t.buf[:n], entry)
		t.offset += int64(used)
		switch {
		case err != nil:
			return false, err
		case need > len(t.buf):
			t.buf = make([]byte, need)
		case used == 0:
			return false, nil // zeroes allocated ahead, or half a record
		}
	}
}

// records decodes the whole records in b. It returns how many bytes they take,
// and how many the next one needs where b holds only a part of it.
func (t *Tail) records(b []byte, entry func(*raftpb.Entry)) (used, need int, err error) {
	for len(b)-used >= frameBytes {
		field := binary.LittleEndian.Uint64(b[used:])
		if field == 0 {
			return used, 0, nil
		}
		size := int64(field &^ (0xff << 56))
		padding := int64(0)
		if int64(field) < 0 {
			padding = int64(field >> 56 & 0x7)
		}
		if size > maxRecord {
			return used, 0, fmt.Errorf("follow the log: a record of %d bytes at %d of %s", size, t.offset+int64(used), t.file.Name())
		}
		total := int(frameBytes + size + padding)
		if len(b)-used < total {
			return used, total, nil
		}
		done, err := t.record(b[used+frameBytes:used+frameBytes+int(size)], entry)
		if err != nil || !done {
			return used, 0, err
		}
		used += total
	}
	return used, 0, nil
}

// record decodes one record; false where it is not all written yet.
func (t *Tail) record(b []byte, entry func(*raftpb.Entry)) (done bool, err error) {
	var rec walpb.Record
	if proto.Unmarshal(b, &rec) != nil {
		return false, nil
	}
	if rec.GetType() == upstream.CrcType {
		t.crc = crc.New(rec.GetCrc(), crc32.MakeTable(crc32.Castagnoli))
		return true, nil
	}
	sum := crc.New(t.crc.Sum32(), crc32.MakeTable(crc32.Castagnoli))
	if _, err := sum.Write(rec.GetData()); err != nil {
		return false, err
	}
	if rec.Validate(sum.Sum32()) != nil {
		return false, nil
	}
	t.crc = sum
	if rec.GetType() != upstream.EntryType {
		return true, nil
	}
	var e raftpb.Entry
	if err := proto.Unmarshal(rec.GetData(), &e); err != nil {
		return false, fmt.Errorf("follow the log: decode an entry: %w", err)
	}
	entry(&e)
	return true, nil
}
