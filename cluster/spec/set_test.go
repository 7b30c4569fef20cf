package spec

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func names(l Lab) string {
	var out []string
	for _, n := range l.NodeList() {
		out = append(out, n.Name+"@"+n.Address.String())
	}
	return strings.Join(out, " ")
}

func TestNumbersAreNeverGivenAgain(t *testing.T) {
	lab := Default()
	lab.Spec.ControlPlanes.Count, lab.Spec.Workers.Count = 1, 2
	step := func(l Lab, n Node, err error) Lab {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	lab = step(lab.Add(Addition{}))
	lab = step(lab.Add(Addition{ControlPlane: true, Memory: 600 << 20}))
	var err error
	for _, name := range []string{"w3", "c1"} {
		if lab, err = lab.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	lab = step(lab.Add(Addition{}))
	lab = step(lab.Add(Addition{Name: "spare"}))
	const want = "c2@10.10.0.12 w1@10.10.0.101 w2@10.10.0.102 w4@10.10.0.104 spare@10.10.0.105"
	if got := names(lab); got != want {
		t.Errorf("nodes %s, want %s", got, want)
	}
	raw, err := json.Marshal(lab.Set())
	if err != nil {
		t.Fatal(err)
	}
	var back Set
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, *lab.Set()) {
		t.Errorf("%s comes back as %+v, %v", raw, back, err)
	}
	if got := names(Default().With(&back)); got != want {
		t.Errorf("saved nodes %s", got)
	}
	if n := Default(); n.Set() != nil {
		t.Error("a lab as its file says has a set")
	}
}

func TestAdditionsThatCannotBe(t *testing.T) {
	lab := Default()
	for want, a := range map[string]Addition{
		"a node of that name":   {Name: "w1"},
		"small letters":         {Name: "a-name-too-long"},
		"use at least 256Mi":    {Memory: 1 << 20},
		"processors never":      {CPUs: 0.01},
		`"outside": a name`:     {Name: "outside"},
		"needs to start; use a": {ControlPlane: true, Memory: 300 << 20},
	} {
		if _, _, err := lab.Add(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", a, err, want)
		}
	}
	full := lab
	full.Spec.ControlPlanes.Count = MaxControlPlanes
	if _, _, err := full.Add(Addition{ControlPlane: true}); err == nil || !strings.Contains(err.Error(), "5 control planes are the most") {
		t.Error(err)
	}
	if _, err := lab.Remove("w9"); err == nil {
		t.Error("a node that is not there was removed")
	}
}
