package userspace

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// chunk is the largest datagram, and how much of a stream is read at once.
const chunk = 64 << 10

// chunks are buffers for what has arrived: a connection over which nothing goes
// holds none.
var chunks = sync.Pool{New: func() any { b := make([]byte, chunk); return &b }}

// receive waits until something has arrived at a socket, and takes it. The
// buffer goes back to chunks.
func receive(raw syscall.RawConn) (buffer *[]byte, n int, err error) {
	waiting := raw.Read(func(fd uintptr) bool {
		b := chunks.Get().(*[]byte)
		for {
			if n, err = unix.Read(int(fd), *b); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err == nil {
			buffer = b
			return true
		}
		chunks.Put(b)
		return !errors.Is(err, unix.EAGAIN)
	})
	if waiting != nil {
		return nil, 0, waiting
	}
	return buffer, n, err
}

// plain is an address without the form that IPv6 sockets give it.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
