package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"workbench/cluster/state"
)

// binaryForm is the first byte of a world in this form; JSON begins with a brace.
const binaryForm = 1

// codec writes worlds in a form that is read some ten times as fast as JSON: the
// parts of a world in the order of their declaration, numbers as varints, and
// each text once, in a table in front. It is good for worlds of the same shape
// only; see shape.
type codec struct{ ops map[reflect.Type]*op }

// op writes and reads values of one type.
type op struct {
	put func(*out, reflect.Value)
	get func(*in, reflect.Value)
}

func newCodec() *codec { return &codec{ops: map[reflect.Type]*op{}} }

// out is what is being written.
type out struct {
	body  []byte
	texts []byte // the table
	index map[string]uint64
}

func (o *out) uint(n uint64) { o.body = binary.AppendUvarint(o.body, n) }
func (o *out) int(n int64)   { o.body = binary.AppendVarint(o.body, n) }

func (o *out) text(s string) {
	n, known := o.index[s]
	if !known {
		n = uint64(len(o.index))
		o.index[s] = n
		o.texts = append(binary.AppendUvarint(o.texts, uint64(len(s))), s...)
	}
	o.uint(n)
}

// errShort says that a keyframe ends too early, or has numbers that cannot be.
var errShort = errors.New("it is cut off or spoilt")

// in is what is being read. It panics with errShort.
type in struct {
	rest  []byte
	texts []string
}

func (i *in) uint() uint64 {
	n, size := binary.Uvarint(i.rest)
	if size <= 0 {
		panic(errShort)
	}
	i.rest = i.rest[size:]
	return n
}

func (i *in) int() int64 {
	n, size := binary.Varint(i.rest)
	if size <= 0 {
		panic(errShort)
	}
	i.rest = i.rest[size:]
	return n
}

// count reads a number of things of at least a byte each.
func (i *in) count() int {
	n := i.uint()
	if n > uint64(len(i.rest)) {
		panic(errShort)
	}
	return int(n)
}

func (i *in) text() string {
	n := i.uint()
	if n >= uint64(len(i.texts)) {
		panic(errShort)
	}
	return i.texts[n]
}

// encode gives the form of a world.
func (c *codec) encode(w *state.World) []byte {
	o := &out{index: map[string]uint64{}, body: make([]byte, 0, 512<<10)}
	v := reflect.ValueOf(w).Elem()
	c.of(v.Type()).put(o, v)
	data := make([]byte, 0, len(o.body)+len(o.texts)+32)
	data = binary.AppendUvarint(append(data, binaryForm), uint64(len(o.index)))
	data = binary.AppendUvarint(data, uint64(len(o.texts)))
	return append(append(data, o.texts...), o.body...)
}

// decode gives the world of a form.
func (c *codec) decode(data []byte) (w *state.World, err error) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case errShort:
			w, err = nil, fmt.Errorf("read a keyframe: %w", errShort)
		default:
			panic(r)
		}
	}()
	if len(data) == 0 || data[0] != binaryForm {
		panic(errShort)
	}
	i := &in{rest: data[1:]}
	n := i.count()
	size := i.count()
	all := string(i.rest[:size]) // the texts are parts of it
	table := &in{rest: i.rest[:size]}
	i.texts, i.rest = make([]string, n), i.rest[size:]
	for at := range i.texts {
		length := table.count()
		from := size - len(table.rest)
		i.texts[at] = all[from : from+length]
		table.rest = table.rest[length:]
	}
	w = state.New()
	v := reflect.ValueOf(w).Elem()
	c.of(v.Type()).get(i, v)
	return w, nil
}

