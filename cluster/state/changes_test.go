package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

func showChanges(line printer, c *Changes) {
	line("revision %d, %d changes, %d heartbeats", c.Revision, c.Total, c.Heartbeats)
	for i := range c.List {
		one := &c.List[i]
		a := one.Actor()
		who := a.Lane
		if !a.Sure {
			who += "?"
		}
		line("%s %d<%d %s %s/%s by %s, answers to %d (%s) folded %d", after(one.At), one.Revision, one.Base, one.Verb, one.Resource, one.Name, who, one.Cause, one.Link, one.Folded)
	}
	for _, r := range c.Aside {
		line("aside %s %s/%s %d %s", r.Verb, r.Resource, r.Name, r.Code, r.Reason)
	}
	for _, r := range c.Pending {
		line("pending %s %s/%s", r.Verb, r.Resource, r.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Beats)) {
		b := c.Beats[key]
		line("beat %s ×%d run %d since %d by %s", key, b.Count, b.Run, b.Base, b.User)
	}
	for _, g := range c.Gaps {
		line("gap %d..%d %s", g.From, g.To, g.Reason)
	}
	for _, id := range slices.Sorted(maps.Keys(c.Watches)) {
		line("watch %s %s of %s at %s", id, c.Watches[id].User, c.Watches[id].Resource, c.Watches[id].Node)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Reads)) {
		line("read %s ×%d", key, c.Reads[key].Count)
	}
	for _, node := range slices.Sorted(maps.Keys(c.Lag)) {
		line("lag %s %d %v behind %d", node, c.Lag[node].Revision, c.Lag[node].Lag, c.Lag[node].Behind)
	}
}

// TestBetween composes what single changes did.
func TestBetween(t *testing.T) {
	w := New()
	f := func(path, old, now string) event.FieldChange {
		return event.FieldChange{Path: path, Old: old, New: now, Manager: "m"}
	}
	for _, c := range []event.KubeChange{
		{Revision: 10, Verb: event.ChangeCreate, UID: "u", Fields: []event.FieldChange{f("spec.a", "", "1"), f("spec.list[x]", "", "{}")}},
		{Revision: 11, Previous: 10, Verb: event.ChangeUpdate, UID: "u", Fields: []event.FieldChange{f("spec.a", "1", "2"), f("spec.b", "", "x"), f("spec.list[x].y", "", "1")}},
		{Revision: 12, Verb: event.ChangeUpdate, UID: "other", Fields: []event.FieldChange{f("spec.a", "7", "8")}},
		{Revision: 13, Previous: 11, Verb: event.ChangeUpdate, UID: "u", Fields: []event.FieldChange{f("spec.a", "2", "1"), f("spec.b", "x", "y"), f("spec.list[x]", "{}", "")}},
		{Revision: 16, Previous: 15, Verb: event.ChangeUpdate, UID: "u", Fields: []event.FieldChange{f("spec.b", "z", "q")}},
	} {
		c.Resource, c.Name = "things", c.UID
		w.Apply(event.Event{Time: start, Body: c})
	}
	for _, c := range []struct {
		from, to int64
		want     string
		missing  bool
	}{
		{0, 11, "spec.a: >2 spec.b: >x spec.list[x]: >{} spec.list[x].y: >1", false},
		{10, 11, "spec.a:1>2 spec.b: >x spec.list[x].y: >1", false},
		{10, 13, "spec.b: >y spec.list[x]:{}>", false},
		{11, 13, "spec.a:2>1 spec.b:x>y spec.list[x]:{}>", false},
		{13, 16, "spec.b:z>q", true},
	} {
		d := w.Changes.Between("u", c.from, c.to)
		var parts []string
		for _, f := range d.Fields {
			old := f.Old
			if old == "" {
				old = " "
			}
			parts = append(parts, f.Path+":"+old+">"+f.New)
		}
		if got := strings.Join(parts, " "); got != c.want || d.Missing != c.missing {
			t.Errorf("%d to %d: %q, missing %v", c.from, c.to, got, d.Missing)
		}
	}
}

// TestChangesAreBounded folds far more than is kept.
func TestChangesAreBounded(t *testing.T) {
	w := New()
	for i := range int64(20000) {
		at := start.Add(time.Duration(i) * 500 * time.Microsecond)
		c := event.KubeChange{Revision: i + 2, Previous: i + 1, Verb: event.ChangeUpdate, Resource: "configmaps", Kind: "ConfigMap", Namespace: "load",
			Name: fmt.Sprint("cm-", i%100), UID: fmt.Sprint("u-", i%100), Manager: "load",
			Fields: []event.FieldChange{{Path: "data.value", Old: strings.Repeat("a", 100), New: strings.Repeat("b", 100)}}}
		r := event.KubeRequests{Node: "c1", Requests: []event.KubeRequest{{ID: fmt.Sprint(i), Verb: "update", User: fmt.Sprint("user-", i), Resource: "configmaps", Name: c.Name,
			Code: 200, Received: at.Add(-time.Millisecond), Objects: []event.ObjectRevision{{UID: c.UID, Revision: c.Revision}}}},
			Reads: []event.KubeReads{{User: fmt.Sprint("user-", i), Verb: "get", Resource: "pods", Count: 1}}}
		w.Apply(event.Event{Seq: uint64(2*i + 1), Time: at, Body: c})
		w.Apply(event.Event{Seq: uint64(2*i + 2), Time: at, Body: r})
	}
	data, err := json.Marshal(w.Changes)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 1<<20 || len(w.Changes.List) > MaxChanges+MaxChanges/4 || len(w.Changes.List) < 200 || w.Changes.Total != 20000 {
		t.Errorf("%d bytes, %d of %d changes", len(data), len(w.Changes.List), w.Changes.Total)
	}
	if len(w.Changes.Reads) > maxReads || len(w.Changes.Pending) > maxPending {
		t.Errorf("%d reads, %d pending", len(w.Changes.Reads), len(w.Changes.Pending))
	}
	for i := range w.Changes.List {
		if w.Changes.List[i].By == nil {
			t.Fatalf("revision %d has no writer", w.Changes.List[i].Revision)
		}
	}
	if rate := w.Changes.PerMinute(w.Now); rate != 20000 {
		t.Errorf("%d changes a minute", rate)
	}
	var again Changes
	if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(again.List, w.Changes.List) {
		t.Errorf("not the same after JSON: %v", err)
	}
}
