package state

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

// TestCloneSharesNothing folds half of a journal, clones, folds the rest: the
// clone must stay as it was, and folding the rest on it must give the whole.
func TestCloneSharesNothing(t *testing.T) {
	for name, events := range journals(t) {
		for _, at := range []int{0, len(events) / 3, len(events) / 2, len(events) - 1} {
			w := fold(events[:at])
			before := encode(t, w)
			clone := w.Clone()
			for _, e := range events[at:] {
				w.Apply(e)
			}
			if !bytes.Equal(encode(t, clone), before) {
				t.Fatalf("%s: folding changed the clone made at %d", name, at)
			}
			for _, e := range events[at:] {
				clone.Apply(e)
			}
			if !bytes.Equal(encode(t, clone), encode(t, w)) {
				t.Fatalf("%s: the clone made at %d folds to another world", name, at)
			}
		}
	}
}

// TestWorldIsAllExported holds that a clone and the JSON lack no part of it.
func TestWorldIsAllExported(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(at string, typ reflect.Type)
	walk = func(at string, typ reflect.Type) {
		if seen[typ] || typ == reflect.TypeFor[time.Time]() {
			return
		}
		seen[typ] = true
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			walk(at, typ.Elem())
		case reflect.Interface, reflect.Func, reflect.Chan:
			t.Errorf("%s is a %s: it is neither cloned nor written as JSON", at, typ.Kind())
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				if !f.IsExported() {
					t.Errorf("%s.%s is not exported: it is neither cloned nor written as JSON", at, f.Name)
				}
				walk(at+"."+f.Name, f.Type)
			}
		}
	}
	walk("World", reflect.TypeFor[World]())
}

func BenchmarkClone(b *testing.B) {
	w := fold(randomRun(60_000))
	for b.Loop() {
		w.Clone()
	}
}
