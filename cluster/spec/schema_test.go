package spec

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type node = map[string]any

// TestSchemaAgreesWithTypes walks the Go types and the schema side by side:
// the same keys, the same types, nothing more on either side.
func TestSchemaAgreesWithTypes(t *testing.T) {
	var root node
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	compare(t, root, root, reflect.TypeFor[Lab](), "lab")
}

func compare(t *testing.T, root, s node, typ reflect.Type, at string) {
	t.Helper()
	if ref, ok := s["$ref"].(string); ok {
		s = root["$defs"].(node)[strings.TrimPrefix(ref, "#/$defs/")].(node)
	}
	var want any
	switch {
	case typ == reflect.TypeFor[Bytes]():
		want = []any{"integer", "string"}
	case typ == reflect.TypeFor[Cores]():
		want = []any{"number", "string"}
	case typ.Kind() == reflect.Struct:
		compareStruct(t, root, s, typ, at)
		want = "object"
	case typ.Kind() == reflect.Map:
		want = "object"
		values, ok := s["additionalProperties"].(node)
		if !ok {
			t.Fatalf("%s: no additionalProperties", at)
		}
		if typ.Elem().Kind() == reflect.String {
			if got := values["type"]; !reflect.DeepEqual(got, []any{"string", "number", "boolean"}) {
				t.Errorf("%s: values are %v", at, got)
			}
			break
		}
		compare(t, root, values, typ.Elem(), at+".*")
	case typ.Kind() == reflect.Slice:
		want = "array"
		compare(t, root, s["items"].(node), typ.Elem(), at+"[]")
	case typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Int:
		want = "integer"
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	default:
		t.Fatalf("%s: no rule for %v", at, typ)
	}
	if s["const"] == nil && !reflect.DeepEqual(s["type"], want) {
		t.Errorf("%s: schema type %v, want %v", at, s["type"], want)
	}
}

func compareStruct(t *testing.T, root, s node, typ reflect.Type, at string) {
	t.Helper()
	if s["additionalProperties"] != false {
		t.Errorf("%s: the schema takes unknown keys, Load does not", at)
	}
	properties := s["properties"].(node)
	var fields []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		name := jsonName(f)
		if name == "" {
			continue
		}
		fields = append(fields, name)
		p, ok := properties[name].(node)
		if !ok {
			t.Errorf("%s.%s: not in the schema", at, name)
			continue
		}
		compare(t, root, p, f.Type, at+"."+name)
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !slices.Contains(fields, name) {
			t.Errorf("%s.%s: in the schema only", at, name)
		}
	}
}

// TestSchemaAgreesWithValues compares defaults, bounds and enumerations.
func TestSchemaAgreesWithValues(t *testing.T) {
	var root node
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	at := func(keys ...string) any {
		var v any = root
		for _, k := range keys {
			v = v.(node)[k]
		}
		return v
	}
	spec := func(keys ...string) any {
		return at(append([]string{"properties", "spec", "properties"}, keys...)...)
	}
	d := Default()
	for name, c := range map[string]struct{ got, want any }{
		"apiVersion":     {at("properties", "apiVersion", "const"), APIVersion},
		"kind":           {at("properties", "kind", "const"), Kind},
		"required":       {at("required"), []any{"apiVersion", "kind"}},
		"name":           {at("properties", "metadata", "properties", "name", "default"), d.Metadata.Name},
		"name length":    {at("properties", "metadata", "properties", "name", "maxLength"), float64(MaxName)},
		"name pattern":   {at("properties", "metadata", "properties", "name", "pattern"), label.String()},
		"planes":         {spec("controlPlanes", "properties", "count", "default"), float64(d.Spec.ControlPlanes.Count)},
		"workers":        {spec("workers", "properties", "count", "default"), float64(d.Spec.Workers.Count)},
		"max workers":    {spec("workers", "properties", "count", "maximum"), float64(MaxWorkers)},
		"fabric":         {spec("network", "properties", "fabricCIDR", "default"), d.Spec.Network.FabricCIDR},
		"pods":           {spec("network", "properties", "podCIDR", "default"), d.Spec.Network.PodCIDR},
		"services":       {spec("network", "properties", "serviceCIDR", "default"), d.Spec.Network.ServiceCIDR},
		"load balancers": {spec("network", "properties", "loadBalancerCIDR", "default"), d.Spec.Network.LoadBalancerCIDR},
		"cloud":          {spec("cloud", "default"), d.Spec.Cloud},
		"proxy":          {spec("network", "properties", "proxyMode", "default"), string(d.Spec.Network.ProxyMode)},
		"proxy modes":    {spec("network", "properties", "proxyMode", "enum"), []any{string(IPTables), string(NFTables), string(Userspace)}},
		"profile":        {spec("failureDetection", "default"), string(d.Spec.FailureDetection)},
		"profiles":       {spec("failureDetection", "enum"), []any{string(Teaching), string(Kubernetes)}},
		"gate pattern":   {spec("featureGates", "propertyNames", "pattern"), featureGate.String()},
		"taint effects":  {spec("nodes", "additionalProperties", "properties", "taints", "items", "properties", "effect", "enum"), []any{string(NoSchedule), string(PreferNoSchedule), string(NoExecute)}},
		"control planes": {spec("controlPlanes", "properties", "count", "enum"), []any{1.0, 3.0, 5.0}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: schema has %v, Go has %v", name, c.got, c.want)
		}
	}
	var components []any
	for _, c := range ComponentNames() {
		components = append(components, c)
	}
	if got := spec("components", "propertyNames", "enum"); !reflect.DeepEqual(got, components) {
		t.Errorf("components: schema has %v, Go has %v", got, components)
	}
}
