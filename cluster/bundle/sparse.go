package bundle

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// wholeSize is the PAX record of a file with holes: its size in bytes. The entry's
// content is then that of the file's extents, each behind its offset and length.
const wholeSize = "WORKBENCH.size"

// extent is a part of a file that is no hole.
type extent struct{ at, length int64 }

// extentHead is the size of an extent's offset and length, in bytes.
const extentHead = 16

// extents are the parts of a file that are no holes.
func extents(in *os.File, size int64) ([]extent, error) {
	var all []extent
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return all, nil // a hole to the end
		}
		if err != nil {
			return nil, fmt.Errorf("find what is written of %s: %w", in.Name(), err)
		}
		end, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return nil, fmt.Errorf("find what is written of %s: %w", in.Name(), err)
		}
		all = append(all, extent{data, min(end, size) - data})
		at = end
	}
	return all, nil
}

// sparse makes the entry of a file that of its extents. Its content is read from
// what is returned.
func sparse(h *tar.Header, in *os.File) (io.Reader, error) {
	all, err := extents(in, h.Size)
	if err != nil {
		return nil, err
	}
	if h.PAXRecords == nil {
		h.PAXRecords = map[string]string{}
	}
	h.PAXRecords[wholeSize] = strconv.FormatInt(h.Size, 10)
	h.Size = 0
	var parts []io.Reader
	for _, e := range all {
		head := binary.LittleEndian.AppendUint64(nil, uint64(e.at))
		head = binary.LittleEndian.AppendUint64(head, uint64(e.length))
		parts = append(parts, bytes.NewReader(head), io.NewSectionReader(in, e.at, e.length))
		h.Size += extentHead + e.length
	}
	return io.MultiReader(parts...), nil
}

// writeSparse writes a file of a whole size from its extents.
func writeSparse(to string, content io.Reader, whole string) (err error) {
	size, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("its size is %q", whole)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Truncate(size); err != nil {
		return err
	}
	var head [extentHead]byte
	for {
		switch _, err := io.ReadFull(content, head[:]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		at, length := int64(binary.LittleEndian.Uint64(head[:])), int64(binary.LittleEndian.Uint64(head[8:]))
		if at < 0 || length < 0 || at > size || length > size-at {
			return fmt.Errorf("a part of %d bytes at %d, of %d", length, at, size)
		}
		if _, err := io.CopyN(io.NewOffsetWriter(out, at), content, length); err != nil {
			return err
		}
	}
}
