package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

// Message is the head of a Raft message. It never holds entries' data.
type Message struct {
	At       time.Time // when it was forwarded
	From, To uint64    // member IDs
	Type     raftpb.MessageType
	Term     uint64
	// Index is the index before the first entry of an append, that an ack
	// acknowledges, or that a snapshot is of.
	Index   uint64
	Commit  uint64
	Entries int // that an append carries
	Reject  bool
}

// The numbers of raftpb.Message's fields.
const (
	fieldType     = 1
	fieldTo       = 2
	fieldFrom     = 3
	fieldTerm     = 4
	fieldIndex    = 6
	fieldEntries  = 7
	fieldCommit   = 8
	fieldSnapshot = 9
	fieldReject   = 10
)

var errMalformed = errors.New("malformed Raft message")

// readHead reads the scalar fields of an encoded raftpb.Message of n bytes as
// they come. Entries are counted and skipped, however large.
func readHead(r *bufio.Reader, n int64) (Message, error) {
	var m Message
	left := &limited{r: r, n: n}
	for left.n > 0 {
		tag, err := binary.ReadUvarint(left)
		if err != nil {
			return m, err
		}
		num, typ := protowire.DecodeTag(tag)
		switch typ {
		case protowire.VarintType:
			v, err := binary.ReadUvarint(left)
			if err != nil {
				return m, err
			}
			m.scalar(num, v)
		case protowire.BytesType:
			size, err := binary.ReadUvarint(left)
			if err != nil {
				return m, err
			}
			if size > uint64(left.n) {
				return m, errMalformed
			}
			if err := m.bytes(left, num, int64(size)); err != nil {
				return m, err
			}
		default:
			return m, errMalformed
		}
	}
	return m, nil
}

// limited reads a message and nothing beyond it.
type limited struct {
	r *bufio.Reader
	n int64
}

// ReadByte implements io.ByteReader.
func (l *limited) ReadByte() (byte, error) {
	if l.n <= 0 {
		return 0, errMalformed
	}
	l.n--
	return l.r.ReadByte()
}

// maxSnapshotHead is how large the description of a snapshot may be to be read;
// the database itself follows the message.
const maxSnapshotHead = 1 << 20

func (m *Message) bytes(l *limited, num protowire.Number, size int64) error {
	l.n -= size
	if num == fieldSnapshot && m.Type == raftpb.MsgSnap && size <= maxSnapshotHead {
		b := make([]byte, size)
		if _, err := io.ReadFull(l.r, b); err != nil {
			return err
		}
		m.Index = snapshotIndex(b)
		return nil
	}
	if num == fieldEntries {
		m.Entries++
	}
	_, err := l.r.Discard(int(size))
	return err
}

func (m *Message) scalar(num protowire.Number, v uint64) {
	switch num {
	case fieldType:
		m.Type = raftpb.MessageType(v)
	case fieldTo:
		m.To = v
	case fieldFrom:
		m.From = v
	case fieldTerm:
		m.Term = v
	case fieldIndex:
		m.Index = v
	case fieldCommit:
		m.Commit = v
	case fieldReject:
		m.Reject = v != 0
	}
}

// snapshotIndex is metadata.index of an encoded raftpb.Snapshot; 0 for none.
func snapshotIndex(b []byte) uint64 {
	metadata := field(b, 2)
	for len(metadata) > 0 {
		num, typ, n := protowire.ConsumeTag(metadata)
		if n < 0 {
			return 0
		}
		metadata = metadata[n:]
		if num == 2 && typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(metadata)
			return v
		}
		if n = protowire.ConsumeFieldValue(num, typ, metadata); n < 0 {
			return 0
		}
		metadata = metadata[n:]
	}
	return 0
}

// field is the first value of a length-delimited field; nil for none.
func field(b []byte, want protowire.Number) []byte {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		if num == want && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return nil
			}
			return v
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return nil
		}
		b = b[n:]
	}
	return nil
}
