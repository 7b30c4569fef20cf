package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"workbench/cluster/event"
)

// fold applies events to a new world.
func fold(events []event.Event) *World {
	w := New()
	for _, e := range events {
		w.Apply(e)
	}
	return w
}

func encode(t *testing.T, w *World) []byte {
	t.Helper()
	data, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// journals are the events of the transcripts and a long random run.
func journals(t *testing.T) map[string][]event.Event {
	t.Helper()
	all := map[string][]event.Event{"random": randomRun(6000)}
	for path, transcript := range transcripts(t) {
		events, err := transcript.events()
		if err != nil {
			t.Fatal(err)
		}
		all[path] = events
	}
	return all
}

func TestSameJournalSameWorld(t *testing.T) {
	for name, events := range journals(t) {
		first, second := encode(t, fold(events)), encode(t, fold(events))
		if !bytes.Equal(first, second) {
			t.Errorf("%s: two folds differ:\n%s\n%s", name, first, second)
		}
	}
}

// TestApplyLeavesEventsAlone folds decoded copies of the same lines: readers
// share the bodies.
func TestApplyLeavesEventsAlone(t *testing.T) {
	for name, events := range journals(t) {
		before, err := json.Marshal(events)
		if err != nil {
			t.Fatal(err)
		}
		fold(events)
		if after, err := json.Marshal(events); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: folding changed the events: %v", name, err)
		}
	}
}

// TestAttachInTheMiddle is what a client does: take the world as JSON, follow
// the events behind it.
func TestAttachInTheMiddle(t *testing.T) {
	for name, events := range journals(t) {
		whole := fold(events)
		want := encode(t, whole)
		stride := 1 + len(events)/40
		for at := 0; at <= len(events); at += stride {
			var w World
			if err := json.Unmarshal(encode(t, fold(events[:at])), &w); err != nil {
				t.Fatalf("%s: world after %d events: %v", name, at, err)
			}
			for _, e := range events[at:] {
				w.Apply(e)
			}
			if got := encode(t, &w); !bytes.Equal(got, want) {
				t.Fatalf("%s: attached after %d of %d events, the world is\n%s\nwant\n%s", name, at, len(events), got, want)
			}
		}
	}
}

// TestWorldSurvivesJSON compares all of the world, not only what JSON has of
// it.
func TestWorldSurvivesJSON(t *testing.T) {
	for name, events := range journals(t) {
		whole := fold(events)
		var decoded World
		if err := json.Unmarshal(encode(t, whole), &decoded); err != nil {
			t.Fatal(err)
		}
		decoded.init()
		compareWorlds(t, name, reflect.ValueOf(&decoded).Elem(), reflect.ValueOf(whole).Elem())
	}
}

