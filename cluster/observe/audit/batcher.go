package audit

import (
	"cmp"
	"maps"
	"slices"

	"workbench/cluster/event"
)

// batcher gathers what the next event tells.
type batcher struct {
	event  event.KubeRequests
	reads  map[readKey]*event.KubeReads
	urgent bool
}

type readKey struct{ user, agent, verb, group, resource string }

func newBatcher(node string) *batcher {
	return &batcher{event: event.KubeRequests{Node: node}, reads: map[readKey]*event.KubeReads{}}
}

// maxReads bounds the kinds of reads that one event counts.
const maxReads = 256

func (b *batcher) add(s seen) {
	switch {
	case s.started:
		b.event.Opened = append(b.event.Opened, event.KubeWatch{
			ID: s.ID, User: s.acting(), Agent: s.Agent, Source: s.Source, Group: s.Group, Resource: s.Resource,
			Namespace: s.Namespace, Name: s.Name, Since: s.Received,
		})
	case s.Verb == "watch":
		b.end(s.ID)
		s.Latency = 0 // it is as long as somebody watched
		b.count(s)
	case !writes(s.Verb) || !stored(s.Resource, s.Subresource) && s.Subresource == "" || s.Subresource == "token":
		b.count(s)
	default:
		s.read()
		b.event.Requests = append(b.event.Requests, s.KubeRequest)
		b.urgent = b.urgent || !beat(&s.KubeRequest)
	}
}

// full says whether the event should go now: it must stay a short line.
func (b *batcher) full() bool {
	return len(b.event.Requests) >= batch || len(b.event.Opened)+len(b.event.Ended) >= 4*batch
}

// end tells that a watch ended, or nothing of one that nobody was told of.
func (b *batcher) end(id string) {
	if i := slices.IndexFunc(b.event.Opened, func(w event.KubeWatch) bool { return w.ID == id }); i >= 0 {
		b.event.Opened = slices.Delete(b.event.Opened, i, i+1)
		return
	}
	b.event.Ended = append(b.event.Ended, id)
}

func (s *seen) acting() string { return cmp.Or(s.As, s.User) }

// beat says whether a write is one of those that come all the time: leases,
// and the workbench's own probe.
func beat(r *event.KubeRequest) bool {
	return r.Code < 400 && (r.Resource == "leases" || r.Namespace == "workbench-system" && r.Name == "workbench-pulse")
}

func (b *batcher) count(s seen) {
	key := readKey{s.acting(), s.Agent, s.Verb, s.Group, s.Resource}
	c := b.reads[key]
	if c == nil {
		if len(b.reads) >= maxReads {
			key = readKey{user: "others", verb: s.Verb}
			c = b.reads[key]
		}
		if c == nil {
			c = &event.KubeReads{User: key.user, Agent: key.agent, Verb: key.verb, Group: key.group, Resource: key.resource}
			b.reads[key] = c
		}
	}
	c.Count++
	c.Latency += s.Latency
	if s.Code >= 400 {
		c.Failed++
	}
}

// take gives what was gathered, and begins anew; false for nothing.
func (b *batcher) take(dropped int64) (event.KubeRequests, bool) {
	out := b.event
	out.Dropped = dropped
	for _, key := range slices.SortedFunc(maps.Keys(b.reads), readKey.compare) {
		out.Reads = append(out.Reads, *b.reads[key])
	}
	b.event, b.urgent = event.KubeRequests{Node: out.Node}, false
	clear(b.reads)
	return out, len(out.Requests)+len(out.Reads)+len(out.Opened)+len(out.Ended) > 0 || dropped > 0
}

func (k readKey) compare(o readKey) int {
	return cmp.Or(cmp.Compare(k.user, o.user), cmp.Compare(k.agent, o.agent), cmp.Compare(k.verb, o.verb),
		cmp.Compare(k.group, o.group), cmp.Compare(k.resource, o.resource))
}
