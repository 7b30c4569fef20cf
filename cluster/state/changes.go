package state

import (
	"slices"
	"sort"
	"time"

	"workbench/cluster/event"
)

// Bounds of what a world keeps of changes. The oldest go first.
const (
	MaxChanges     = 2000
	MaxChangeBytes = 640 << 10 // of changes as JSON, roughly
	MaxAside       = 200       // writes that changed nothing
	maxPending     = 256       // writes whose change has not come yet
	maxBeats       = 512       // objects that renew a time
	maxReads       = 256
	maxGaps        = 16
	rateSpan       = 60 // seconds
)

// joinWithin is how long a write waits for its change, or a change for its
// write: what comes later is not told apart from another.
const joinWithin = 10 * time.Second

// Changes is what is known of the changes of all objects, as etcd committed
// them, and of who asked for them.
type Changes struct {
	// List is in the order of revisions, oldest first, without heartbeats.
	List []ObjectChange `json:"list,omitempty"`
	// Revision is the newest one seen, heartbeats included.
	Revision int64 `json:"revision,omitempty"`
	// Total counts all changes of this run, Heartbeats those of them that only
	// renewed a time.
	Total      int64 `json:"total,omitempty"`
	Heartbeats int64 `json:"heartbeats,omitempty"`
	// Beats are the objects that renew a time, by resource/namespace/name.
	Beats map[string]*Beat `json:"beats,omitempty"`
	// Gaps are revisions that were missed.
	Gaps []Gap `json:"gaps,omitempty"`
	// Aside are writes that changed nothing, oldest first: refused ones, and
	// those that asked for what was so already.
	Aside []Request `json:"aside,omitempty"`
	// Pending are writes whose change has not come yet.
	Pending []Request `json:"pending,omitempty"`
	// Reads count requests that read, by user, agent, verb and resource.
	Reads map[string]*ReadCount `json:"reads,omitempty"`
	// Watches that are open, by audit ID.
	Watches map[string]Watch `json:"watches,omitempty"`
	// Lag of each API server behind etcd, by node.
	Lag map[string]Lag `json:"lag,omitempty"`
	// Rate are the changes of the last minute by second, heartbeats left out.
	Rate []Second `json:"rate,omitempty"`
	// Dropped counts requests that audit sinks had no room for.
	Dropped int64 `json:"dropped,omitempty"`
	// Bytes of List as JSON, roughly.
	Bytes int `json:"bytes,omitempty"`
}

// ObjectChange is one change and what is known of its origin.
type ObjectChange struct {
	event.KubeChange
	At time.Time `json:"at"`
	// By is the request that made it; nil while, and where, none is known.
	By *Writer `json:"by,omitempty"`
	// Base is the revision that Fields are different from: Previous, or an older
	// one where heartbeats lie between, which are Folded in number.
	Base   int64 `json:"base,omitempty"`
	Folded int   `json:"folded,omitempty"`
	// Cause is the revision of the change that this one answers to, 0 where none
	// is known: the newest one before it of an object that Link ties it to.
	Cause int64 `json:"cause,omitempty"`
	Link  Link  `json:"link,omitempty"`
	// Silent is the lease whose silence it is likely the answer to; nil for none.
	Silent *Silence `json:"silent,omitempty"`
}

// Link says what ties a change to its cause.
type Link string

// The links. All but LinkTime are by UID.
const (
	LinkSelf  Link = "self"  // the same object
	LinkOwner Link = "owner" // its ownerReference
	LinkOwned Link = "owned" // an object that it owns
	LinkRef   Link = "ref"   // a targetRef or involvedObject
	LinkTime  Link = "time"  // inferred: it happened just before, on the same node or in the same namespace
)

// Writer is the request that made a change.
type Writer struct {
	ID          string        `json:"id"`
	Node        string        `json:"node"` // of the API server
	Verb        string        `json:"verb"`
	Subresource string        `json:"sub,omitempty"`
	User        string        `json:"user"`
	As          string        `json:"as,omitempty"`
	Agent       string        `json:"agent,omitempty"`
	Source      string        `json:"source,omitempty"`
	Code        int32         `json:"code"`
	Latency     time.Duration `json:"latency"`
}

// Request is a write and the API server that it was asked of.
type Request struct {
	event.KubeRequest
	Node string    `json:"node"`
	At   time.Time `json:"at"` // when it was told
}

// Beat is an object that renews a time.
type Beat struct {
	UID      string    `json:"uid,omitempty"`
	Revision int64     `json:"revision"`
	Base     int64     `json:"base"` // what the first of this run of heartbeats replaced
	Run      int       `json:"run"`  // heartbeats since the last other change
	Count    int64     `json:"count"`
	At       time.Time `json:"at"`
	User     string    `json:"user,omitempty"`
}

// Gap is revisions that were missed.
type Gap struct {
	event.KubeGap
	At time.Time `json:"at"`
}

// ReadCount counts like requests that read.
type ReadCount struct {
	event.KubeReads
	At time.Time `json:"at"`
}

// Watch is an open watch and its API server.
type Watch struct {
	event.KubeWatch
	Node string `json:"node"`
}

