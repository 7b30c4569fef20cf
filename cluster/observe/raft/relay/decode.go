package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/raft/v3/raftpb"
)

// The paths of server/etcdserver/api/rafthttp: http.go and stream.go.
const (
	pathPipeline = "/raft"
	pathSnapshot = "/raft/snapshot"
	pathMessage  = "/raft/stream/message"
	pathMsgApp   = "/raft/stream/msgapp"
)

// decoder reads along one connection.
type decoder struct {
	relay    *Relay
	wire     *wire
	up, down *feed
}

// run decodes requests until the connection ends; a stream request takes the
// connection for good.
func (d *decoder) run() error {
	requests := bufio.NewReader(d.up)
	for first := true; ; first = false {
		req, err := http.ReadRequest(requests)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fmt.Errorf("read a peer's request: %w", err)
		}
		dir := path.Dir(req.URL.Path)
		if req.Method == http.MethodGet && (dir == pathMessage || dir == pathMsgApp) {
			if !first {
				return errors.New("a stream on a connection that was used before")
			}
			return d.stream(req, dir)
		}
		d.down.stop() // answers to single requests say nothing
		if err := d.request(req); err != nil {
			return err
		}
	}
}

// request reads the message that a request brings, if it brings one.
func (d *decoder) request(req *http.Request) error {
	body := bufio.NewReader(req.Body)
	var err error
	switch {
	case req.Method == http.MethodPost && req.URL.Path == pathPipeline:
		var m Message
		if m, err = readHead(body, req.ContentLength); err == nil {
			d.arrived(m)
		}
	case req.Method == http.MethodPost && req.URL.Path == pathSnapshot:
		var m Message
		if m, err = readSized(body); err == nil {
			d.arrived(m)
		}
	}
	if err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	if ended(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read along %s %s: %w", req.Method, req.URL.Path, err)
	}
	return nil
}

// ended says that the connection ended, which is no confusion.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// stream reads the messages of this member to the peer that opened the stream.
func (d *decoder) stream(req *http.Request, kind string) error {
	d.up.stop()
	resp, err := http.ReadResponse(bufio.NewReader(d.down), req)
	if ended(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the answer to %s: %w", req.URL.Path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	to, errTo := types.IDFromString(path.Base(req.URL.Path))
	from, errFrom := types.IDFromString(strings.TrimSpace(req.Header.Get("X-Raft-To")))
	if err := errors.Join(errTo, errFrom); err != nil {
		return fmt.Errorf("read the members of %s: %w", req.URL.Path, err)
	}
	d.relay.track(d.wire)
	body := bufio.NewReader(resp.Body)
	next := readSized
	if kind == pathMsgApp {
		next = (&appends{from: uint64(from), to: uint64(to)}).next
	}
	for {
		m, err := next(body)
		if ended(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read along %s: %w", req.URL.Path, err)
		}
		d.left(m)
	}
}

// left is a message of this member that was written to the wire.
func (d *decoder) left(m Message) {
	if m.From == 0 {
		return // rafthttp's own sign of life: linkHeartbeatMessage
	}
	m.At = time.Now()
	d.wire.sentNow(m)
	d.relay.cfg.Sink.Message(m)
}

// arrived is a message of the peer.
func (d *decoder) arrived(m Message) {
	if m.From == 0 {
		return
	}
	m.At = time.Now()
	d.relay.cfg.Sink.Message(m)
}

// readSized reads a message as rafthttp's messageEncoder writes it: its length
// in 8 bytes, big endian, and the message.
func readSized(r *bufio.Reader) (Message, error) {
	n, err := readWord(r)
	if err != nil {
		return Message{}, err
	}
	if n > maxMessage {
		return Message{}, fmt.Errorf("a message of %d bytes", n)
	}
	return readHead(r, int64(n))
}

// maxMessage is rafthttp's readBytesLimit.
const maxMessage = 512 << 20

// appends decodes a msgapp stream as rafthttp's msgAppV2Decoder does: entries
// that follow the last ones are sent without the message around them.
type appends struct {
	from, to    uint64
	term, index uint64
}

// The kinds of frames in a msgapp stream: rafthttp/msgappv2_codec.go.
const (
	frameAlive   = 0
	frameEntries = 1
	frameMessage = 2
)

func (a *appends) next(r *bufio.Reader) (Message, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return Message{}, err
	}
	switch kind {
	case frameAlive:
		return Message{}, nil
	case frameEntries:
		return a.entries(r)
	case frameMessage:
		m, err := readSized(r)
		a.term, a.index = m.Term, m.Index+uint64(m.Entries)
		return m, err
	default:
		return Message{}, fmt.Errorf("frame of unknown kind %d", kind)
	}
}

func (a *appends) entries(r *bufio.Reader) (Message, error) {
	m := Message{From: a.from, To: a.to, Type: raftpb.MsgApp, Term: a.term, Index: a.index}
	count, err := readWord(r)
	if err != nil {
		return m, err
	}
	for range count {
		size, err := readWord(r)
		if err != nil {
			return m, err
		}
		if size > maxMessage {
			return m, fmt.Errorf("an entry of %d bytes", size)
		}
		if _, err := r.Discard(int(size)); err != nil {
			return m, err
		}
		m.Entries++
		a.index++
	}
	m.Commit, err = readWord(r)
	return m, err
}

func readWord(r *bufio.Reader) (uint64, error) {
	var word [8]byte
	_, err := io.ReadFull(r, word[:])
	return binary.BigEndian.Uint64(word[:]), err
}
