package relay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// heard is a sink for tests.
type heard struct {
	mu       sync.Mutex
	messages []Message
	blind    []error
}

func (h *heard) Message(m Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, m)
}
func (h *heard) Lost(Message) {}
func (h *heard) Blind(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blind = append(h.blind, err)
}

func encode(t testing.TB, m *raftpb.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func entriesFrom(index uint64, sizes ...int) []*raftpb.Entry {
	var out []*raftpb.Entry
	for i, size := range sizes {
		out = append(out, &raftpb.Entry{Term: proto.Uint64(3), Index: proto.Uint64(index + uint64(i)), Data: bytes.Repeat([]byte{7}, size)})
	}
	return out
}

func TestHeadOfAMessage(t *testing.T) {
	m := &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), From: proto.Uint64(1 << 63), To: proto.Uint64(2), Term: proto.Uint64(3), LogTerm: proto.Uint64(2),
		Index: proto.Uint64(40), Commit: proto.Uint64(39), Entries: entriesFrom(41, 10, 0, 300_000), Reject: proto.Bool(true), Context: []byte("x"),
	}
	b := encode(t, m)
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(b), strings.NewReader("rest")))
	got, err := readHead(r, int64(len(b)))
	want := Message{Type: raftpb.MsgApp, From: 1 << 63, To: 2, Term: 3, Index: 40, Commit: 39, Entries: 3, Reject: true}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("%d bytes follow, want the rest", len(rest))
	}
	snap := &raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: proto.Uint64(1), To: proto.Uint64(2), Snapshot: &raftpb.Snapshot{
		Data: []byte("members"), Metadata: &raftpb.SnapshotMetadata{ConfState: &raftpb.ConfState{Voters: []uint64{1, 2}}, Index: proto.Uint64(77), Term: proto.Uint64(2)},
	}}
	b = encode(t, snap)
	if got, err := readHead(bufio.NewReader(bytes.NewReader(b)), int64(len(b))); err != nil || got.Index != 77 {
		t.Errorf("a snapshot's head is %+v, %v", got, err)
	}
}

