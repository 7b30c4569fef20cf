package state

import (
	"reflect"
	"time"
)

// Clone is a copy of the world that shares nothing Apply may change: the past is
// shown from one while the present is folded on, and keyframes are written from
// one. It copies whatever parts a world has, so a new part needs no line here;
// fields must be exported, which being JSON asks of them anyway.
func (w *World) Clone() *World {
	c := copier{flat: map[reflect.Type]bool{}}
	out := reflect.New(reflect.TypeFor[World]())
	c.copy(out.Elem(), reflect.ValueOf(w).Elem())
	return out.Interface().(*World)
}

// copier copies values by their type. Flat types, which hold no pointers but
// strings, are copied whole: histories are mostly made of those.
type copier struct{ flat map[reflect.Type]bool }

func (c copier) isFlat(t reflect.Type) bool {
	if flat, known := c.flat[t]; known {
		return flat
	}
	flat := true
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		flat = false
	case reflect.Array:
		flat = c.isFlat(t.Elem())
	case reflect.Struct:
		for i := 0; t != reflect.TypeFor[time.Time]() && i < t.NumField(); i++ {
			flat = flat && c.isFlat(t.Field(i).Type)
		}
	}
	c.flat[t] = flat
	return flat
}

// copy sets to, which is zero, to a copy of from.
func (c copier) copy(to, from reflect.Value) {
	t := from.Type()
	if c.isFlat(t) {
		to.Set(from)
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(t.Elem()))
			c.copy(to.Elem(), from.Elem())
		}
	case reflect.Map:
		c.copyMap(to, from)
	case reflect.Slice:
		c.copySlice(to, from)
	case reflect.Array:
		for i := range from.Len() {
			c.copy(to.Index(i), from.Index(i))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				c.copy(to.Field(i), from.Field(i))
			}
		}
	}
}

func (c copier) copySlice(to, from reflect.Value) {
	if from.IsNil() {
		return
	}
	to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
	if c.isFlat(from.Type().Elem()) {
		reflect.Copy(to, from)
		return
	}
	for i := range from.Len() {
		c.copy(to.Index(i), from.Index(i))
	}
}

func (c copier) copyMap(to, from reflect.Value) {
	if from.IsNil() {
		return
	}
	t := from.Type()
	to.Set(reflect.MakeMapWithSize(t, from.Len()))
	flat := c.isFlat(t.Elem())
	for entries := from.MapRange(); entries.Next(); {
		value := entries.Value()
		if !flat {
			value = reflect.New(t.Elem()).Elem()
			c.copy(value, entries.Value())
		}
		to.SetMapIndex(entries.Key(), value)
	}
}
