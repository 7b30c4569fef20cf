package registry

import (
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"workbench/cluster/event"
)

// projector turns events of etcd into changes.
type projector struct {
	*decoder
	sets sets
}

func newProjector() (*projector, error) {
	d, err := newDecoder()
	return &projector{decoder: d, sets: sets{}}, err
}

// change is what an event of etcd did; false for a key that is no object's.
func (p *projector) change(e *clientv3.Event) (event.KubeChange, bool) {
	at, ok := parse(string(e.Kv.Key))
	if !ok {
		return event.KubeChange{}, false
	}
	c := event.KubeChange{
		Revision: e.Kv.ModRevision, Group: at.group, Resource: at.resource, Namespace: at.namespace, Name: at.name,
		Bytes: len(e.Kv.Value), Expires: e.Kv.Lease != 0, Verb: event.ChangeUpdate,
	}
	var before, after *object
	var err error
	if e.PrevKv != nil {
		c.Previous = e.PrevKv.ModRevision
		c.Expires = c.Expires || e.PrevKv.Lease != 0
		before, err = p.decode(e.PrevKv.Value)
	}
	switch {
	case err != nil:
	case e.Type == mvccpb.Event_DELETE:
		c.Verb = event.ChangeDelete
	default:
		after, err = p.decode(e.Kv.Value)
	}
	if e.IsCreate() {
		c.Verb = event.ChangeCreate
	}
	p.identify(&c, before, after)
	if err == nil {
		p.compare(&c, before, after)
	}
	return c, true
}

// identify fills in what the object says of itself.
func (p *projector) identify(c *event.KubeChange, before, after *object) {
	o := after
	if o == nil {
		o = before
	}
	if o == nil {
		c.Heartbeat = c.Verb == event.ChangeUpdate && (c.Resource == "masterleases" || c.Resource == "peerserverleases")
		return
	}
	kind := o.GroupVersionKind()
	c.Kind, c.UID, c.Generation = kind.Kind, string(o.GetUID()), o.GetGeneration()
	if name := o.GetName(); name != "" && strings.HasSuffix(c.Name, name) {
		c.Namespace, c.Name, c.Group = o.GetNamespace(), name, kind.Group
	}
	for _, owner := range o.GetOwnerReferences() {
		c.Owners = append(c.Owners, event.ChangeOwner{
			Kind: owner.Kind, Name: owner.Name, UID: string(owner.UID), Controller: owner.Controller != nil && *owner.Controller,
		})
	}
}

// compare fills in what is different.
func (p *projector) compare(c *event.KubeChange, before, after *object) {
	if after == nil {
		if before != nil {
			c.Refs = refs(c, before.Object, nil)
		}
		return
	}
	var was map[string]any
	owners, writer := p.sets.claims(nil, after.managed)
	if before != nil {
		was = before.Object
		owners, writer = p.sets.claims(before.managed, after.managed)
	}
	c.Manager = writer
	d := compare(was, after.Object, owners)
	c.Fields, c.Omitted = d.fields, d.omitted
	if c.Manager == "" {
		c.Manager = sole(d.fields)
	}
	c.Refs = refs(c, was, after.Object)
	c.Heartbeat = c.Verb == event.ChangeUpdate && heartbeat(c)
}

// sole is the manager of all fields, or "".
func sole(fields []event.FieldChange) string {
	manager := ""
	for i, f := range fields {
		if i > 0 && f.Manager != manager {
			return ""
		}
		manager = f.Manager
	}
	return manager
}

// heartbeat says whether a change only renewed a time.
func heartbeat(c *event.KubeChange) bool {
	if c.Omitted > 0 {
		return false
	}
	if c.Resource == "masterleases" || c.Resource == "peerserverleases" {
		return true
	}
	for _, f := range c.Fields {
		ok := false
		switch c.Kind {
		case "Lease":
			ok = f.Path == "spec.renewTime"
		case "Node":
			ok = strings.HasSuffix(f.Path, ".lastHeartbeatTime")
		case "ConfigMap":
			ok = c.Namespace == "workbench-system" && c.Name == "workbench-pulse"
		}
		if !ok {
			return false
		}
	}
	return len(c.Fields) > 0
}

// refs are the UIDs of other objects in the changed parts.
func refs(c *event.KubeChange, before, after map[string]any) []string {
	switch c.Kind {
	case "EndpointSlice":
		return endpointRefs(before, after)
	case "Endpoints":
		return subsetRefs(before, after)
	case "Event":
		for _, tree := range []map[string]any{after, before} {
			for _, field := range []string{"involvedObject", "regarding"} {
				if ref, ok := tree[field].(map[string]any); ok {
					if uid, _ := ref["uid"].(string); uid != "" {
						return []string{uid}
					}
				}
			}
		}
	}
	return nil
}

// subsetRefs are the pods that are among the addresses of one of two states of
// Endpoints, or not ready in one alone.
func subsetRefs(before, after map[string]any) []string {
	was, is := addresses(before), addresses(after)
	var uids []string
	for _, uid := range slices.Sorted(maps.Keys(is)) {
		if was[uid] != is[uid] {
			uids = append(uids, uid)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(was)) {
		if is[uid] == "" {
			uids = append(uids, uid)
		}
	}
	return uids
}

// addresses are the UIDs of Endpoints' targets, and which list they are in.
func addresses(tree map[string]any) map[string]string {
	out := map[string]string{}
	subsets, _ := tree["subsets"].([]any)
	for _, s := range subsets {
		subset, _ := s.(map[string]any)
		for _, list := range []string{"addresses", "notReadyAddresses"} {
			items, _ := subset[list].([]any)
			for _, i := range items {
				item, _ := i.(map[string]any)
				ref, _ := item["targetRef"].(map[string]any)
				if uid, _ := ref["uid"].(string); uid != "" {
					out[uid] = list
				}
			}
		}
	}
	return out
}

// endpointRefs are the pods of endpoints that are not as before.
func endpointRefs(before, after map[string]any) []string {
	list := func(tree map[string]any) []any { v, _ := tree["endpoints"].([]any); return v }
	old, now := list(before), list(after)
	was, is, order, ok := keyed("endpoints", old, now)
	if !ok {
		return nil
	}
	var uids []string
	for _, key := range order {
		if same(was[key], is[key]) {
			continue
		}
		for _, item := range []map[string]any{is[key], was[key]} {
			ref, _ := item["targetRef"].(map[string]any)
			if uid, _ := ref["uid"].(string); uid != "" {
				uids = append(uids, uid)
				break
			}
		}
	}
	return uids
}
