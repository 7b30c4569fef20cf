package registry

import (
	"bytes"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// claim is what one field manager owns from a path on.
type claim struct {
	manager string
	fresh   bool           // its entry was renewed by the change
	owned   bool           // the path is its own, or inside of what is its own as a whole
	set     *fieldpath.Set // what it owns below; nil for nothing
}

// claims of all managers at one path.
type claims []claim

// owner is the manager of the path; of several the one whose entry was renewed.
// Where no one owns it (it was taken away), the only one that was renewed.
func (c claims) owner() string {
	best := -1
	for i, one := range c {
		if !one.owned {
			continue
		}
		if best < 0 || one.fresh && !c[best].fresh {
			best = i
		}
	}
	if best >= 0 {
		return c[best].manager
	}
	only := ""
	for _, one := range c {
		if one.fresh && only != "" && only != one.manager {
			return ""
		}
		if one.fresh {
			only = one.manager
		}
	}
	return only
}

func (c claims) field(name string) claims {
	return c.descend(func(s *fieldpath.Set) (bool, *fieldpath.Set) {
		pe := fieldpath.PathElement{FieldName: &name}
		below, _ := s.Children.Get(pe)
		return s.Members.Has(pe), below
	})
}

func (c claims) index(i int) claims {
	return c.descend(func(s *fieldpath.Set) (bool, *fieldpath.Set) {
		pe := fieldpath.PathElement{Index: &i}
		below, _ := s.Children.Get(pe)
		return s.Members.Has(pe), below
	})
}

// item is an item of an associative list: its keys are fields of it.
func (c claims) item(item map[string]any) claims {
	return c.descend(func(s *fieldpath.Set) (owned bool, below *fieldpath.Set) {
		s.Members.Iterate(func(pe fieldpath.PathElement) { owned = owned || names(pe, item) })
		s.Children.Iterate(func(pe fieldpath.PathElement) {
			if below == nil && names(pe, item) {
				below, _ = s.Children.Get(pe)
			}
		})
		return owned, below
	})
}

func (c claims) descend(into func(*fieldpath.Set) (owned bool, below *fieldpath.Set)) claims {
	out := make(claims, len(c))
	for i, one := range c {
		if one.set != nil {
			// Owning an object whose fields are listed is not owning all of them.
			one.owned, one.set = into(one.set)
		}
		out[i] = one
	}
	return out
}

// names says whether a key of a list names the item.
func names(pe fieldpath.PathElement, item map[string]any) bool {
	if pe.Key == nil {
		return false
	}
	for _, f := range *pe.Key {
		v, ok := item[f.Name]
		if !ok || !value.Equals(value.NewValueInterface(v), f.Value) {
			return false
		}
	}
	return true
}

// sets parses the field sets of managers, of which the same come again and
// again.
type sets map[string]*fieldpath.Set

// maxSets bounds the memory of parsed sets.
const maxSets = 128

func (s sets) parse(raw []byte) *fieldpath.Set {
	if set, ok := s[string(raw)]; ok {
		return set
	}
	set := &fieldpath.Set{}
	if err := set.FromJSON(bytes.NewReader(raw)); err != nil {
		return nil // an object that another version wrote: nobody is named
	}
	if len(s) >= maxSets {
		clear(s)
	}
	s[string(raw)] = set
	return set
}

// claims of the managers after a change, and the manager that made it: the one
// whose entry is not as before; "" when that cannot be told.
func (s sets) claims(before, after []metav1.ManagedFieldsEntry) (claims, string) {
	var all claims
	writer, writers := "", 0
	var at metav1.Time
	for i := range after {
		e := &after[i]
		fresh := !slices.ContainsFunc(before, func(b metav1.ManagedFieldsEntry) bool { return sameEntry(&b, e) })
		if fresh {
			writers++
			if t := or(e.Time); writers == 1 || at.Before(&t) {
				writer, at = e.Manager, t
			}
		}
		if e.FieldsV1 == nil {
			continue
		}
		all = append(all, claim{manager: e.Manager, fresh: fresh, set: s.parse(e.FieldsV1.GetRawBytes())})
	}
	return all, writer
}

func sameEntry(a, b *metav1.ManagedFieldsEntry) bool {
	if a.Manager != b.Manager || a.Operation != b.Operation || a.Subresource != b.Subresource || a.APIVersion != b.APIVersion {
		return false
	}
	if at, bt := or(a.Time), or(b.Time); !at.Equal(&bt) {
		return false
	}
	if a.FieldsV1 == nil || b.FieldsV1 == nil {
		return a.FieldsV1 == b.FieldsV1
	}
	return a.FieldsV1.Equal(*b.FieldsV1)
}

func or(t *metav1.Time) metav1.Time {
	if t == nil {
		return metav1.Time{}
	}
	return *t
}
