package node

import (
	"testing"
	"time"

	"workbench/cluster/event"
)

// TestPodEventBelievesLookupsAlone hears what a tap says, and what anybody could.
func TestPodEventBelievesLookupsAlone(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		body event.Body
		want bool
	}{
		{event.DNSQueries{Node: "w9", Pod: "coredns-1", Queries: []event.DNSQuery{{Name: "a.", Count: 1}}}, true},
		{event.NodeState{Node: "w1", State: event.NodeKilled}, false},
	} {
		raw, err := event.Event{Seq: 7, Time: at, Body: c.body}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		e, ok := podEvent(raw, "w1")
		if ok != c.want {
			t.Errorf("%s is believed: %v", c.body.Type(), ok)
		}
		if b, is := e.Body.(event.DNSQueries); ok && (!is || b.Node != "w1" || e.Seq != 0 || !e.Time.Equal(at)) {
			t.Errorf("passed on as %+v", e)
		}
	}
	if _, ok := podEvent([]byte("{"), "w1"); ok {
		t.Error("half a datagram is believed")
	}
}