func word(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// TestAppendsFollowTheirIndexes decodes what rafthttp's msgAppV2Encoder writes.
func TestAppendsFollowTheirIndexes(t *testing.T) {
	first := encode(t, &raftpb.Message{Type: raftpb.MsgApp.Enum(), From: proto.Uint64(1), To: proto.Uint64(2), Term: proto.Uint64(3), LogTerm: proto.Uint64(3), Index: proto.Uint64(10), Entries: entriesFrom(11, 5)})
	var b []byte
	b = append(b, frameAlive)
	b = append(append(append(b, frameMessage), word(uint64(len(first)))...), first...)
	b = append(append(b, frameEntries), word(2)...)
	for _, e := range entriesFrom(12, 70_000, 3) {
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, word(uint64(len(data)))...), data...)
	}
	b = append(b, word(11)...)
	b = append(append(append(b, frameEntries), word(0)...), word(13)...)
	b = append(b, 9)
	a, r := appends{from: 1, to: 2}, bufio.NewReader(bytes.NewReader(b))
	var got []string
	for {
		m, err := a.next(r)
		if err != nil {
			got = append(got, err.Error())
			break
		}
		got = append(got, fmt.Sprintf("%d>%d term %d after %d: %d, commit %d", m.From, m.To, m.Term, m.Index, m.Entries, m.Commit))
	}
	want := []string{
		"0>0 term 0 after 0: 0, commit 0",
		"1>2 term 3 after 10: 1, commit 0",
		"1>2 term 3 after 11: 2, commit 11",
		"1>2 term 3 after 13: 0, commit 13",
		"frame of unknown kind 9",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// play runs the decoder over both directions of a connection.
func play(up, down []byte) *heard {
	h := &heard{}
	r := &Relay{cfg: Config{Sink: h}, conns: map[*wire]struct{}{}}
	u, d := newFeed(), newFeed()
	u.add(up)
	d.add(down)
	u.end()
	d.end()
	r.decode(&wire{}, u, d)
	return h
}

func TestConnections(t *testing.T) {
	vote := encode(t, &raftpb.Message{Type: raftpb.MsgVote.Enum(), From: proto.Uint64(0xa), To: proto.Uint64(0xb), Term: proto.Uint64(4)})
	alive := encode(t, &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: proto.Uint64(0), To: proto.Uint64(0)})
	post := fmt.Sprintf("POST /raft HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(vote), vote)
	open := "GET /raft/stream/message/b HTTP/1.1\r\nHost: x\r\nX-Raft-To: a\r\n\r\n"
	frames := append(append(append(word(uint64(len(alive))), alive...), word(uint64(len(vote)))...), vote...)
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 5, frames[:5], len(frames)-5, frames[5:])
	for name, c := range map[string]struct {
		up, down string
		messages int
		blind    bool
	}{
		"two requests of the pipeline":   {post + post, "HTTP/1.1 204 No Content\r\n\r\n", 2, false},
		"a stream in odd chunks":         {open, answer, 1, false},
		"a stream that breaks off":       {open, answer[:len(answer)-40], 0, false},
		"a stream that is refused":       {open, "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n", 0, false},
		"another endpoint":               {"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" + post, "HTTP/1.1 200 OK\r\n\r\n", 1, false},
		"a stream after another request": {post + open, answer, 1, true},
		"no HTTP":                        {"\x00\x01\x02 something\r\n\r\n", "", 0, true},
		"a request that breaks off":      {post[:len(post)-3], "", 0, false},
		"nothing":                        {"", "", 0, false},
		"garbage in a stream":            {open, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\xff\xff\xff\xff\xff\xff\xff\xff\r\n0\r\n\r\n", 0, true},
	} {
		h := play([]byte(c.up), []byte(c.down))
		if len(h.messages) != c.messages || (len(h.blind) > 0) != c.blind {
			t.Errorf("%s: %d messages, blind %v; want %d, %t", name, len(h.messages), h.blind, c.messages, c.blind)
		}
		for _, m := range h.messages {
			if m.Type != raftpb.MsgVote || m.From != 0xa || m.To != 0xb || m.Term != 4 || m.At.IsZero() {
				t.Errorf("%s: %+v", name, m)
			}
		}
	}
}

// TestFeedNeverBlocks holds that a decoder that does not read costs no more
// than the bound, and knows that it missed something.
func TestFeedNeverBlocks(t *testing.T) {
	f := newFeed()
	for range 2 * feedLimit / 1000 {
		f.add(make([]byte, 1000))
	}
	if _, err := f.Read(make([]byte, 10)); !errors.Is(err, errBehind) {
		t.Errorf("read gives %v, want %v", err, errBehind)
	}
	f = newFeed()
	f.stop()
	f.add([]byte("more"))
	if n, err := f.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("a stopped feed gives %d, %v", n, err)
	}
}

// TestWireTellsWhatWasLost holds that messages are lost by their position.
func TestWireTellsWhatWasLost(t *testing.T) {
	w := &wire{}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 4 {
		w.written.Add(10)
		w.sentNow(Message{To: 2, Index: uint64(i), At: at.Add(time.Duration(i) * time.Second)})
	}
	w.gone, w.ended = 20, true
	lost := w.unsent()
	if len(lost) != 2 || lost[0].Index != 2 || lost[1].Index != 3 {
		t.Errorf("lost are %+v, want the last two", lost)
	}
	if again := w.unsent(); len(again) != 0 {
		t.Errorf("lost twice: %+v", again)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("POST /raft HTTP/1.1\r\nContent-Length: 2\r\n\r\n\x08\x05"), []byte(""))
	f.Add([]byte("GET /raft/stream/msgapp/b HTTP/1.1\r\nX-Raft-To: a\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\x00\r\n0\r\n\r\n"))
	f.Add([]byte("GET /raft/stream/message/b HTTP/1.1\r\nX-Raft-To: a\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\n\x00\x00\x00\x00\x00\x00\x00\x02\x08\x08"))
	f.Fuzz(func(t *testing.T, up, down []byte) {
		h := play(up, down)
		for _, err := range h.blind {
			if strings.HasPrefix(err.Error(), "decode a peer connection") {
				t.Fatal(err) // it was saved from a panic
			}
		}
	})
}

var _ Sink = (*heard)(nil)
