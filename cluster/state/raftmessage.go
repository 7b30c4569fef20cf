package state

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// RaftPair is what one member sends to another.
type RaftPair struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Marks are the last messages in order of arrival, at most MaxRaftMarks.
	Marks []RaftMark `json:"marks,omitempty"`
	// Heard is when the last message was sent that is not known to be lost or
	// on its way.
	Heard time.Time `json:"heard,omitzero"`
	// Waiting is how many messages the receiver's TCP has not acknowledged.
	Waiting int `json:"waiting,omitempty"`
	// Dropped is how many messages etcd gave up on in all.
	Dropped int `json:"dropped,omitempty"`
}

// RaftMark is one message.
type RaftMark struct {
	At   int64          `json:"t"` // microseconds of Unix time
	Kind event.RaftKind `json:"k"`
	Lost bool           `json:"x,omitempty"`
}

// RaftDropped is the kind of a mark for messages that etcd gave up on: it
// counts them and does not say of what kind they were.
const RaftDropped event.RaftKind = "dropped"

// PairKey is the key of a pair in Raft.Pairs.
func PairKey(from, to string) string { return from + ">" + to }

// Pair is what is known of the messages from one member to another; nil for nothing.
func (r *Raft) Pair(from, to string) *RaftPair { return r.Pairs[PairKey(from, to)] }

func (r *Raft) pair(from, to string) *RaftPair {
	key := PairKey(from, to)
	p := r.Pairs[key]
	if p == nil {
		if r.Pairs == nil {
			r.Pairs = map[string]*RaftPair{}
		}
		p = &RaftPair{From: from, To: to}
		r.Pairs[key] = p
	}
	return p
}

func (r *Raft) applyMessages(at time.Time, b event.RaftMessages) {
	for key, p := range r.Pairs {
		if strings.HasPrefix(key, b.Node+">") {
			p.Waiting = 0
		}
	}
	for to, n := range b.Waiting {
		r.pair(b.Node, to).Waiting = n
	}
	touched := map[*RaftPair]int{} // marks before this event
	for _, l := range b.Lanes {
		p := r.pair(l.From, l.To)
		if _, ok := touched[p]; !ok {
			touched[p] = len(p.Marks)
		}
		for _, ago := range l.At {
			sent := at.Add(-time.Duration(ago) * time.Microsecond)
			p.Marks = append(p.Marks, RaftMark{At: sent.UnixMicro(), Kind: l.Kind, Lost: l.Lost})
			if !l.Lost && p.Waiting == 0 && sent.After(p.Heard) {
				p.Heard = sent
			}
		}
	}
	for p, from := range touched {
		slices.SortStableFunc(p.Marks[from:], func(a, b RaftMark) int { return int(a.At - b.At) })
		p.Marks = bounded(p.Marks, MaxRaftMarks)
	}
	for to, n := range b.Dropped {
		p := r.pair(b.Node, to)
		p.Dropped += n
		p.Marks = bounded(append(p.Marks, RaftMark{At: at.UnixMicro(), Kind: RaftDropped, Lost: true}), MaxRaftMarks)
	}
}
