package state

import (
	"slices"
	"strings"

	"workbench/cluster/event"
)

// Difference is what changed of an object between two of its revisions.
type Difference struct {
	Fields []event.FieldChange
	// Steps is how many changes it is composed of.
	Steps int
	// Missing says that changes between the two are not kept: the difference is
	// that of the kept ones.
	Missing bool
	// Omitted counts fields that a change left out for size.
	Omitted int
}

// History are the indices of the kept changes of an object, oldest first.
func (c *Changes) History(uid string) []int {
	var out []int
	for i := range c.List {
		if c.List[i].UID == uid {
			out = append(out, i)
		}
	}
	return out
}

// Between composes the changes of an object after revision from, up to and
// with revision to.
func (c *Changes) Between(uid string, from, to int64) Difference {
	var d Difference
	at := from
	var all []event.FieldChange
	for _, i := range c.History(uid) {
		one := &c.List[i]
		if one.Revision <= from || one.Revision > to {
			continue
		}
		d.Missing = d.Missing || one.Base != at && one.Verb != event.ChangeCreate
		d.Steps++
		d.Omitted += one.Omitted
		all = append(all, one.Fields...)
		at = one.Revision
	}
	d.Fields = Compose(all)
	return d
}

// Compose joins differences that follow each other into one: of each path the
// first old and the last new value, without what is as it was.
func Compose(changes []event.FieldChange) []event.FieldChange {
	var out []event.FieldChange
	at := map[string]int{}
	for _, f := range changes {
		if f.New == "" || f.Old == "" {
			// What was inside of it came or went with it.
			out = within(out, at, f.Path)
		}
		i, known := at[f.Path]
		if !known {
			at[f.Path] = len(out)
			out = append(out, f)
			continue
		}
		out[i].New, out[i].Manager = f.New, f.Manager
	}
	out = slices.DeleteFunc(out, func(f event.FieldChange) bool { return f.Old == f.New })
	slices.SortStableFunc(out, func(a, b event.FieldChange) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// within takes out what lies below a path.
func within(out []event.FieldChange, at map[string]int, path string) []event.FieldChange {
	below := func(p string) bool {
		return len(p) > len(path) && strings.HasPrefix(p, path) && (p[len(path)] == '.' || p[len(path)] == '[')
	}
	if !slices.ContainsFunc(out, func(f event.FieldChange) bool { return below(f.Path) }) {
		return out
	}
	out = slices.DeleteFunc(out, func(f event.FieldChange) bool { return below(f.Path) })
	clear(at)
	for i, f := range out {
		at[f.Path] = i
	}
	return out
}
