package state

import (
	"slices"
	"strings"

	"workbench/cluster/event"
)

// reach is how many changes back a cause is looked for.
const reach = 1024

// explain finds what a change answers to: what it is tied to, or what it likely
// follows from by time where that is newer.
func (c *Changes) explain(one *ObjectChange, kube *Kube) {
	one.Cause, one.Link = c.cause(one)
	solid := -1
	if one.Cause != 0 {
		solid = c.At(one.Cause, "")
	}
	node := ""
	if pod := kube.Pods[one.Namespace+"/"+one.Name]; one.Kind == "Pod" && pod != nil {
		node = pod.Node
	}
	if cause, ok := c.infer(one, solid, node); ok {
		one.Cause, one.Link = cause, LinkTime
	}
	if one.Silent = c.silence(one); one.Silent != nil {
		one.Cause, one.Link = one.Silent.Revision, LinkTime
	}
}

// cause is the newest change before one of an object that it is tied to: its
// own past, for what is wanted of it also its owner's wishes, for its status
// also what it owns, and what its changed part refers to.
func (c *Changes) cause(one *ObjectChange) (int64, Link) {
	if one.UID == "" || one.Verb == event.ChangeCreate && len(one.Owners) == 0 && len(one.Refs) == 0 {
		return 0, ""
	}
	wish := wanted(one)
	for i := len(c.List) - 1; i >= max(0, len(c.List)-reach); i-- {
		o := &c.List[i]
		switch {
		case o.UID == "" || o.Kind == "Event" || o.Revision >= one.Revision:
			// Events tell of changes, they cause none.
		case o.UID == one.UID && one.Verb != event.ChangeCreate:
			return o.Revision, LinkSelf
		case slices.Contains(one.Refs, o.UID):
			return o.Revision, LinkRef
		case one.Verb != event.ChangeCreate && owned(o, one.UID):
			return o.Revision, LinkOwned
		case wish && owned(one, o.UID) && wanted(o):
			// An owner's wishes are carried out on what it owns; its status is not.
			return o.Revision, LinkOwner
		}
	}
	return 0, ""
}

// owned says whether an object names the owner of that UID.
func owned(c *ObjectChange, uid string) bool {
	for i := range c.Owners {
		if c.Owners[i].UID == uid {
			return true
		}
	}
	return false
}

// wanted says whether a change is of more than the object's status.
func wanted(c *ObjectChange) bool {
	return c.Verb != event.ChangeUpdate || c.Omitted > 0 || slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool {
		return !strings.HasPrefix(f.Path, "status.")
	})
}

// Willed says whether a user made the change: what a user wants has its cause
// outside of the cluster.
func (c *ObjectChange) Willed() bool { return c.By != nil && c.Actor().Lane == "user" }

// Causes is the chain of changes that led to the one at index i: the first one
// known first, without the change itself.
func (c *Changes) Causes(i int) []int {
	var chain []int
	for i >= 0 && c.List[i].Cause != 0 && !c.List[i].Willed() {
		if i = c.At(c.List[i].Cause, ""); i >= 0 {
			chain = append([]int{i}, chain...)
		}
	}
	return chain
}

// Effects are the changes that the one at index i is a cause of, near and far,
// in order, at most limit.
func (c *Changes) Effects(i, limit int) []int {
	from := map[int64]bool{c.List[i].Revision: true}
	var out []int
	for j := i + 1; j < len(c.List) && len(out) < limit; j++ {
		if one := &c.List[j]; from[one.Cause] && !one.Willed() {
			from[one.Revision] = true
			out = append(out, j)
		}
	}
	return out
}
