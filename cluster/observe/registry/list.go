package registry

import (
	"fmt"
	"slices"
)

// listKeys are the fields that name an item of a list, by the list's own name:
// what the API's schemas call the merge key, and where a list has none there,
// what tells its items apart for a person.
var listKeys = map[string][]string{
	"conditions":   {"type"},
	"addresses":    {"type", "address"},
	"taints":       {"key", "effect"},
	"volumeMounts": {"mountPath"},
	"hostAliases":  {"ip"},
	"images":       {}, // a node's images: names are lists
	"tolerations":  {}, // any two may be alike
	"podIPs":       {"ip"},
	"subjects":     {"kind", "namespace", "name"},
	"versions":     {"name"},
	"webhooks":     {"name"},
	"targetRef":    {"uid"},
}

// candidates are tried in order for lists that are not in listKeys.
var candidates = [][]string{{"name"}, {"type"}, {"key"}, {"uid"}, {"id"}, {"containerPort", "protocol"}, {"port", "protocol"}, {"ip"}, {"path"}}

// keyOf names an item of a list of objects, or "".
func keyOf(item map[string]any, fields []string) string {
	key := ""
	for i, f := range fields {
		v, ok := item[f]
		if !ok {
			if i == 0 {
				return ""
			}
			continue // the rest of a key has defaults
		}
		switch v.(type) {
		case string, int64, float64, bool:
		default:
			return ""
		}
		if key != "" {
			key += "/"
		}
		key += fmt.Sprint(v)
	}
	return key
}

// endpointKey names an endpoint of an EndpointSlice: its first address.
func endpointKey(item map[string]any) string {
	if list, ok := item["addresses"].([]any); ok && len(list) > 0 {
		if text, ok := list[0].(string); ok {
			return text
		}
	}
	return ""
}

// keyed are the items of both lists by name, in the order of the new list and
// then of what is only in the old; false when the names do not tell them apart.
func keyed(name string, before, after []any) (was, is map[string]map[string]any, order []string, ok bool) {
	try := candidates
	if fields, known := listKeys[name]; known {
		try = [][]string{fields}
	}
	for _, fields := range try {
		by := func(item map[string]any) string { return keyOf(item, fields) }
		if name == "endpoints" {
			by = endpointKey
		}
		was, order1, ok1 := index(before, by)
		is, order2, ok2 := index(after, by)
		if !ok1 || !ok2 {
			continue
		}
		for _, key := range order1 {
			if _, both := is[key]; !both {
				order2 = append(order2, key)
			}
		}
		return was, is, order2, true
	}
	return nil, nil, nil, false
}

func index(list []any, by func(map[string]any) string) (map[string]map[string]any, []string, bool) {
	items, order := make(map[string]map[string]any, len(list)), make([]string, 0, len(list))
	for _, v := range list {
		item, ok := v.(map[string]any)
		if !ok {
			return nil, nil, false
		}
		key := by(item)
		if _, twice := items[key]; key == "" || twice {
			return nil, nil, false
		}
		items[key] = item
		order = append(order, key)
	}
	return items, order, true
}

// objects says whether all items are objects.
func objects(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, ok := v.(map[string]any); return !ok })
}
