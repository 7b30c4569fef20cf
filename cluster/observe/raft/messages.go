package raft

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/raft/v3/raftpb"

	"workbench/cluster/event"
	"workbench/cluster/observe/raft/relay"
)

// The pace of reports: the usual one, and after a message about an election.
const (
	messagesEvery = 500 * time.Millisecond
	electionAfter = 20 * time.Millisecond
)

// maxLane bounds how many messages of a lane are reported one by one.
const maxLane = 64

// Messages gathers what a relay sees and reports it in batches.
type Messages struct {
	tap    *Tap
	urgent chan struct{}

	mu    sync.Mutex
	lanes map[laneKey]*lane
	blind int
	drops map[string]float64 // by member ID, as last read
}

// laneKey is what the messages of a lane have in common.
type laneKey struct {
	from, to uint64
	kind     event.RaftKind
	term     uint64
	lost     bool
}

type lane struct {
	at      []time.Time
	more    int
	entries int
	index   uint64
}

// NewMessages reports to the tap's pipe.
func NewMessages(tap *Tap) *Messages {
	return &Messages{tap: tap, urgent: make(chan struct{}, 1), lanes: map[laneKey]*lane{}, drops: map[string]float64{}}
}

// Message implements relay.Sink.
func (m *Messages) Message(msg relay.Message) { m.add(msg, false) }

// Lost implements relay.Sink.
func (m *Messages) Lost(msg relay.Message) { m.add(msg, true) }

// Blind implements relay.Sink.
func (m *Messages) Blind(err error) {
	m.mu.Lock()
	m.blind++
	m.mu.Unlock()
	m.tap.warn("read along a peer connection", err)
}

func (m *Messages) add(msg relay.Message, lost bool) {
	key := laneKey{msg.From, msg.To, kindOf(msg), msg.Term, lost}
	m.mu.Lock()
	l := m.lanes[key]
	if l == nil {
		l = &lane{}
		m.lanes[key] = l
	}
	if len(l.at) < maxLane {
		l.at = append(l.at, msg.At)
	} else {
		l.more++
	}
	if msg.Type == raftpb.MsgApp {
		l.entries += msg.Entries
		l.index = max(l.index, msg.Index+uint64(msg.Entries))
	} else if msg.Type == raftpb.MsgAppResp || msg.Type == raftpb.MsgSnap {
		l.index = max(l.index, msg.Index)
	}
	m.mu.Unlock()
	if key.kind.Election() {
		select {
		case m.urgent <- struct{}{}:
		default:
		}
	}
}

// Run reports until ctx ends.
func (m *Messages) Run(ctx context.Context, r *relay.Relay) {
	tick := time.NewTicker(messagesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-m.urgent:
			select {
			case <-time.After(electionAfter):
			case <-ctx.Done():
			}
		case <-ctx.Done():
			return
		}
		m.report(time.Now(), r)
	}
}

func (m *Messages) report(now time.Time, r *relay.Relay) {
	waiting := r.Check(now)
	m.mu.Lock()
	lanes, blind := m.lanes, m.blind
	m.lanes = make(map[laneKey]*lane, len(lanes))
	m.mu.Unlock()
	e := event.RaftMessages{Node: m.tap.node, Dropped: m.dropped(), Blind: blind}
	for id, n := range waiting {
		if e.Waiting == nil {
			e.Waiting = map[string]int{}
		}
		e.Waiting[m.tap.member(id)] = n
	}
	for key, l := range lanes {
		one := event.RaftLane{
			From: m.tap.member(key.from), To: m.tap.member(key.to), Kind: key.kind, Term: key.term,
			More: l.more, Entries: l.entries, Index: l.index, Lost: key.lost,
		}
		slices.SortFunc(l.at, time.Time.Compare)
		for _, at := range l.at {
			one.At = append(one.At, max(now.Sub(at).Microseconds(), 0))
		}
		e.Lanes = append(e.Lanes, one)
	}
	if len(e.Lanes) == 0 && len(e.Dropped) == 0 && len(e.Waiting) == 0 {
		return
	}
	slices.SortFunc(e.Lanes, func(a, b event.RaftLane) int {
		return cmp.Or(cmp.Compare(b.At[0], a.At[0]), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
	})
	m.tap.out.Emit(now, e)
}

// dropped is how many messages to each peer etcd gave up on since the last call.
func (m *Messages) dropped() map[string]int {
	out := map[string]int{}
	for id, total := range sendFailures() {
		if n := int(total - m.drops[id]); n > 0 {
			out[m.tap.name(id)] = n
		}
		m.drops[id] = total
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// kindOf names a message.
func kindOf(m relay.Message) event.RaftKind {
	kind, ok := kinds[m.Type]
	switch {
	case !ok:
		return event.RaftOther
	case m.Reject && m.Type == raftpb.MsgAppResp:
		return event.RaftAckRefused
	case m.Reject && m.Type == raftpb.MsgPreVoteResp:
		return event.RaftPreVoteRefused
	case m.Reject && m.Type == raftpb.MsgVoteResp:
		return event.RaftVoteRefused
	}
	return kind
}

var kinds = map[raftpb.MessageType]event.RaftKind{
	raftpb.MsgProp:          event.RaftPropose,
	raftpb.MsgApp:           event.RaftAppend,
	raftpb.MsgAppResp:       event.RaftAck,
	raftpb.MsgVote:          event.RaftVote,
	raftpb.MsgVoteResp:      event.RaftVoteGranted,
	raftpb.MsgPreVote:       event.RaftPreVote,
	raftpb.MsgPreVoteResp:   event.RaftPreVoteGranted,
	raftpb.MsgSnap:          event.RaftSnapshot,
	raftpb.MsgHeartbeat:     event.RaftHeartbeat,
	raftpb.MsgHeartbeatResp: event.RaftHeartbeatAck,
	raftpb.MsgTimeoutNow:    event.RaftTimeoutNow,
	raftpb.MsgReadIndex:     event.RaftReadIndex,
	raftpb.MsgReadIndexResp: event.RaftReadIndexResp,
}

// memberName is a member ID as etcdctl prints it.
func memberName(id uint64) string { return types.ID(id).String() }
