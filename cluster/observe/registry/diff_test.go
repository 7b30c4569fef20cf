package registry

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func read(t *testing.T, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	o, err := tree([]byte(text))
	if err != nil || o == nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o.Object
}

func lines(d diff) string {
	var out []string
	for _, f := range d.fields {
		out = append(out, f.Path+": "+f.Old+" > "+f.New)
	}
	return strings.Join(out, "\n")
}

func TestDiff(t *testing.T) {
	const head = `{"apiVersion":"v1","kind":"Thing",`
	for name, c := range map[string]struct{ before, after, want string }{
		"nothing": {`"spec":{"a":1}}`, `"spec":{"a":1}}`, ""},
		"a value": {`"spec":{"replicas":2}}`, `"spec":{"replicas":3}}`, "spec.replicas: 2 > 3"},
		"a condition by its type, not its place": {
			`"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"Initialized","status":"True"}]}}`,
			`"status":{"conditions":[{"type":"Initialized","status":"True"},{"type":"Ready","status":"True"}]}}`,
			"status.conditions[Ready].status: False > True"},
		"a container by its name": {
			`"spec":{"containers":[{"name":"a","image":"x"}]}}`, `"spec":{"containers":[{"name":"b","image":"y"},{"name":"a","image":"z"}]}}`,
			`spec.containers[b]:  > {"image":"y","name":"b"}` + "\nspec.containers[a].image: x > z"},
		"ports without names by number and protocol": {
			`"spec":{"ports":[{"port":80,"protocol":"TCP"},{"port":80,"protocol":"UDP"}]}}`,
			`"spec":{"ports":[{"port":80,"protocol":"TCP","nodePort":30000},{"port":80,"protocol":"UDP"}]}}`,
			"spec.ports[80/TCP].nodePort:  > 30000"},
		"endpoints by their address": {
			`"endpoints":[{"addresses":["10.0.0.1"],"ready":true}]}`, `"endpoints":[{"addresses":["10.0.0.2"],"ready":true},{"addresses":["10.0.0.1"],"ready":false}]}`,
			`endpoints[10.0.0.2]:  > {"addresses":["10.0.0.2"],"ready":true}` + "\nendpoints[10.0.0.1].ready: true > false"},
		"items that nothing names by place": {
			`"rules":[{"verbs":["get"]},{"verbs":["list"]}]}`, `"rules":[{"verbs":["get"]},{"verbs":["watch"]}]}`,
			`rules[1].verbs: ["list"] > ["watch"]`},
		"plain lists as a whole":       {`"spec":{"args":["a","b"]}}`, `"spec":{"args":["b"]}}`, `spec.args: ["a","b"] > ["b"]`},
		"a part taken away":            {`"spec":{"x":{"y":1,"z":"q"}}}`, `"spec":{}}`, `spec.x: {"y":1,"z":"q"} > `},
		"labels with dots":             {`"metadata":{"name":"n","labels":{"a.b/c":"1x"}}}`, `"metadata":{"name":"n","labels":{"a.b/c":"2x"}}}`, "metadata.labels[a.b/c]: 1x > 2x"},
		"text that looks like others":  {`"data":{"a":"1","b":"","c":"true"}}`, `"data":{"a":"2","b":"x","c":"{"}}`, "data.a: \"1\" > \"2\"\ndata.b: \"\" > x\ndata.c: \"true\" > {"},
		"a new object in sections":     {"", `"metadata":{"name":"n","uid":"u","labels":{"a":"b"}},"spec":{"replicas":2,"template":{"spec":{"x":1}}}}`, "metadata.labels:  > {\"a\":\"b\"}\nspec.replicas:  > 2\nspec.template:  > {\"spec\":{\"x\":1}}"},
		"a change of kind":             {`"spec":{"a":[1]}}`, `"spec":{"a":{"b":1}}}`, `spec.a: [1] > {"b":1}`},
		"what the change tells itself": {`"metadata":{"name":"n","resourceVersion":"1","generation":1}}`, `"metadata":{"name":"n","resourceVersion":"2","generation":2}}`, ""},
	} {
		before, after := c.before, head+c.after
		if before != "" {
			before = head + before
		}
		if got := lines(compare(read(t, before), read(t, after), nil)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestLongValuesAreCutAndToldApart(t *testing.T) {
	a, b := render(strings.Repeat("é", 500)+"a"), render(strings.Repeat("é", 500)+"b")
	if a == b || len(a) > maxValue+8 || !strings.Contains(a, "1001 B") || !strings.HasPrefix(a, "éé") {
		t.Errorf("%q and %q", a, b)
	}
}

func TestDiffIsBounded(t *testing.T) {
	many := map[string]any{}
	for i := range 500 {
		many[strings.Repeat("k", 1+i%7)+string(rune('a'+i%26))+strings.Repeat("z", i/26)] = strings.Repeat("v", 150)
	}
	d := compare(map[string]any{"data": map[string]any{}}, map[string]any{"data": many}, nil)
	if len(d.fields)+d.omitted != len(many) || d.bytes > maxBytes || len(d.fields) > maxFields || d.omitted == 0 {
		t.Errorf("%d fields of %d, %d left out, %d bytes", len(d.fields), len(many), d.omitted, d.bytes)
	}
}

func TestManagers(t *testing.T) {
	entry := func(manager, at, fields string) metav1.ManagedFieldsEntry {
		var e metav1.ManagedFieldsEntry
		raw := `{"manager":"` + manager + `","operation":"Update","time":"` + at + `","fieldsType":"FieldsV1","fieldsV1":` + fields + `}`
		if err := json.Unmarshal([]byte(raw), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	user := entry("kubectl", "2026-01-01T00:00:00Z", `{"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{}}}}},"f:selector":{}}}`)
	before := []metav1.ManagedFieldsEntry{user, entry("kcm", "2026-01-01T00:00:01Z", `{"f:status":{"f:conditions":{".":{},"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}}}}`)}
	after := []metav1.ManagedFieldsEntry{user, entry("kcm", "2026-01-01T00:00:02Z", `{"f:status":{"f:replicas":{},"f:conditions":{".":{},"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}}}}`)}
	owners, writer := sets{}.claims(before, after)
	if writer != "kcm" {
		t.Errorf("the write is of %q", writer)
	}
	d := compare(
		read(t, `{"apiVersion":"v1","kind":"T","spec":{"replicas":1,"selector":{"a":{"b":1}},"template":{"spec":{"containers":[{"name":"web","image":"a","tty":true}]}}},"status":{"conditions":[{"type":"Ready","status":"False"}],"gone":1}}`),
		read(t, `{"apiVersion":"v1","kind":"T","spec":{"replicas":2,"selector":{"a":{"b":2}},"template":{"spec":{"containers":[{"name":"web","image":"b"}]}}},"status":{"conditions":[{"type":"Ready","status":"True"}],"replicas":4}}`), owners)
	got := map[string]string{}
	for _, f := range d.fields {
		got[f.Path] = f.Manager
	}
	for path, want := range map[string]string{
		"spec.replicas": "kubectl", "spec.selector.a.b": "kubectl", "spec.template.spec.containers[web].image": "kubectl",
		"spec.template.spec.containers[web].tty": "kcm", // nobody owns it any more: the only one who wrote
		"status.conditions[Ready].status":        "kcm", "status.replicas": "kcm", "status.gone": "kcm",
	} {
		if m, ok := got[path]; !ok || m != want {
			t.Errorf("%s is of %q (%v), want %q", path, m, ok, want)
		}
	}
	if _, writer := (sets{}).claims(after, after); writer != "" {
		t.Errorf("nothing was renewed, and yet %q wrote", writer)
	}
}
