package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// requests folds what an API server was asked.
func (c *Changes) requests(at time.Time, b event.KubeRequests) {
	c.Dropped += b.Dropped
	for _, r := range b.Requests {
		c.request(Request{KubeRequest: r, Node: b.Node, At: at})
	}
	for _, w := range b.Opened {
		c.Watches[w.ID] = Watch{KubeWatch: w, Node: b.Node}
	}
	for _, id := range b.Ended {
		delete(c.Watches, id)
	}
	for _, r := range b.Reads {
		c.read(at, r)
	}
	c.expire(at)
}

func (c *Changes) read(at time.Time, r event.KubeReads) {
	key := r.User + "|" + r.Agent + "|" + r.Verb + "|" + r.Resource
	n := c.Reads[key]
	if n == nil {
		if len(c.Reads) >= maxReads {
			dropOldest(c.Reads, func(r *ReadCount) time.Time { return r.At })
		}
		c.Reads[key] = &ReadCount{KubeReads: r, At: at}
		return
	}
	n.Count, n.Failed, n.Latency, n.At = n.Count+r.Count, n.Failed+r.Failed, n.Latency+r.Latency, at
}

// request joins a write with its change, or keeps it until that comes.
func (c *Changes) request(r Request) {
	if r.Code >= 400 || len(r.Objects) == 0 {
		c.aside(r)
		return
	}
	rest := r.Objects[:0:0]
	idle := true // every change that it names is older than it, or another's
	for _, o := range r.Objects {
		switch c.join(&r, o) {
		case joined:
			idle = false
		case absent:
			rest, idle = append(rest, o), false
		}
	}
	if idle {
		c.aside(r)
		return
	}
	if len(rest) > 0 {
		r.Objects = rest
		c.Pending = bounded(append(c.Pending, r), maxPending)
	}
}

func (c *Changes) aside(r Request) {
	if r.Code < 400 {
		if b := c.Beats[beatKey(r.Resource, r.Namespace, r.Name)]; b != nil {
			return // the object's last change but a heartbeat is not kept
		}
	}
	r.Objects = nil
	c.Aside = bounded(append(c.Aside, r), MaxAside)
}

type joining int

const (
	absent joining = iota // the change is not here
	joined
	others // the change is there, and not of this request
)

// join finds the change that a request made of an object.
func (c *Changes) join(r *Request, o event.ObjectRevision) joining {
	if b := c.Beats[beatKey(r.Resource, r.Namespace, r.Name)]; b != nil && b.UID == o.UID && o.Revision != 0 && b.Revision >= o.Revision && b.Base < o.Revision && b.Run > 0 {
		b.User = r.acting()
		return joined
	}
	if o.Revision != 0 {
		i := c.At(o.Revision, o.UID)
		if i < 0 {
			if len(c.List) > 0 && o.Revision < c.List[0].Revision {
				return others // too old to be kept
			}
			return absent
		}
		return c.take(i, r)
	}
	for i := len(c.List) - 1; i >= 0 && c.List[i].At.After(r.Received.Add(-time.Second)); i-- {
		if one := &c.List[i]; one.UID == o.UID && r.fits(one) {
			return c.take(i, r)
		}
	}
	return absent
}

// fits says whether a change of the object that the request names is what a
// request of its kind does, where the answer does not tell the revision.
func (r *Request) fits(c *ObjectChange) bool {
	has := func(path string) bool {
		return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return f.Path == path })
	}
	switch {
	case r.Subresource == "binding":
		return has("spec.nodeName")
	case r.Verb == "delete", r.Verb == "deletecollection", r.Subresource == "eviction":
		return c.Verb == event.ChangeDelete || has("metadata.deletionTimestamp")
	}
	return false
}

// take makes the request the writer of a change, unless the change was there
// before the request, or is another's.
func (c *Changes) take(i int, r *Request) joining {
	one := &c.List[i]
	if one.By != nil || one.At.Before(r.Received) {
		return others
	}
	one.By = r.writer()
	c.Bytes += 280
	return joined
}

// claim joins a new change with a write that was told before it.
func (c *Changes) claim(one *ObjectChange) {
	for i := range c.Pending {
		r := &c.Pending[i]
		if !r.made(one.UID, one.Revision, r.fits(one)) || one.At.Before(r.Received) {
			continue
		}
		one.By = r.writer()
		if len(r.Objects) == 1 {
			c.Pending = slices.Delete(c.Pending, i, i+1)
			return
		}
		r.Objects = slices.DeleteFunc(slices.Clone(r.Objects), func(o event.ObjectRevision) bool { return o.UID == one.UID })
		return
	}
}

// expire gives up writes whose change did not come.
func (c *Changes) expire(at time.Time) {
	for len(c.Pending) > 0 && at.Sub(c.Pending[0].At) > joinWithin {
		c.Pending = slices.Delete(c.Pending, 0, 1)
	}
}

// made says whether the request made that revision of an object.
func (r *Request) made(uid string, revision int64, fits bool) bool {
	return slices.ContainsFunc(r.Objects, func(o event.ObjectRevision) bool {
		return o.UID == uid && (o.Revision == revision || o.Revision == 0 && fits)
	})
}

// acting is the user in whose name a request was made.
func (r *Request) acting() string { return cmp.Or(r.As, r.User) }

// Program is the part of a user agent that names the program and its version:
// kubectl/v1.37.2.
func Program(agent string) string {
	program, _, _ := strings.Cut(agent, " ")
	return program
}

func (r *Request) writer() *Writer {
	return &Writer{
		ID: r.ID, Node: r.Node, Verb: r.Verb, Subresource: r.Subresource, User: r.User, As: r.As, Agent: Program(r.Agent), Source: r.Source,
		Code: r.Code, Latency: r.Latency,
	}
}

// watchesGone forgets the watches of an API server that ended.
func (c *Changes) watchesGone(node string) {
	for id, w := range c.Watches {
		if w.Node == node {
			delete(c.Watches, id)
		}
	}
}
