package event

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// TestCycleWritesItselfAsTheLibraryWould: but for the order of keys.
func TestCycleWritesItselfAsTheLibraryWould(t *testing.T) {
	cycle := SchedCycle{
		Instance: "c1", Profile: "<default>", Pod: SchedPod{Namespace: "a", Name: "b"}, Start: time.Unix(5, 7).UTC(), Nodes: []string{"w1", "w2"},
		Rows: []SchedRow{
			{},
			{Node: 1, Failed: 3, Code: SchedNever, Reason: []int{0, 2}},
			{Node: 2, Raw: []int64{-4, 0, 100}, Score: []int64{1, 2, 3}, Total: 9000000000},
			{Node: 3, Code: SchedCode(`"<&` + "\u2028"), Reason: []int{}, Total: -1},
		},
	}
	for _, c := range []SchedCycle{cycle, {}, {Rows: []SchedRow{{}}}} {
		want, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		got.WriteString("before")
		if err := c.writeJSON(&got); err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(want, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got.Bytes()[len("before"):], &b); err != nil {
			t.Fatalf("%v\n%s", err, got.String())
		}
		if !reflect.DeepEqual(a, b) || len(want) != got.Len()-len("before") {
			t.Errorf("wrote\n%s\nwant\n%s", got.String(), want)
		}
	}
}

// FuzzSchedRow: any row is written as the library would.
func FuzzSchedRow(f *testing.F) {
	f.Add(1, 2, "no", 3, int64(4), int64(5), int64(6))
	f.Fuzz(func(t *testing.T, node, failed int, code string, reason int, raw, score, total int64) {
		r := SchedRow{Node: node, Failed: failed, Code: SchedCode(code), Reason: []int{reason}, Raw: []int64{raw}, Score: []int64{score}, Total: total}
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.appendJSON(nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("wrote %s, %v; want %s", got, err, want)
		}
	})
}

// BenchmarkCycle writes a cycle of 24 nodes and 8 Score plugins, as the library
// does it and as the pipe of a tap does.
func BenchmarkCycle(b *testing.B) {
	c := SchedCycle{Instance: "c1", Profile: "default-scheduler", Scored: true}
	for i := range 24 {
		r := SchedRow{Node: i, Total: 6000}
		for range 8 {
			r.Raw, r.Score = append(r.Raw, 12345), append(r.Score, 100)
		}
		c.Rows = append(c.Rows, r)
	}
	e := Event{Time: time.Unix(5, 7), Body: c}
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pipe", func(b *testing.B) {
		b.ReportAllocs()
		var line bytes.Buffer
		for b.Loop() {
			line.Reset()
			if err := e.WriteJSON(&line); err != nil {
				b.Fatal(err)
			}
		}
	})
}
