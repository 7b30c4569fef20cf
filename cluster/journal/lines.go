package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// errTorn is the end of a file in the middle of a line.
var errTorn = fmt.Errorf("the last line is incomplete: %w", io.ErrUnexpectedEOF)

// lines reads lines of bounded length.
type lines struct {
	r      *bufio.Reader
	long   []byte
	number int   // of the last line read, from 1
	bytes  int64 // read so far, complete lines only
}

// next gives a line without its end; it is valid until the next call. At the
// end it gives io.EOF, or errTorn when the last line has no end.
func (l *lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) && len(l.long) <= MaxEventBytes {
			line, err = l.r.ReadSlice('\n')
			l.long = append(l.long, line...)
		}
		if line = l.long; len(line) > MaxEventBytes+1 || errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("line %d is longer than %d bytes", l.number+1, MaxEventBytes)
		}
	}
	switch {
	case err == nil:
		l.number++
		l.bytes += int64(len(line))
		return line[:len(line)-1], nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, errTorn
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	}
	return nil, fmt.Errorf("after line %d: %w", l.number, err)
}
