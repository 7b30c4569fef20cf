package spec

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills Go values from YAML nodes by their json names, remembers where
// each value stood and collects everything it cannot take. A value it cannot
// take keeps its default.
type decoder struct {
	source   source
	problems Problems
}

func (d *decoder) decodeRoot(root *yaml.Node, into any) {
	d.decode(root, reflect.ValueOf(into).Elem(), nil)
}

func (d *decoder) refuse(p path, n *yaml.Node, what, remedy string) {
	d.problems = append(d.problems, Problem{
		File: d.source.file, Line: n.Line, Column: n.Column, Path: p.String(), What: what, Remedy: remedy,
	})
}

// decode takes one value. An empty value (null) leaves the default.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, p path) {
	// An alias stands for its anchor's value. The types bound the depth, so that
	// an anchor that contains itself ends at an unknown key.
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if tag := n.ShortTag(); strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") || tag == "!!binary" {
		d.refuse(p, n, "the tag "+clip(tag)+" is not supported", "write the value without it")
		return
	}
	if isNull(n) {
		return
	}
	switch v.Interface().(type) {
	case Bytes:
		decodeQuantity(d, n, v, p, ParseBytes)
		return
	case Cores:
		decodeQuantity(d, n, v, p, ParseCores)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, v, p)
	case reflect.Map:
		d.decodeMap(n, v, p)
	case reflect.Slice:
		d.decodeSlice(n, v, p)
	default:
		d.decodeScalar(n, v, p)
	}
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, p path) {
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		if name := jsonName(v.Type().Field(i)); name != "" {
			fields[name] = i
			names = append(names, name)
		}
	}
	d.eachKey(n, p, func(key, value *yaml.Node) {
		at := p.child(key.Value)
		i, ok := fields[key.Value]
		if !ok {
			d.refuse(p, key, fmt.Sprintf("unknown key %q", clip(key.Value)), suggest(key.Value, names, "known keys are "))
			return
		}
		d.place(at, key, value)
		d.decode(value, v.Field(i), at)
	})
}

func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value, p path) {
	out := reflect.MakeMap(v.Type())
	d.eachKey(n, p, func(key, value *yaml.Node) {
		at := p.child(key.Value)
		d.source.set(at, position{key.Line, key.Column})
		entry := reflect.New(v.Type().Elem()).Elem()
		if entry.Kind() == reflect.String {
			d.decodeText(value, entry, at)
		} else {
			d.decode(value, entry, at)
		}
		out.SetMapIndex(reflect.ValueOf(key.Value), entry)
	})
	if out.Len() > 0 {
		v.Set(out)
	}
}

func (d *decoder) decodeSlice(n *yaml.Node, v reflect.Value, p path) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(p, n, "want a list, got "+kindName(n), "write each entry after a dash")
		return
	}
	for i, item := range n.Content {
		at := p.child("[" + strconv.Itoa(i) + "]")
		d.source.set(at, position{item.Line, item.Column})
		entry := reflect.New(v.Type().Elem()).Elem()
		d.decode(item, entry, at)
		v.Set(reflect.Append(v, entry))
	}
}

// decodeText takes any scalar by its literal text, for the values of labels
// and arguments: v: 4 means "4".
func (d *decoder) decodeText(n *yaml.Node, v reflect.Value, p path) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.refuse(p, n, "want text, got "+kindName(n), `write "" for an empty value`)
		return
	}
	v.SetString(n.Value)
}

func (d *decoder) decodeScalar(n *yaml.Node, v reflect.Value, p path) {
	tag := ""
	if n.Kind == yaml.ScalarNode {
		tag = n.ShortTag()
	}
	switch v.Kind() {
	case reflect.String:
		if tag != "!!str" {
			d.refuse(p, n, "want text, got "+kindName(n), "put quotes around it")
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(n.Value))
		if tag != "!!bool" || err != nil {
			d.refuse(p, n, "want true or false, got "+kindName(n), "write true or false, without quotes")
			return
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.ParseInt(n.Value, 0, 32)
		if tag != "!!int" || err != nil {
			d.refuse(p, n, "want a whole number, got "+kindName(n), "write a number such as 3, without quotes")
			return
		}
		v.SetInt(i)
	default:
		panic("spec: a field of kind " + v.Kind().String() + " at " + p.String())
	}
}

func decodeQuantity[T Bytes | Cores](d *decoder, n *yaml.Node, v reflect.Value, p path, parse func(string) (T, error)) {
	if n.Kind != yaml.ScalarNode {
		d.refuse(p, n, "want an amount, got "+kindName(n), "write a single value")
		return
	}
	amount, err := parse(n.Value)
	switch {
	case err != nil:
		what, remedy, _ := strings.Cut(err.Error(), "; ")
		d.refuse(p, n, what, remedy)
	case amount == 0:
		d.refuse(p, n, "a limit of 0 lets nothing run", "leave the key out to allow the whole machine")
	default:
		v.Set(reflect.ValueOf(amount))
	}
}

// eachKey visits the keys of a mapping, each once.
func (d *decoder) eachKey(n *yaml.Node, p path, visit func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.refuse(p, n, "want a mapping, got "+kindName(n), "write key: value lines below it")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			d.refuse(p, key, "merge keys (<<) are not supported", "write the keys out, or use an alias for a whole value")
			continue
		}
		if key.Kind != yaml.ScalarNode {
			d.refuse(p, key, "want a word as key, got "+kindName(key), "write key: value")
			continue
		}
		if line, ok := seen[key.Value]; ok {
			d.refuse(p, key, fmt.Sprintf("the key %q is there already, in line %d", clip(key.Value), line), "remove one of the two")
			continue
		}
		seen[key.Value] = key.Line
		visit(key, value)
	}
}

// place remembers where a field stands: a scalar at its value, all else at its
// key.
func (d *decoder) place(p path, key, value *yaml.Node) {
	n := key
	if value.Kind == yaml.ScalarNode && !isNull(value) {
		n = value
	}
	d.source.set(p, position{n.Line, n.Column})
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	names := map[string]string{"!!null": "nothing", "!!str": "the text", "!!int": "the number", "!!float": "the number", "!!bool": "the boolean", "!!timestamp": "the date"}
	name := cmp.Or(names[n.ShortTag()], n.ShortTag())
	if isNull(n) {
		return name
	}
	return name + " " + strconv.Quote(clip(n.Value))
}
