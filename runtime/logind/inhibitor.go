package logind

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// Inhibitor is who may delay a shutdown, and why.
type Inhibitor struct {
	What, Who, Why, Mode string
	UID                  uint32
	PID                  int32 // in the node
}

func (i Inhibitor) delaysShutdown() bool {
	return i.Mode == "delay" && slices.Contains(strings.Split(i.What, ":"), "shutdown")
}

// lock is an inhibitor that is held: by whoever has the other end of the pipe.
type lock struct {
	Inhibitor
	read *os.File
}

// errGoing is why nobody can begin to delay a shutdown that goes on.
var errGoing = errors.New("the node is shutting down already")

// takeInhibitor notes an inhibitor, and watches it. The end that is returned is
// for its holder; its copy here has to be closed.
func (s *Server) takeInhibitor(i Inhibitor) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l := &lock{Inhibitor: i, read: read}
	if err := s.manager.add(l); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	s.running.Go(func() {
		// Nothing is ever written: this returns when the last copy of the other
		// end is closed, by its holder or by the kernel after its end.
		_, _ = read.Read(make([]byte, 1))
		s.manager.remove(l)
	})
	return write, nil
}
