package registry

import (
	"maps"
	"reflect"
	"slices"
	"strconv"

	"workbench/cluster/event"
)

// diff collects what is different between two trees of an object.
type diff struct {
	fields  []event.FieldChange
	omitted int
	bytes   int
}

// skipped are paths that the change itself tells, or that say nothing.
var skipped = map[string]bool{
	"apiVersion": true, "kind": true,
	"metadata.name": true, "metadata.namespace": true, "metadata.uid": true, "metadata.resourceVersion": true,
	"metadata.generation": true, "metadata.managedFields": true, "metadata.creationTimestamp": true, "metadata.selfLink": true,
	"metadata.ownerReferences": true,
}

// compare gives the differences of two trees; nil stands for no object.
func compare(before, after map[string]any, owners claims) diff {
	var d diff
	if before == nil || after == nil {
		d.whole(before, after, owners)
	} else {
		d.maps("", before, after, owners)
	}
	return d
}

// whole tells an object that came or went: one entry for each field of its
// sections, as single values would be too many.
func (d *diff) whole(before, after map[string]any, owners claims) {
	tree := after
	if tree == nil {
		return // a delete; what it was the change before tells
	}
	for _, section := range slices.Sorted(maps.Keys(tree)) {
		parts, ok := tree[section].(map[string]any)
		if !ok {
			d.add(section, nil, tree[section], owners.field(section))
			continue
		}
		under := owners.field(section)
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			d.add(step(section, name), nil, parts[name], under.field(name))
		}
	}
}

func (d *diff) add(path string, before, after any, owners claims) {
	if skipped[path] {
		return
	}
	f := event.FieldChange{Path: path, Manager: owners.owner()}
	if before != nil {
		f.Old = render(before)
	}
	if after != nil {
		f.New = render(after)
	}
	if f.Old == f.New {
		return
	}
	size := len(f.Path) + len(f.Old) + len(f.New) + len(f.Manager)
	if len(d.fields) >= maxFields || d.bytes+size > maxBytes {
		d.omitted++
		return
	}
	d.bytes += size
	d.fields = append(d.fields, f)
}

func (d *diff) maps(path string, before, after map[string]any, owners claims) {
	names := slices.Collect(maps.Keys(after))
	for name := range before {
		if _, both := after[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		d.value(step(path, name), name, before[name], after[name], func() claims { return owners.field(name) })
	}
}

// value compares what stands at a path; name is its last part.
func (d *diff) value(path, name string, before, after any, owners func() claims) {
	if skipped[path] || same(before, after) {
		return
	}
	switch a := after.(type) {
	case map[string]any:
		if b, ok := before.(map[string]any); ok {
			d.maps(path, b, a, owners())
			return
		}
	case []any:
		if b, ok := before.([]any); (ok || name == "conditions") && objects(a) && objects(b) {
			d.lists(path, name, b, a, owners())
			return
		}
	}
	d.add(path, before, after, owners())
}

// lists compares two lists of objects: by name where they have one, else by
// position.
func (d *diff) lists(path, name string, before, after []any, owners claims) {
	was, is, order, ok := keyed(name, before, after)
	if ok {
		for _, key := range order {
			here := path + "[" + key + "]"
			b, inOld := was[key]
			a, inNew := is[key]
			switch {
			case inOld && inNew:
				if !same(b, a) {
					d.maps(here, b, a, owners.item(a))
				}
			case inNew && name == "conditions":
				d.maps(here, nil, a, owners.item(a)) // the reader wants the status
			case inNew:
				d.add(here, nil, a, owners.item(a))
			default:
				d.add(here, b, nil, owners.item(b))
			}
		}
		return
	}
	for i := range max(len(before), len(after)) {
		here := path + "[" + strconv.Itoa(i) + "]"
		var b, a any
		if i < len(before) {
			b = before[i]
		}
		if i < len(after) {
			a = after[i]
		}
		d.value(here, "", b, a, func() claims { return owners.index(i) })
	}
}

// same compares without reflection where it can.
func same(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		return ok && x == y
	case int64:
		y, ok := b.(int64)
		return ok && x == y
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !same(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
