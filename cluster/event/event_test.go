package event

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var when = time.Date(2026, 1, 2, 15, 4, 5, 123456789, time.UTC)

// bodies gives one value of each registered type with every field set.
func bodies(t testing.TB) []Body {
	t.Helper()
	var all []Body
	for _, name := range slices.Sorted(maps.Keys(types)) {
		zero, err := types[name](json.RawMessage("{}"))
		if err != nil {
			t.Fatalf("decode an empty %s: %v", name, err)
		}
		v := reflect.New(reflect.TypeOf(zero)).Elem()
		n := 0
		fill(t, v, &n)
		all = append(all, v.Interface().(Body))
	}
	return all
}

// fill sets every field to a value of its own.
func fill(t testing.TB, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(when.Add(time.Duration(*n) * time.Second)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), n)
		fill(t, v.Index(1), n)
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(uint64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.5)
	default:
		t.Fatalf("no value for a field of kind %v", v.Kind())
	}
}

func TestEveryTypeRoundTrips(t *testing.T) {
	for _, body := range bodies(t) {
		e := Event{Seq: 41, Time: when, Body: body}
		data, err := json.Marshal(e)
		if err != nil {
			t.Errorf("%s: %v", body.Type(), err)
			continue
		}
		prefix := `{"seq":41,"time":"2026-01-02T15:04:05.123456789Z","type":"` + body.Type() + `","data":{`
		if !strings.HasPrefix(string(data), prefix) {
			t.Errorf("%s: is written as %s", body.Type(), data)
		}
		var got Event
		if err := json.Unmarshal(data, &got); err != nil {
			t.Errorf("%s: %v", body.Type(), err)
			continue
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s:\ngot  %+v\nwant %+v\nfrom %s", body.Type(), got, e, data)
		}
	}
}

func TestEmptyBodiesRoundTrip(t *testing.T) {
	for name, decode := range types {
		body, err := decode(json.RawMessage("{}"))
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(Event{Body: body})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got Event
		if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got.Body, body) {
			t.Errorf("%s: got %+v, %v from %s", name, got.Body, err, data)
		}
	}
}

// TestEveryBodyIsRegistered reads the sources: a type that has the methods of
// a Body but is not registered would come back as Unknown.
func TestEveryBodyIsRegistered(t *testing.T) {
	registered := map[string]bool{}
	for _, body := range bodies(t) {
		registered[reflect.TypeOf(body).Name()] = true
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "sealed" {
				continue
			}
			name := f.Recv.List[0].Type.(*ast.Ident).Name
			if found++; name != "Unknown" && !registered[name] {
				t.Errorf("%s is not registered", name)
			}
		}
	}
	if found != len(types)+1 {
		t.Errorf("%d bodies in the sources, %d registered", found, len(types))
	}
}

func TestWireNamesAreStable(t *testing.T) {
	want := []string{
		"fault.injected", "fault.verified", "fault.ended", "link.state", "recovery.past",
		"action", "component.metrics", "component.state", "component.usage", "container.event", "kubelet.probes", "kubelet.sync", "kubelet.volumes",
		"kube.change", "kube.deleted", "kube.deployment", "kube.endpointslice", "kube.event", "kube.gap", "kube.lag", "kube.lease", "kube.networkpolicy", "kube.node", "kube.pod", "kube.requests", "kube.service", "kube.synced", "dns.queries",
		"image.loaded", "image.pull", "image.removed",
		"lab.phase", "lab.topology", "node.added", "node.inhibitors", "node.removed", "node.shutdown", "node.state", "probe", "operation.step", "pulse.switched", "raft.disk", "raft.entries", "raft.log", "raft.membership", "raft.messages", "raft.role", "raft.status",
		"proxy.counters", "proxy.node", "proxy.service", "proxy.sync", "proxy.trace",
		"scenario.state", "scenario.step", "sched.bind", "sched.cycle", "sched.preempted", "sched.queue",
		"source.state", "step.done", "step.started", "trace.ended", "trace.spans", "trace.started",
	}
	for _, name := range want {
		if types[name] == nil {
			t.Errorf("%s is gone: recordings hold it", name)
		}
	}
}

func TestUnknownTypesAreKept(t *testing.T) {
	const line = `{"seq":7,"time":"2026-01-02T15:04:05Z","type":"future.thing","data":{"b":[1,2],"a":"x"}}`
	var e Event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	if u, ok := e.Body.(Unknown); !ok || u.Name != "future.thing" {
		t.Errorf("got %+v", e.Body)
	}
	if again, err := json.Marshal(e); err != nil || string(again) != line {
		t.Errorf("written back as %s, %v", again, err)
	}
}

func TestMalformedEventsAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		`[]`:                  "decode event: ",
		`{"seq":3,"data":{}}`: "decode event 3: no type",
		`{"seq":3,"type":"probe","data":{"ok":"yes"}}`: "decode event 3 (probe): ",
		`{"seq":3,"type":"probe"}`:                     "decode event 3 (probe): ",
		`{"seq":-1,"type":"probe","data":{}}`:          "decode event: ",
		`{"time":"noon","type":"probe","data":{}}`:     "decode event: ",
	} {
		var e Event
		if err := e.UnmarshalJSON([]byte(line)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := json.Marshal(Event{Seq: 5}); err == nil || !strings.Contains(err.Error(), "encode event 5: no body") {
		t.Errorf("no body: %v", err)
	}
}

func FuzzUnmarshalJSON(f *testing.F) {
	for _, body := range bodies(f) {
		data, err := json.Marshal(Event{Seq: 1, Time: when, Body: body})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"seq":7,"time":"2026-01-02T15:04:05Z","type":"future.thing","data":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Event
		if e.UnmarshalJSON(data) != nil {
			return
		}
		written, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("decoded what cannot be written: %v", err)
		}
		var again Event
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%v\nof %s", err, written)
		}
		twice, err := json.Marshal(again)
		if err != nil || string(twice) != string(written) {
			t.Fatalf("written as\n%s\nthen as\n%s, %v", written, twice, err)
		}
	})
}
