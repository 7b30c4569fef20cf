package relay

import (
	"errors"
	"io"
	"sync"
)

// feedLimit bounds what a decoder may be behind, in bytes.
const feedLimit = 1 << 20

// errBehind says that a decoder did not keep up with its connection.
var errBehind = errors.New("more is sent than can be read along")

// feed is the copy of one direction of a connection, written by the forwarder,
// which it never blocks, and read by the decoder.
type feed struct {
	mu     sync.Mutex
	some   *sync.Cond
	data   []byte
	closed error // what a reader gets at the end; nil while it goes on
}

func newFeed() *feed {
	f := &feed{}
	f.some = sync.NewCond(&f.mu)
	return f
}

// add appends a copy of p, unless nobody reads any more.
func (f *feed) add(p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed != nil:
		return
	case len(f.data)+len(p) > feedLimit:
		f.data, f.closed = nil, errBehind
	default:
		f.data = append(f.data, p...)
	}
	f.some.Signal()
}

// Read implements io.Reader.
func (f *feed) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.data) == 0 && f.closed == nil {
		f.some.Wait()
	}
	n := copy(p, f.data)
	if f.data = f.data[n:]; len(f.data) == 0 {
		f.data = nil
	}
	if n > 0 {
		return n, nil
	}
	return 0, f.closed
}

// end says that no more comes.
func (f *feed) end() { f.finish(io.EOF, false) }

// stop says that nobody reads any more.
func (f *feed) stop() { f.finish(io.ErrClosedPipe, true) }

func (f *feed) finish(err error, drop bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if drop {
		f.data = nil
	}
	if f.closed == nil {
		f.closed = err
	}
	f.some.Broadcast()
}
