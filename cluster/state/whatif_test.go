package state

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"workbench/cluster/event"
)

// asked is a cycle of four nodes: w1 rejected by the first filter, w2 by the
// second, w3 and w4 scored.
func asked() *event.SchedCycle {
	return &event.SchedCycle{
		Plugins: []string{"TaintToleration", "NodeResourcesFit", "NodePorts", "PodTopologySpread"},
		Nodes:   []string{"w1", "w2", "w3", "w4"}, Node: "w3",
		Filters: []int{0, 1, 2}, Skipped: []int{2},
		Scorers: []event.SchedScorer{{Plugin: 3, Weight: 2}, {Plugin: 1, Weight: 1}},
		Rows: []event.SchedRow{
			{Node: 0, Failed: 1, Code: event.SchedNever},
			{Node: 1, Failed: 2, Code: event.SchedNo},
			{Node: 2, Score: []int64{100, 10}, Raw: []int64{0, 10}, Total: 210},
			{Node: 3, Score: []int64{40, 90}, Raw: []int64{3, 90}, Total: 170},
		},
	}
}

func TestWhatIf(t *testing.T) {
	for _, test := range []struct {
		name   string
		change Change
		best   string
		ties   []string
		nodes  []Standing
	}{
		{"nothing", Change{}, "w3", nil, []Standing{{Node: "w3", Total: 210, Scored: true, Was: 1}, {Node: "w4", Total: 170, Scored: true, Was: 2}}},
		{"without the plugin that decided", Change{Weights: map[string]int64{"PodTopologySpread": 0}}, "w4", nil,
			[]Standing{{Node: "w4", Total: 90, Scored: true, Was: 2}, {Node: "w3", Total: 10, Scored: true, Was: 1}}},
		{"a weight that makes a tie", Change{Weights: map[string]int64{"PodTopologySpread": 4, "NodeResourcesFit": 3}}, "w3", []string{"w4"},
			[]Standing{{Node: "w3", Total: 430, Scored: true, Was: 1}, {Node: "w4", Total: 430, Scored: true, Was: 2}}},
		{"without the first filter: what comes after never ran", Change{Without: map[string]bool{"TaintToleration": true}}, "w3", nil,
			[]Standing{{Node: "w3", Total: 210, Scored: true, Was: 1}, {Node: "w4", Total: 170, Scored: true, Was: 2}, {Node: "w1", Freed: true, Unknown: []string{"NodeResourcesFit"}}}},
		{"without the last filter that checks: it passes, without scores", Change{Without: map[string]bool{"NodeResourcesFit": true}}, "w3", nil,
			[]Standing{{Node: "w3", Total: 210, Scored: true, Was: 1}, {Node: "w4", Total: 170, Scored: true, Was: 2}, {Node: "w2", Freed: true}}},
	} {
		c := asked()
		if test.ties != nil { // 100a+10b = 40a+90b
			c.Rows[2].Score, c.Rows[3].Score = []int64{100, 10}, []int64{40, 90}
		}
		got := WhatIf(c, test.change)
		if got.Best != test.best || !reflect.DeepEqual(got.Ties, test.ties) || !reflect.DeepEqual(got.Nodes, test.nodes) {
			t.Errorf("%s: %+v", test.name, got)
		}
		if !reflect.DeepEqual(c, asked()) {
			t.Errorf("%s: the cycle was changed", test.name)
		}
	}
}

// Nobody fits and nothing is freed: there is no best.
func TestWhatIfWithoutNodes(t *testing.T) {
	c := asked()
	c.Rows = c.Rows[:2]
	if got := WhatIf(c, Change{Without: map[string]bool{"TaintToleration": true}}); got.Best != "" || len(got.Nodes) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestSchedIsBounded fills the history with cycles of many nodes: it stays
// small, and the newest attempts are all there.
func TestSchedIsBounded(t *testing.T) {
	for _, nodes := range []int{3, 48} {
		w := New()
		for i := range 2000 {
			c := event.SchedCycle{Instance: "c1", Profile: "default-scheduler", Pod: event.SchedPod{Namespace: "demo", Name: "x", UID: "u"}, Attempt: i + 1}
			for p := range 24 {
				c.Plugins = append(c.Plugins, fmt.Sprint("NodeResourcesFitting", p))
			}
			for n := range nodes {
				c.Nodes = append(c.Nodes, fmt.Sprint("node-", n))
				c.Rows = append(c.Rows, event.SchedRow{Node: n, Raw: []int64{1, 2, 300, 4, 5, 6, 7, 8}, Score: []int64{1, 2, 3, 4, 5, 6, 7, 100}, Total: 123})
			}
			w.Apply(event.Event{Seq: uint64(i + 1), Time: start.Add(time.Duration(i) * time.Second), Body: c})
		}
		s := &w.Sched
		bound(t, "cycles", len(s.Cycles), MaxCycles)
		bound(t, "rows", s.Rows, MaxRows)
		rows := 0
		for i, c := range s.Cycles {
			rows += len(c.Rows)
			if want := 2000 - len(s.Cycles) + i + 1; c.Attempt != want {
				t.Fatalf("cycle %d is attempt %d, want %d", i, c.Attempt, want)
			}
		}
		if rows != s.Rows || s.Dropped+len(s.Cycles) != 2000 {
			t.Errorf("%d rows counted as %d; %d dropped and %d kept", rows, s.Rows, s.Dropped, len(s.Cycles))
		}
		if data, err := json.Marshal(s); err != nil || len(data) > 1<<20 {
			t.Errorf("with %d nodes the history has %d bytes, %v", nodes, len(data), err)
		}
	}
}