// of is the op of a type.
func (c *codec) of(t reflect.Type) *op {
	if known := c.ops[t]; known != nil {
		return known
	}
	made := &op{}
	c.ops[t] = made // before its parts: a type may contain itself
	switch t.Kind() {
	case reflect.Bool:
		made.put = func(o *out, v reflect.Value) {
			n := uint64(0)
			if v.Bool() {
				n = 1
			}
			o.uint(n)
		}
		made.get = func(i *in, v reflect.Value) { v.SetBool(i.uint() == 1) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		made.put = func(o *out, v reflect.Value) { o.int(v.Int()) }
		made.get = func(i *in, v reflect.Value) { v.SetInt(i.int()) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		made.put = func(o *out, v reflect.Value) { o.uint(v.Uint()) }
		made.get = func(i *in, v reflect.Value) { v.SetUint(i.uint()) }
	case reflect.Float32, reflect.Float64:
		made.put = func(o *out, v reflect.Value) { o.uint(math.Float64bits(v.Float())) }
		made.get = func(i *in, v reflect.Value) { v.SetFloat(math.Float64frombits(i.uint())) }
	case reflect.String:
		made.put = func(o *out, v reflect.Value) { o.text(v.String()) }
		made.get = func(i *in, v reflect.Value) { v.SetString(i.text()) }
	case reflect.Pointer:
		c.pointer(t, made)
	case reflect.Slice:
		c.slice(t, made)
	case reflect.Array:
		elem := c.of(t.Elem())
		made.put = func(o *out, v reflect.Value) {
			for n := range t.Len() {
				elem.put(o, v.Index(n))
			}
		}
		made.get = func(i *in, v reflect.Value) {
			for n := range t.Len() {
				elem.get(i, v.Index(n))
			}
		}
	case reflect.Map:
		c.mapping(t, made)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			made.put, made.get = putTime, getTime
		} else {
			c.structure(t, made)
		}
	default:
		panic(fmt.Sprintf("a world has a %s", t)) // a test of package state forbids it
	}
	return made
}

func (c *codec) pointer(t reflect.Type, made *op) {
	elem := c.of(t.Elem())
	made.put = func(o *out, v reflect.Value) {
		if v.IsNil() {
			o.uint(0)
			return
		}
		o.uint(1)
		elem.put(o, v.Elem())
	}
	made.get = func(i *in, v reflect.Value) {
		if i.uint() == 1 {
			v.Set(reflect.New(t.Elem()))
			elem.get(i, v.Elem())
		}
	}
}

// slice writes the length and one more, so that none and empty differ.
func (c *codec) slice(t reflect.Type, made *op) {
	elem := c.of(t.Elem())
	made.put = func(o *out, v reflect.Value) {
		if v.IsNil() {
			o.uint(0)
			return
		}
		o.uint(uint64(v.Len()) + 1)
		for n := range v.Len() {
			elem.put(o, v.Index(n))
		}
	}
	made.get = func(i *in, v reflect.Value) {
		n := i.uint()
		if n == 0 {
			return
		}
		if n-1 > uint64(len(i.rest)) {
			panic(errShort)
		}
		made := reflect.MakeSlice(t, int(n-1), int(n-1))
		for at := range int(n - 1) {
			elem.get(i, made.Index(at))
		}
		v.Set(made)
	}
}

func (c *codec) mapping(t reflect.Type, made *op) {
	key, elem := c.of(t.Key()), c.of(t.Elem())
	made.put = func(o *out, v reflect.Value) {
		if v.IsNil() {
			o.uint(0)
			return
		}
		o.uint(uint64(v.Len()) + 1)
		for entries := v.MapRange(); entries.Next(); {
			key.put(o, entries.Key())
			elem.put(o, entries.Value())
		}
	}
	made.get = func(i *in, v reflect.Value) {
		n := i.uint()
		if n == 0 {
			return
		}
		if n-1 > uint64(len(i.rest)) {
			panic(errShort)
		}
		v.Set(reflect.MakeMapWithSize(t, int(n-1)))
		k := reflect.New(t.Key()).Elem()
		for range n - 1 {
			k.SetZero()
			key.get(i, k)
			e := reflect.New(t.Elem()).Elem()
			elem.get(i, e)
			v.SetMapIndex(k, e)
		}
	}
}

func (c *codec) structure(t reflect.Type, made *op) {
	fields := make([]*op, t.NumField())
	for n := range fields {
		fields[n] = c.of(t.Field(n).Type)
	}
	made.put = func(o *out, v reflect.Value) {
		for n, f := range fields {
			f.put(o, v.Field(n))
		}
	}
	made.get = func(i *in, v reflect.Value) {
		for n, f := range fields {
			f.get(i, v.Field(n))
		}
	}
}

// putTime writes seconds, nanoseconds and the zone's offset, as JSON would.
func putTime(o *out, v reflect.Value) {
	at, _ := reflect.TypeAssert[time.Time](v)
	if at.IsZero() {
		o.uint(0)
		return
	}
	o.uint(uint64(at.Nanosecond()) + 1)
	o.int(at.Unix())
	_, offset := at.Zone()
	o.int(int64(offset))
}

func getTime(i *in, v reflect.Value) {
	nanos := i.uint()
	if nanos == 0 {
		return
	}
	at := time.Unix(i.int(), int64(nanos-1)).UTC()
	if offset := int(i.int()); offset != 0 {
		at = at.In(time.FixedZone("", offset))
	}
	v.Set(reflect.ValueOf(at))
}
