package scenario

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

const head = "apiVersion: workbench/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nspec:\n  steps:\n"

// TestRefusals holds what is wrong with files, with the line and a remedy.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"apiVersion: v1\nkind: Scenario\nmetadata: {name: x}\nspec: {steps: [{after: 1s}]}\n": `x.yaml:1:13: apiVersion: "v1" is not what this version reads; write workbench/v1alpha1`,
		"kind: Lab\nmetadata: {name: x}\nspec: {steps: [{after: 1s}]}\n":                      "apiVersion: is missing",
		head[:len(head)-len("  steps:\n")] + "  timeout: soon\n":                              `x.yaml:5:12: spec.timeout: "soon" is no duration`,
		head + "  - {}\n":                                                   "x.yaml:6:5: spec.steps[0]: the step does nothing",
		head + "  - falt: kill w1\n":                                        `x.yaml:6:5: spec.steps[0]: unknown key "falt"; did you mean fault?`,
		head + "  - fault: smash w1\n":                                      `x.yaml:6:12: spec.steps[0].fault: no fault "smash"`,
		head + "  - fault: kill ${boss}\n":                                  "there is no role ${boss}; roles are ${leader}",
		head + "  - fault: kill w1\n    expect: leader\n":                   "a step does one thing, this one has fault already",
		head + "  - heal: power\n":                                          `no fault before is named "power"`,
		head + "  - {fault: kill w1, as: a}\n  - {fault: kill w2, as: a}\n": `there is a fault named "a" already`,
		head + "  - {after: 1s, as: a}\n":                                   "names a fault, and the step has none",
		head + "  - expect: leader gone\n":                                  `"leader gone" is no condition; there are: leader | leader changed | leader unchanged`,
		head + "  - expect: leader changed within soon\n":                   "within soon is no time",
		head + "  - expect: machine w1 dead\n":                              `"dead" is no state; the form is: machine NODE STATE`,
		head + "  - expect: bananas\n":                                      "conditions begin with lab, node",
		head + "  - when: leader for 3s\n":                                  "it cannot wait during it",
		head + "  - scale: web 4\n":                                         "write NAMESPACE/DEPLOYMENT REPLICAS",
		head + "  - setImage: a/web\n":                                      "CONTAINER=IMAGE",
		head + "  - rollout: begin a/web\n":                                 "write restart",
		head + "  - act: restart\n":                                         "write a verb and a target",
		head + "  - expect: deployment a/b at least many available\n":       `"many" is no number`,
		"": "the file is empty; begin it with\napiVersion: workbench/v1alpha1\nkind: Scenario",
	} {
		_, err := Load("x.yaml", strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestBuiltin(t *testing.T) {
	all, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 10 {
		t.Errorf("%d are built in", len(all))
	}
	for i, s := range all {
		if s.Metadata.Name != Names()[i] || s.Metadata.Title == "" || s.Spec.Description == "" || len(s.Faults()) == 0 {
			t.Errorf("%s (%s) lacks something", Names()[i], s.Metadata.Name)
		}
		found, err := Find(s.Metadata.Name)
		if err != nil || !reflect.DeepEqual(found, s) {
			t.Errorf("find %s: %v", s.Metadata.Name, err)
		}
		expects := 0
		for _, step := range s.Spec.Steps {
			if step.Expect != "" {
				expects++
			}
		}
		if expects < 3 {
			t.Errorf("%s expects %d things", s.Metadata.Name, expects)
		}
	}
	if _, err := Find("leader-los"); err == nil || !strings.Contains(err.Error(), "built in are leader-loss") {
		t.Errorf("got %v", err)
	}
}

// TestSchemaAgreesWithTypes holds the JSON Schema to the keys of the types.
func TestSchemaAgreesWithTypes(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var walk func(s map[string]any, typ reflect.Type, at string)
	walk = func(s map[string]any, typ reflect.Type, at string) {
		switch typ.Kind() {
		case reflect.Slice:
			walk(s["items"].(map[string]any), typ.Elem(), at+"[]")
		case reflect.Struct:
			if s["additionalProperties"] != false {
				t.Errorf("%s takes unknown keys", at)
			}
			properties := s["properties"].(map[string]any)
			var names []string
			for i := range typ.NumField() {
				name := typ.Field(i).Tag.Get("json")
				names = append(names, name)
				if p, ok := properties[name].(map[string]any); !ok {
					t.Errorf("%s.%s is not in the schema", at, name)
				} else {
					walk(p, typ.Field(i).Type, at+"."+name)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(properties)) {
				if !slices.Contains(names, name) {
					t.Errorf("%s.%s is in the schema only", at, name)
				}
			}
		}
	}
	walk(root, reflect.TypeFor[Scenario](), "scenario")
}

// world is a lab of 3 + n that runs, led by c2.
func world(planes, workers int) *state.World {
	w := state.New()
	var nodes []event.TopologyNode
	add := func(name string, role event.Role, components ...string) {
		nodes = append(nodes, event.TopologyNode{Name: name, Role: role, Components: components})
	}
	for i := range planes {
		add("c"+string(rune('1'+i)), event.ControlPlane, "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
	}
	for i := range workers {
		add("w"+string(rune('1'+i)), event.Worker, "containerd", "kubelet")
	}
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	say := func(body event.Body) { w.Apply(event.Event{Seq: w.Seq + 1, Time: at, Body: body}) }
	say(event.LabTopology{Nodes: nodes})
	say(event.LabPhase{Phase: event.Running})
	for _, n := range nodes {
		say(event.NodeState{Node: n.Name, State: event.NodeRunning})
		for _, c := range n.Components {
			say(event.ComponentState{Node: n.Name, Component: c, State: event.ComponentReady})
		}
		at = at.Add(time.Second)
		if n.Role == event.Worker {
			say(event.KubeNode{Meta: event.Meta{Name: n.Name}, Ready: "True"})
			say(event.KubeLease{Meta: event.Meta{Namespace: "kube-node-lease", Name: n.Name}, Renewed: at})
			continue
		}
		role := event.RaftFollower
		if n.Name == "c2" || planes == 1 {
			role = event.RaftLeader
		}
		lead := "c2"
		if planes == 1 {
			lead = "c1"
		}
		say(event.RaftStatus{Node: n.Name, Role: role, Term: 3, Lead: lead, Commit: 100, Applied: 100})
	}
	say(event.KubeLease{Meta: event.Meta{Namespace: "kube-system", Name: "kube-scheduler"}, Holder: "c3_abc"})
	return w
}

func TestRolesStayTheSame(t *testing.T) {
	w, r := world(3, 2), Roles{}
	bind := func(text string) string {
		t.Helper()
		out, err := r.Bind(text, w)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := bind("partition ${leader}/${followers}"); got != "partition c2/c1,c3" {
		t.Errorf("got %q", got)
	}
	w.Apply(event.Event{Body: event.RaftStatus{Node: "c1", Role: event.RaftLeader, Term: 4, Lead: "c1"}})
	if got := bind("kill ${leader},${follower} ${scheduler} ${worker} ${other-worker}"); got != "kill c2,c1 c3 w1 w2" {
		t.Errorf("got %q", got)
	}
	if _, err := (Roles{}).Bind("${controller-manager}", w); err == nil || !strings.Contains(err.Error(), "no kube-controller-manager leads") {
		t.Errorf("got %v", err)
	}
	small := world(1, 1)
	if _, err := (Roles{}).Bind("${follower}", small); err == nil || !strings.Contains(err.Error(), "one control plane") {
		t.Errorf("got %v", err)
	}
	for _, role := range RoleTexts() {
		if role.Text == "" {
			t.Errorf("%s is not described", role.Name)
		}
	}
}

func TestFits(t *testing.T) {
	s, err := Find("leader-loss")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fits(world(3, 1)); err != nil {
		t.Error(err)
	}
	if err := s.Fits(world(1, 1)); err == nil || !strings.Contains(err.Error(), "at least 3 control planes and 1 workers; this one has 1 and 1") {
		t.Errorf("got %v", err)
	}
}

// TestConditions holds each form against a world and what happens to it.
func TestConditions(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 5, 0, 0, time.UTC)
	later := func(d time.Duration, body event.Body) event.Event { return event.Event{Time: at.Add(d), Body: body} }
	loss := []event.Event{
		later(0, event.NodeState{Node: "c2", State: event.NodeKilled}),
		later(time.Second, event.RaftStatus{Node: "c1", Role: event.RaftLeader, Term: 4, Lead: "c1", Commit: 120, Applied: 120}),
		later(time.Second, event.RaftStatus{Node: "c3", Role: event.RaftFollower, Term: 4, Lead: "c1", Commit: 120, Applied: 99}),
		later(time.Second, event.KubeLease{Meta: event.Meta{Namespace: "kube-system", Name: "kube-scheduler"}, Holder: "c1_xyz"}),
	}
	split := []event.Event{ // c2 believes that it leads, and nobody follows
		later(0, event.RaftStatus{Node: "c1", Role: event.RaftPreCandidate, Term: 3}),
		later(0, event.RaftStatus{Node: "c3", Role: event.RaftPreCandidate, Term: 3}),
	}
	probed := []event.Event{
		later(time.Second, event.Probe{Target: "api-write", OK: true, Latency: time.Millisecond}),
		later(3*time.Second, event.Probe{Target: "api-write", Latency: time.Second, Error: "no answer"}),
		later(4*time.Second, event.Probe{Target: "api-write", OK: true, Latency: 500 * time.Millisecond}),
	}
	pod := func(name, node string, ready bool) event.Body {
		return event.KubePod{Meta: event.Meta{Namespace: "a", Name: name, Created: at.Add(time.Minute), Owner: "ReplicaSet/web-1"}, Node: node, Ready: ready, Phase: "Running"}
	}
	rolled := []event.Event{
		later(0, event.KubeDeployment{Meta: event.Meta{Namespace: "a", Name: "web"}, Replicas: 2, Updated: 2, Available: 2}),
		later(0, pod("web-1", "w1", true)), later(0, pod("web-2", "w2", true)),
		later(0, event.KubeEndpointSlice{Meta: event.Meta{Namespace: "a", Name: "web-x"}, Service: "web", Endpoints: []event.KubeEndpoint{{Node: "w1", Ready: true}, {Node: "w2"}}}),
	}
	for _, c := range []struct {
		events []event.Event
		holds  string
		not    string
	}{
		{nil, "lab whole | leader | leader unchanged | member c2 leads | member c1 follows | node w1 Ready | nodes Ready | machine c1 running | component c1/etcd ready | lease kube-scheduler kept | pods ready | faults landed",
			"no leader | leader changed | member c2 follows | node w1 NotReady | node x Ready | machine c1 killed | component c1/etcd paused | component c1/x ready | lease kube-scheduler moved | pods ready in a | pulse green | deployment a/web ready"},
		{loss, "leader changed | leader | machine c2 killed | component c2/etcd exited | member c3 follows | lease kube-scheduler moved", "lab whole | leader unchanged | member c3 caught up | member c2 follows | lease kube-scheduler kept"},
		{split, "no leader", "leader | leader changed | lab whole"},
		{probed, "pulse green | pulse api-write ok | pulse api-* ok | outage api-write at most 3s", "no failed api-write | outage api-* at most 1s | pulse api-write fails | pulse dns ok"},
		{probed[:2], "pulse api-write fails", "pulse green | outage api-write at most 1h"},
		{rolled, "deployment a/web ready | deployment a/web replaced | deployment a/web at least 2 available | pods ready in a | endpoints a/web at least 1 | no endpoints a/web on w2 | no pods in a on c1",
			"deployment a/web at least 3 available | endpoints a/web at least 2 | no endpoints a/web on w1 | no pods in a on w1"},
		{[]event.Event{later(0, event.FaultInjected{ID: "f1", Text: "kill w1"})}, "leader", "faults landed"},
	} {
		w := world(3, 2)
		base := NewBase(w, at)
		for _, e := range c.events {
			w.Apply(e)
		}
		check := func(text string, want bool) {
			e, err := ParseExpectation(text)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				return
			}
			held, why := e.Check(View{Now: w, Base: base})
			if held != want || held != (why == "") {
				t.Errorf("%s: %t (%s) after %d events", text, held, why, len(c.events))
			}
		}
		for text := range strings.SplitSeq(c.holds, " | ") {
			check(text, true)
		}
		for text := range strings.SplitSeq(c.not, " | ") {
			check(text, false)
		}
	}
}

func TestExpectationTimes(t *testing.T) {
	for text, want := range map[string]Expectation{
		"leader":                            {Text: "leader"},
		"leader changed within 10s":         {Text: "leader changed", Within: 10 * time.Second},
		"pulse green within 1m for 5s":      {Text: "pulse green", Within: time.Minute, For: 5 * time.Second},
		"pulse green for 5s within 1m":      {Text: "pulse green", Within: time.Minute, For: 5 * time.Second},
		"outage api-* at most 3s within 5s": {Text: "outage api-* at most 3s", Within: 5 * time.Second},
	} {
		e, err := ParseExpectation(text)
		if err != nil || e.Text != want.Text || e.Within != want.Within || e.For != want.For {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	for _, text := range []string{"", "leader within 1s within 2s", "leader within -1s", "for 5s"} {
		if _, err := ParseExpectation(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// FuzzLoad holds that no file makes Load fail otherwise than by an error.
func FuzzLoad(f *testing.F) {
	for _, name := range Names() {
		raw, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Load("x.yaml", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, one := range s.Faults() {
			plain, err := substitute(one, placeholder)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fault.Parse(plain); err != nil {
				t.Fatalf("%q: %v", one, err)
			}
		}
	})
}