// Lag is how far an API server is behind.
type Lag struct {
	event.KubeLag
	At time.Time `json:"at"`
}

// Second counts the changes of one second.
type Second struct {
	At int64 `json:"at"` // Unix time
	N  int   `json:"n"`
}

func (c *Changes) apply(at time.Time, body event.Body, kube *Kube) {
	switch b := body.(type) {
	case event.KubeChange:
		c.change(at, b, kube)
	case event.KubeGap:
		c.Gaps = bounded(append(c.Gaps, Gap{KubeGap: b, At: at}), maxGaps)
		c.Revision = max(c.Revision, b.To)
	case event.KubeRequests:
		c.requests(at, b)
	case event.KubeLag:
		c.Lag[b.Node] = Lag{KubeLag: b, At: at}
	}
}

func (c *Changes) change(at time.Time, b event.KubeChange, kube *Kube) {
	c.Total++
	c.Revision = max(c.Revision, b.Revision)
	key := beatKey(b.Resource, b.Namespace, b.Name)
	beat := c.Beats[key]
	if b.Heartbeat {
		c.Heartbeats++
		c.beat(at, key, beat, b)
		return
	}
	one := ObjectChange{KubeChange: b, At: at, Base: b.Previous}
	if beat != nil && beat.Revision == b.Previous {
		one.Base, one.Folded = beat.Base, beat.Run
		beat.Run = 0
	}
	if b.Verb == event.ChangeDelete {
		delete(c.Beats, key)
	}
	c.rate(at)
	c.explain(&one, kube)
	c.claim(&one)
	c.List = append(c.List, one)
	c.Bytes += one.size()
	c.trim()
}

func beatKey(resource, namespace, name string) string {
	return resource + "/" + namespace + "/" + name
}

func (c *Changes) beat(at time.Time, key string, beat *Beat, b event.KubeChange) {
	if beat == nil {
		if len(c.Beats) >= maxBeats {
			dropOldest(c.Beats, func(b *Beat) time.Time { return b.At })
		}
		beat = &Beat{}
		c.Beats[key] = beat
	}
	if beat.Run == 0 || beat.Revision != b.Previous {
		beat.Base, beat.Run = b.Previous, 0
	}
	beat.UID, beat.Revision, beat.At = b.UID, b.Revision, at
	beat.Run++
	beat.Count++
	for i, r := range c.Pending {
		if r.made(b.UID, b.Revision, false) {
			beat.User = r.acting()
			c.Pending = slices.Delete(c.Pending, i, i+1)
			return
		}
	}
}

// dropOldest forgets what was silent for longest; of several, the first by key.
func dropOldest[V any](all map[string]V, at func(V) time.Time) {
	oldest, since := "", time.Time{}
	for key, v := range all {
		if t := at(v); oldest == "" || t.Before(since) || t.Equal(since) && key < oldest {
			oldest, since = key, t
		}
	}
	delete(all, oldest)
}

func (c *Changes) rate(at time.Time) {
	sec := at.Unix()
	if n := len(c.Rate); n > 0 && c.Rate[n-1].At >= sec {
		c.Rate[n-1].N++
		return
	}
	c.Rate = append(c.Rate, Second{At: sec, N: 1})
	if n := len(c.Rate); n > rateSpan {
		c.Rate = slices.Clone(c.Rate[n-rateSpan:])
	}
}

// PerMinute is how many changes there were in the minute before now,
// heartbeats left out.
func (c *Changes) PerMinute(now time.Time) int {
	sum := 0
	for _, s := range c.Rate {
		if s.At > now.Unix()-rateSpan && s.At <= now.Unix() {
			sum += s.N
		}
	}
	return sum
}

// size of a change as JSON, roughly.
func (c *ObjectChange) size() int {
	n := 320 + len(c.Name) + len(c.Namespace) + len(c.Manager) + 40*len(c.Refs) + 110*len(c.Owners)
	for _, f := range c.Fields {
		n += 40 + len(f.Path) + len(f.Old) + len(f.New) + len(f.Manager)
	}
	if c.By != nil {
		n += 280
	}
	return n
}

// trim drops the oldest changes beyond the bounds, a quarter at a time.
func (c *Changes) trim() {
	if len(c.List) <= MaxChanges+MaxChanges/4 && c.Bytes <= MaxChangeBytes+MaxChangeBytes/4 {
		return
	}
	from := max(0, len(c.List)-MaxChanges)
	total := 0
	for i := range c.List {
		total += c.List[i].size()
	}
	for i := range from {
		total -= c.List[i].size()
	}
	for total > MaxChangeBytes && from < len(c.List)-1 {
		total -= c.List[from].size()
		from++
	}
	c.List = slices.Clone(c.List[from:])
	c.Bytes = total
}

// At is the index of the change of an object at a revision; -1 when it is not
// kept. With uid "" it is the first change of that revision.
func (c *Changes) At(revision int64, uid string) int {
	i := sort.Search(len(c.List), func(i int) bool { return c.List[i].Revision >= revision })
	for ; i < len(c.List) && c.List[i].Revision == revision; i++ {
		if uid == "" || c.List[i].UID == uid {
			return i
		}
	}
	return -1
}