// compareWorlds takes nil and empty maps and lists for the same.
func compareWorlds(t *testing.T, at string, got, want reflect.Value) {
	t.Helper()
	switch want.Kind() {
	case reflect.Pointer:
		compareWorlds(t, at, got.Elem(), want.Elem())
	case reflect.Struct:
		if _, ok := want.Interface().(time.Time); ok {
			if !got.Interface().(time.Time).Equal(want.Interface().(time.Time)) {
				t.Errorf("%s is %v, want %v", at, got, want)
			}
			return
		}
		for i := range want.NumField() {
			compareWorlds(t, at+"."+want.Type().Field(i).Name, got.Field(i), want.Field(i))
		}
	case reflect.Map:
		if got.Len() != want.Len() {
			t.Errorf("%s has %d entries, want %d", at, got.Len(), want.Len())
			return
		}
		for _, key := range want.MapKeys() {
			if value := got.MapIndex(key); value.IsValid() {
				compareWorlds(t, fmt.Sprintf("%s[%v]", at, key), value, want.MapIndex(key))
			} else {
				t.Errorf("%s has no %v", at, key)
			}
		}
	case reflect.Slice:
		if got.Len() != want.Len() {
			t.Errorf("%s has %d entries, want %d", at, got.Len(), want.Len())
			return
		}
		for i := range want.Len() {
			compareWorlds(t, fmt.Sprintf("%s[%d]", at, i), got.Index(i), want.Index(i))
		}
	default:
		if !got.Equal(want) {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
	}
}

// TestHistoriesAreBounded holds each history to its bound and the quarter that
// it may exceed it by.
func TestHistoriesAreBounded(t *testing.T) {
	w := fold(randomRun(60_000))
	for _, n := range w.Nodes {
		bound(t, "pods of "+n.Name, len(n.Pods.Milli), MaxUsage)
		bound(t, "all of "+n.Name, len(n.Usage.KiB), MaxUsage)
		for _, c := range n.Components {
			bound(t, n.Name+"/"+c.Component, len(c.Usage.Steps), MaxUsage)
		}
	}
	full := 0
	for name, m := range w.Raft.Members {
		full = max(full, bound(t, "swimlane of "+name, len(m.Swim), MaxSwim))
	}
	for target, p := range w.Probes {
		full = max(full, bound(t, "probe "+target, len(p.Samples), MaxProbes))
	}
	bound(t, "raft log", len(w.Raft.Log), MaxRaftLog)
	bound(t, "events", len(w.Kube.Events), MaxEvents)
	bound(t, "actions", len(w.Actions), MaxActions)
	if full == 0 || len(w.Actions) < MaxActions {
		t.Error("the run is too short to fill a history")
	}
}

func bound(t *testing.T, what string, n, limit int) int {
	t.Helper()
	if n > limit+limit/4 {
		t.Errorf("%s has %d entries, more than %d", what, n, limit)
	}
	if n >= limit {
		return n
	}
	return 0
}

// randomRun is a made-up journal of n events; always the same.
func randomRun(n int) []event.Event {
	r := rand.New(rand.NewPCG(1, 2))
	nodes := []string{"c1", "c2", "c3", "w1"}
	topology := event.LabTopology{Name: "demo"}
	for _, name := range nodes {
		topology.Nodes = append(topology.Nodes, event.TopologyNode{Name: name, Role: event.ControlPlane, Components: []string{"etcd", "kubelet"}})
	}
	roles := []event.RaftRoleName{event.RaftFollower, event.RaftCandidate, event.RaftPreCandidate}
	phases := []event.NodePhase{event.NodeRunning, event.NodePaused, event.NodeKilled, event.NodeStopped}
	events := []event.Event{{Seq: 1, Time: start, Body: topology}}
	at := start
	for len(events) < n {
		at = at.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
		node := nodes[r.IntN(len(nodes))]
		meta := event.Meta{Namespace: "default", Name: fmt.Sprint("o", r.IntN(20)), Labels: map[string]string{"b": "1", "a": "2"}}
		var body event.Body
		switch r.IntN(14) {
		case 0:
			body = event.RaftRole{Node: node, Role: roles[r.IntN(len(roles))], Term: uint64(len(events))}
		case 1:
			body = event.RaftStatus{Node: node, Role: event.RaftFollower, Term: uint64(len(events)), Progress: map[string]event.RaftProgress{"x": {}, "y": {}}}
		case 2:
			body = event.RaftLog{Node: node, Text: "vote"}
		case 3, 4:
			body = event.Probe{Target: "api-read", OK: r.IntN(3) > 0, Latency: time.Millisecond, Error: "timeout"}
		case 5:
			body = event.NodeState{Node: node, State: phases[r.IntN(len(phases))], PID: r.IntN(9)}
		case 6:
			body = event.ComponentState{Node: node, Component: "etcd", State: event.ComponentExited, Restarts: r.IntN(9)}
		case 7:
			body = event.ComponentUsage{Node: node, Components: map[string]event.Usage{"etcd": {CPU: time.Duration(r.Int64N(1e9))}, "kubelet": {CPU: time.Duration(len(events)) * time.Millisecond}}}
		case 8:
			body = event.Action{Verb: "node.kill", Target: node}
		case 9:
			body = event.KubePod{Meta: meta, Node: node, Status: "Running"}
		case 10:
			body = event.KubeDeleted{Kind: "Pod", Meta: meta}
		case 11:
			body = event.KubeEvent{Meta: meta, Reason: "Pulled"}
		case 12:
			body = event.KubeLease{Meta: meta, Holder: node, Renewed: at}
		case 13:
			body = event.SourceState{Source: node, OK: r.IntN(2) == 0}
		}
		events = append(events, event.Event{Seq: uint64(len(events)) + 1, Time: at, Body: body})
	}
	return events
}
