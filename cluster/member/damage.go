package member

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Lose empties the data directory of a member that does not run, as a disk that
// is replaced by a new one. It returns how many bytes were lost.
func Lose(dir string) (int64, error) {
	lost := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			lost += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("empty data directory: %w", err)
	}
	parts, err := os.ReadDir(dir)
	for _, p := range parts {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, p.Name())))
	}
	if err != nil {
		return 0, fmt.Errorf("empty data directory: %w", err)
	}
	return lost, nil
}

// Flip is where a byte was changed.
type Flip struct {
	File   string // name only
	Offset int64
}

// errNoRecord says that a write-ahead log has nothing to change.
var errNoRecord = errors.New("the write-ahead log has no record")

// Corrupt inverts one byte in the data of a record in the middle of the newest
// write-ahead log of a member that does not run, as a disk that forgets does. The
// record's checksum is left as it is: etcd compares the two when it starts.
func Corrupt(dir string) (Flip, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "member", "wal", "*.wal"))
	if err != nil || len(logs) == 0 {
		return Flip{}, fmt.Errorf("corrupt %s: no write-ahead log", dir)
	}
	slices.Sort(logs)
	file := logs[len(logs)-1]
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return Flip{}, fmt.Errorf("corrupt write-ahead log: %w", err)
	}
	defer f.Close()
	at, err := middle(f)
	if err != nil {
		return Flip{}, fmt.Errorf("corrupt %s: %w", file, err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	if err == nil {
		b[0] = ^b[0]
		_, err = f.WriteAt(b[:], at)
	}
	if err := errors.Join(err, f.Sync()); err != nil {
		return Flip{}, fmt.Errorf("corrupt %s: %w", file, err)
	}
	return Flip{File: filepath.Base(file), Offset: at}, nil
}

// middle finds the last byte of the record in the middle of a log; the first two
// records are the checksum's seed and metadata. The format is that of etcd's
// server/storage/wal/decoder.go: records of a length of 8 bytes, little endian,
// whose highest bit says that its lowest 3 bits of the highest byte count bytes of
// padding; a length of 0 is the end. A record's data is its last field.
func middle(f io.ReaderAt) (int64, error) {
	const leastData = 32 // bytes of a record that has data besides type and checksum
	var ends []int64
	var head [8]byte
	for at := int64(0); ; {
		if _, err := f.ReadAt(head[:], at); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, err
		}
		field := int64(binary.LittleEndian.Uint64(head[:]))
		if field == 0 {
			break
		}
		size := int64(uint64(field) &^ (uint64(0xff) << 56))
		padding := int64(0)
		if field < 0 {
			padding = int64((uint64(field) >> 56) & 0x7)
		}
		at += 8
		if size >= leastData {
			ends = append(ends, at+size-1)
		}
		at += size + padding
	}
	if len(ends) == 0 {
		return 0, errNoRecord
	}
	return ends[len(ends)/2], nil
}
