package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Version is the version of the format that this build writes, and the newest
// that it reads.
const Version = 1

// format names the format in the header.
const format = "workbench recording"

// Header says what a recording is of.
type Header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Lab     string    `json:"lab"`
	Created time.Time `json:"created"`
	// Builds are the versions of the workbench and of what the lab ran.
	Builds map[string]string `json:"builds,omitempty"`
	// Statement says for people what is not in the file.
	Statement string `json:"statement"`
}

// statement is what a recording says of itself.
const statement = "Events of a lab: names, states, times and messages of its components and objects. No contents of Secrets, no keys, no credentials."

// frameInfo is the payload of chunk E.
type frameInfo struct {
	First  uint64    `json:"first"` // numbers of the frame's events
	Last   uint64    `json:"last"`
	Events int       `json:"events"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Bytes  int64     `json:"bytes"` // of the frame, compressed
	CRC    uint32    `json:"crc32c"`
}

// endInfo is the payload of chunk Z.
type endInfo struct {
	Events uint64 `json:"events"`
	// Why is "" for an end that was asked for.
	Why string `json:"why,omitempty"`
}

// The letters of chunks.
const (
	chunkHeader = 'H'
	chunkWorld  = 'W'
	chunkEvents = 'E'
	chunkEnd    = 'Z'
)

const (
	magic      = 0x184D2A57
	chunkExtra = 4 + 4 + 1 + 4 // magic, size, letter, checksum
	// maxChunk bounds what a damaged size makes us read.
	maxChunk = 64 << 20
)

func castagnoli(parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := uint32(0)
	for _, p := range parts {
		sum = crc32.Update(sum, table, p)
	}
	return sum
}

// chunk is a skippable frame.
func chunk(letter byte, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+chunkExtra)
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)+5))
	b = append(append(b, letter), payload...)
	return binary.LittleEndian.AppendUint32(b, castagnoli(b[8:]))
}

// errCut says that a file ends in the middle of something.
var errCut = errors.New("the file ends in the middle of it")

// readChunk reads a chunk at an offset and gives the offset behind it. At the end
// of the file it gives io.EOF.
func readChunk(r io.ReaderAt, at, size int64) (letter byte, payload []byte, next int64, err error) {
	if at == size {
		return 0, nil, at, io.EOF
	}
	var head [9]byte
	if size-at < int64(len(head)) {
		return 0, nil, at, errCut
	}
	if _, err := r.ReadAt(head[:], at); err != nil {
		return 0, nil, at, err
	}
	n := int64(binary.LittleEndian.Uint32(head[4:]))
	switch {
	case binary.LittleEndian.Uint32(head[:]) != magic:
		return 0, nil, at, errors.New("no chunk begins where one should")
	case n < 5 || n > maxChunk:
		return 0, nil, at, fmt.Errorf("a chunk says that it has %d bytes", n)
	case at+8+n > size:
		return 0, nil, at, errCut
	}
	body := make([]byte, n)
	if _, err := r.ReadAt(body, at+8); err != nil {
		return 0, nil, at, err
	}
	if castagnoli(body[:n-4]) != binary.LittleEndian.Uint32(body[n-4:]) {
		return 0, nil, at, fmt.Errorf("the checksum of chunk %q is wrong", body[0])
	}
	return body[0], body[1 : n-4], at + 8 + n, nil
}
