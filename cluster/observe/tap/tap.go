// Package tap is the way out for what a tap inside a component sees: events as
// lines on the pipe that the node's init gave the component. The init passes
// them on to the supervisor.
//
//	component -> Pipe -> node init -> supervisor -> journal
package tap

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"workbench/cluster/event"
)

// FD is the file descriptor of the pipe in a component; see node.EventsFD.
const FD = 3

// pending bounds events not written yet. The pipe's reader is the node's init,
// which always reads; a full queue means that it is stopped with the node, and
// then a component must not block on being watched.
const pending = 4096

// buffer is how many bytes are written at once in a burst.
const buffer = 64 << 10

// Pipe takes events from any goroutine and never blocks.
type Pipe struct {
	out  chan event.Event
	lost atomic.Int64
}

// Inherited is the pipe that the node's init gave this process. What the process
// starts does not get it: the init would wait for its end too.
func Inherited() *Pipe {
	syscall.CloseOnExec(FD)
	return New(os.NewFile(FD, "events"))
}

// New writes to w from a goroutine that lives as long as the process. A nil or
// closed pipe is no error: the component then runs unobserved.
func New(w *os.File) *Pipe {
	p := &Pipe{out: make(chan event.Event, pending)}
	go p.write(w)
	return p
}

func (p *Pipe) write(to io.Writer) {
	w := bufio.NewWriterSize(to, buffer)
	var line bytes.Buffer // used again: a component must not collect garbage for being watched
	for e := range p.out {
		line.Reset()
		if e.WriteJSON(&line) != nil {
			continue
		}
		line.WriteByte('\n')
		_, _ = w.Write(line.Bytes())
		if len(p.out) == 0 {
			_ = w.Flush() // without a reader the component runs unobserved
		}
	}
}

// Emit sends an event with the time at which it was observed. When the queue
// is full the event is counted in Lost and dropped.
func (p *Pipe) Emit(at time.Time, body event.Body) {
	select {
	case p.out <- event.Event{Time: at, Body: body}:
	default:
		p.lost.Add(1)
	}
}

// Lost is the number of events dropped so far.
func (p *Pipe) Lost() int64 { return p.lost.Load() }
